//! Where do the keys of tokens come from, if they are not in a file? They are fetched, beside the requests and never for one.
//!
//! What was fetched is in a [`KeySource`], which is memory; here is who asks for it, and when. As long as an address does not
//! answer, its former keys hold.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::probe::{beside, in_words};
use crate::policy::access::jwt::keys::{KeyError, KeySet};
use crate::policy::access::jwt::source::{Change, KeySource};
use crate::pool::discovery::resolver::Trouble;
use crate::pool::discovery::{Found, Question, Resolved, Resolver};

/// How long one fetch may take, look-up and TLS included.
const LIMIT: Duration = Duration::from_secs(10);
/// How long one of several addresses may take to connect, before the next is tried.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The largest set, in bytes: more than a hundred of the largest keys.
const LARGEST: usize = 512 << 10;
/// The largest header of an answer, in bytes.
const LARGEST_HEAD: usize = 64 << 10;

/// A set of keys that is fetched, again and again.
#[derive(Clone)]
pub struct KeyFetch {
    /// Where it is kept.
    pub source: Arc<KeySource>,
    /// How often it is fetched.
    pub refresh: Duration,
    /// The host's name or address.
    pub host: Arc<str>,
    /// Its port.
    pub port: u16,
    /// Path and query.
    pub path: Uri,
    /// The field `Host`.
    pub authority: HeaderValue,
    /// With TLS: how, and the name that is asked for and checked.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("its host can't be looked up: {0}")]
    LookUp(#[from] Trouble),
    #[error("its host has no address")]
    NoAddress,
    #[error("can't connect: {0}")]
    Connect(String),
    #[error("TLS: {0}")]
    Tls(std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("its status is {0}")]
    Status(StatusCode),
    #[error("its answer breaks off, or is larger than {LARGEST} bytes")]
    Body,
    #[error("{0}")]
    Keys(#[from] KeyError),
    #[error("no answer within {LIMIT:?}")]
    Timeout,
}

/// Fetches what is not known yet, for at most `limit`. What has no answer by then is fetched on by [`Keeping`].
pub async fn fetch_unknown(fetches: &[KeyFetch], resolver: &Resolver, limit: Duration) {
    let unknown = fetches.iter().filter(|fetch| !fetch.source.has_keys());
    let all = join_all(unknown.map(|fetch| fetch.once(resolver)));
    let _ = tokio::time::timeout(limit, all).await;
}

/// Keeps the key sets of a generation up to date, until it is dropped.
#[derive(Default)]
pub struct Keeping(Option<AbortHandle>);

impl Keeping {
    /// Begins. To be called in a runtime.
    pub fn start(fetches: &[KeyFetch], resolver: &Arc<Resolver>) -> Self {
        if fetches.is_empty() {
            return Self(None);
        }
        let (fetches, resolver) = (fetches.to_vec(), Arc::clone(resolver));
        let keeping = async move {
            join_all(fetches.iter().map(async |fetch| {
                loop {
                    fetch.source.due(fetch.refresh).await;
                    fetch.once(&resolver).await;
                }
            }))
            .await
        };
        Self(Some(tokio::spawn(keeping).abort_handle()))
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        if let Some(keeping) = &self.0 {
            keeping.abort();
        }
    }
}

impl KeyFetch {
    async fn once(&self, resolver: &Resolver) {
        let source = &self.source;
        source.begin(Instant::now());
        let fetched = tokio::time::timeout(LIMIT, self.fetch(resolver)).await;
        let name = &source.name;
        match fetched.unwrap_or(Err(FetchError::Timeout)) {
            Ok(keys) => match source.answered(keys) {
                Change::Keys(count) => log::info!("jwks {name}: {count} keys"),
                Change::Back => log::info!("jwks {name}: answers again, with the same keys"),
                Change::Failing | Change::None => {}
            },
            Err(error) => {
                if source.failed() == Change::Failing {
                    let meanwhile = if source.has_keys() {
                        "the former keys hold"
                    } else {
                        "nobody can be let in"
                    };
                    log::warn!("jwks {name}: {error}; {meanwhile}");
                }
            }
        }
    }

    async fn fetch(&self, resolver: &Resolver) -> Result<KeySet, FetchError> {
        let stream = self.connect(resolver).await?;
        let text = match &self.tls {
            None => self.ask(stream).await?,
            Some((config, name)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name.clone(), stream).await;
                self.ask(stream.map_err(FetchError::Tls)?).await?
            }
        };
        Ok(KeySet::of_jwks(&text)?)
    }

    async fn connect(&self, resolver: &Resolver) -> Result<TcpStream, FetchError> {
        let addresses = match self.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => {
                let question = Question::Host(self.host.to_string());
                match resolver
                    .look_up(&question, &Resolved::default())
                    .await?
                    .found
                {
                    Found::Addresses(addresses) => addresses,
                    Found::Instances(_) => Vec::new(),
                }
            }
        };
        let mut error = FetchError::NoAddress;
        for address in addresses {
            let connecting = TcpStream::connect(SocketAddr::new(address, self.port));
            error = match tokio::time::timeout(CONNECT_LIMIT, connecting).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => FetchError::Connect(in_words(&error)),
                Err(_) => FetchError::Connect(format!("no answer within {CONNECT_LIMIT:?}")),
            };
        }
        Err(error)
    }

    /// The body of the answer. Redirects are not followed: who may sign tokens is not for another host to say.
    async fn ask(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Bytes, FetchError> {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = self.path.clone();
        let fields = request.headers_mut();
        fields.insert(HOST, self.authority.clone());
        let media_types = "application/jwk-set+json, application/json";
        fields.insert(ACCEPT, HeaderValue::from_static(media_types));
        let agent = concat!("portcullis/", env!("CARGO_PKG_VERSION"));
        fields.insert(USER_AGENT, HeaderValue::from_static(agent));
        fields.insert(CONNECTION, HeaderValue::from_static("close"));
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(LARGEST_HEAD)
            .handshake(TokioIo::new(stream))
            .await?;
        let exchange = async {
            let answer = sender.send_request(request).await?;
            if answer.status() != StatusCode::OK {
                return Err(FetchError::Status(answer.status()));
            }
            let body = Limited::new(answer.into_body(), LARGEST).collect().await;
            Ok(body.map_err(|_| FetchError::Body)?.to_bytes())
        };
        beside(connection, exchange).await
    }
}
