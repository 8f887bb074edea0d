//! How is a page asked for? With GET over HTTP/1.1, on a connection that is kept for the next page of the same site.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::page::{Page, Site};
use super::said::Said;
use crate::pool::Address;

/// How long one address may take to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(60);

/// How all pages are asked for.
pub struct Ways {
    /// Where connections go, instead of to the page's own host.
    pub via: Option<Address>,
    /// What is sent beside `Host`.
    pub fields: HeaderMap,
    /// How TLS is spoken, or why it can't be.
    pub tls: Result<Arc<ClientConfig>, String>,
}

impl Ways {
    /// The fields of every request; those that are given go before our own.
    pub fn fields(given: &[(http::HeaderName, HeaderValue)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in given {
            fields.append(name.clone(), value.clone());
        }
        let agent = HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION")));
        fields.entry(USER_AGENT).or_insert(agent);
        fields
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static("*/*"));
        fields
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Fetched {
    /// The answer's status.
    pub status: StatusCode,
    /// How long its body was.
    pub bytes: u64,
    /// What the cache said.
    pub said: Said,
}

/// Asks for one page after the other.
pub struct Fetcher<'w> {
    ways: &'w Ways,
    kept: Option<(Site, SendRequest<Empty<Bytes>>)>,
}

/// Why there is no answer, or not a whole one.
enum Broken {
    /// Before it began.
    Before(String),
    /// Within its body.
    Within(String),
}

impl<'w> Fetcher<'w> {
    /// One without a connection.
    pub const fn new(ways: &'w Ways) -> Self {
        Self { ways, kept: None }
    }

    /// Fetches a page, and keeps nothing of its body.
    ///
    /// # Errors
    ///
    /// Why it could not be fetched whole, in words.
    pub async fn fetch(&mut self, page: &Page) -> Result<Fetched, String> {
        let kept = self.kept.take().filter(|(site, _)| *site == page.site);
        if let Some((_, mut sender)) = kept
            && sender.ready().await.is_ok()
        {
            // It may have been closed just now; nothing but a second try tells that from a failure.
            match self.ask(sender, page).await {
                Ok(fetched) => return Ok(fetched),
                Err(Broken::Within(why)) => return Err(why),
                Err(Broken::Before(_)) => {}
            }
        }
        let sender = self.connect(&page.site).await?;
        let fetched = self.ask(sender, page).await;
        fetched.map_err(|(Broken::Before(why) | Broken::Within(why))| why)
    }

    async fn ask(
        &mut self,
        mut sender: SendRequest<Empty<Bytes>>,
        page: &Page,
    ) -> Result<Fetched, Broken> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = page.target.clone();
        *request.headers_mut() = self.ways.fields.clone();
        request.headers_mut().insert(HOST, page.authority.clone());
        let silence = || format!("nothing came for {SILENCE:?}");
        let answer = timeout(SILENCE, sender.send_request(request))
            .await
            .map_err(|_| Broken::Within(silence()))?
            .map_err(|error| Broken::Before(in_words(&error)))?;
        let (head, mut body) = answer.into_parts();
        let mut bytes = 0;
        loop {
            let frame = timeout(SILENCE, body.frame())
                .await
                .map_err(|_| Broken::Within(silence()))?;
            match frame {
                None => break,
                Some(Ok(frame)) => {
                    bytes += frame.data_ref().map_or(0, |piece| piece.len() as u64);
                }
                Some(Err(error)) => return Err(Broken::Within(in_words(&error))),
            }
        }
        self.kept = Some((page.site.clone(), sender));
        Ok(Fetched {
            status: head.status,
            bytes,
            said: Said::of(&head.headers),
        })
    }

    async fn connect(&self, site: &Site) -> Result<SendRequest<Empty<Bytes>>, String> {
        match &self.ways.via {
            Some(Address::Unix(path)) => {
                let connecting = UnixStream::connect(&**path);
                let stream = within(connecting).await;
                let stream = stream.map_err(|why| format!("{}: {why}", path.display()))?;
                self.speak(stream, site).await
            }
            Some(Address::Inet(address)) => {
                let stream = within(TcpStream::connect(address)).await;
                let stream = stream.map_err(|why| format!("{address}: {why}"))?;
                self.speak(stream, site).await
            }
            None => {
                let (host, port) = (&*site.host, site.port);
                let addresses = within(lookup_host((host, port))).await;
                let addresses = addresses.map_err(|why| format!("{host}: {why}"))?;
                let mut error = format!("{host}: it has no address");
                for address in addresses {
                    match within(TcpStream::connect(address)).await {
                        Ok(stream) => return self.speak(stream, site).await,
                        Err(why) => error = format!("{address}: {why}"),
                    }
                }
                Err(error)
            }
        }
    }

    async fn speak<S>(&self, stream: S, site: &Site) -> Result<SendRequest<Empty<Bytes>>, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if !site.tls {
            return begin(stream).await;
        }
        let tls = self.ways.tls.as_ref().map_err(String::clone)?;
        let name = ServerName::try_from(site.host.clone());
        let name = name.map_err(|error| format!("{}: {error}", site.host))?;
        let shaking = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
        let stream = within(shaking).await;
        begin(stream.map_err(|why| format!("TLS with {}: {why}", site.host))?).await
    }
}

async fn begin<S>(stream: S) -> Result<SendRequest<Empty<Bytes>>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| in_words(&error))?;
    // It ends with its sender, and what goes wrong the exchange is told.
    drop(tokio::spawn(connection));
    Ok(sender)
}

async fn within<T>(connecting: impl Future<Output = std::io::Result<T>>) -> Result<T, String> {
    match timeout(CONNECT_LIMIT, connecting).await {
        Ok(connected) => connected.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {CONNECT_LIMIT:?}")),
    }
}

/// What the HTTP library says, down to the cause.
fn in_words(error: &hyper::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(&format!(": {error}"));
        cause = error.source();
    }
    said
}
