//! How is an origin set up, started and stopped?

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::HeaderValue;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::sync::{Mutex, watch};
use tokio_rustls::TlsAcceptor;

use crate::accepting::Accepting;
use crate::answer::Released;
use crate::journal::{Journal, OpenConnection};
use crate::listening::{Place, Socket};
use crate::paths::Answers;
use crate::script::{Asked, Scripted, Scripts, one_after_the_other};
use crate::tls::{TlsSettings, facts};
use crate::wire::{Duplex, Line, Wire};

/// HTTP/2 flow-control window of a stream and of a connection, in bytes: wide enough that a bench
/// measures the proxy, narrow enough that a stalled upload is felt by its sender.
const WINDOW: u32 = 1 << 20;

/// HTTP/2 streams a client may have open at once on one connection.
const MAX_STREAMS: u32 = 1000;

/// An origin to be started. Made by [`Origin::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    name: String,
    place: Place,
    tls: Option<TlsSettings>,
    date: bool,
    delay: Duration,
    serial: bool,
}

impl Builder {
    /// What `x-origin` says. Default `origin`. Must be legal as a field value.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Listens on a TCP `host:port`; port 0 lets the system choose. Default `127.0.0.1:0`.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.place = Place::Tcp(address.into());
        self
    }

    /// Listens on a Unix socket instead. The path must not exist yet; it is removed at the end.
    #[must_use]
    pub fn listen_unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.place = Place::Unix(path.into());
        self
    }

    /// Speaks TLS. Default: cleartext.
    #[must_use]
    pub fn tls(mut self, settings: TlsSettings) -> Self {
        self.tls = Some(settings);
        self
    }

    /// Whether responses carry `date` (RFC 9110 section 6.6.1). Default true.
    #[must_use]
    pub fn date(mut self, date: bool) -> Self {
        self.date = date;
        self
    }

    /// How much later every answer begins. Default: not at all.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Answers one request after the other, in the order they came, over all connections: one that is answered late
    /// keeps those behind it waiting. Default: all at once.
    #[must_use]
    pub fn serial(mut self) -> Self {
        self.serial = true;
        self
    }

    /// Binds and starts to accept on the current tokio runtime.
    ///
    /// # Errors
    /// If the address cannot be bound (the message names it), the name is no legal field value,
    /// or the TLS settings do not make a TLS configuration.
    pub async fn start(self) -> io::Result<Origin> {
        let field = HeaderValue::from_str(&self.name)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let tls = match &self.tls {
            Some(settings) => Some(settings.acceptor()?),
            None => None,
        };
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1().auto_date_header(self.date);
        http.http2()
            .auto_date_header(self.date)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_concurrent_streams(MAX_STREAMS);
        let shared = Arc::new(Shared {
            name: self.name,
            field,
            journal: Journal::default(),
            flaky_requests: AtomicU64::new(0),
            delay: self.delay,
            turn: self.serial.then(Arc::default),
            released: watch::Sender::default(),
            scripts: Scripts::default(),
            http,
            tls,
        });
        let accepting = Accepting::start(self.place, {
            let shared = shared.clone();
            move |socket, peer| {
                let open = shared.journal.open_connection();
                converse(socket, peer, open, shared.clone())
            }
        })
        .await?;
        Ok(Origin { shared, accepting })
    }
}

/// A running origin. Dropping it is its death: the port refuses connections from then on, and
/// every connection is closed in the middle of whatever it was doing.
#[derive(Debug)]
pub struct Origin {
    shared: Arc<Shared>,
    accepting: Accepting,
}

impl Origin {
    /// An origin called `origin` on `127.0.0.1:0` in cleartext, to be changed.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            name: "origin".to_owned(),
            place: Place::Tcp("127.0.0.1:0".to_owned()),
            tls: None,
            date: true,
            delay: Duration::ZERO,
            serial: false,
        }
    }

    /// Where it listens; `None` on a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.accepting.address()
    }

    /// What `x-origin` says.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What has reached it so far.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// Answers what is held, and what will be asked for, at once.
    pub fn release(&self) {
        self.shared
            .released
            .send_modify(|released| released.all = true);
    }

    /// Answers what is held under this name (`/held/NAME`), and what will be asked for under it, at once.
    pub fn release_one(&self, name: &str) {
        let add = |released: &mut Let| released.names.insert(name.to_owned());
        self.shared.released.send_if_modified(add);
    }

    /// From now on requests to `path` are answered with these, one after the other and then with the last one
    /// again and again; what the table of the crate, or a former script, says of that path no longer counts.
    ///
    /// `path` stands for itself with any query, with a query (`/a?b=1`) for itself with that one alone, and with `*` at
    /// its end for all that begin so. The most particular one answers.
    pub fn script(&self, path: &str, answers: impl IntoIterator<Item = Scripted>) {
        let answers = one_after_the_other(answers.into_iter().collect());
        self.shared.scripts.set(path, answers);
    }

    /// As [`Origin::script`], with answers that go by what is asked and by how many were answered by it before.
    pub fn script_by(
        &self,
        path: &str,
        answer: impl Fn(&Asked, usize) -> Scripted + Send + Sync + 'static,
    ) {
        self.shared.scripts.set(path, Arc::new(answer));
    }

    /// What was asked where a script with this `path` answers, in the order it came.
    #[must_use]
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        self.shared.scripts.asked(path, <[Asked]>::to_vec)
    }

    /// How many requests came where a script with this `path` answers.
    #[must_use]
    pub fn count(&self, path: &str) -> usize {
        self.shared.scripts.asked(path, <[Asked]>::len)
    }

    /// As dropping it, and returns once its connections are closed.
    pub async fn stop(self) {
        self.accepting.stop().await;
    }
}

/// What all connections of one origin share.
pub(crate) struct Shared {
    pub(crate) name: String,
    /// `name` as a field value.
    pub(crate) field: HeaderValue,
    pub(crate) journal: Journal,
    /// Requests to `/flaky` so far.
    pub(crate) flaky_requests: AtomicU64,
    /// How much later every answer begins.
    pub(crate) delay: Duration,
    /// Held by the request that is answered, if there is only one at a time.
    pub(crate) turn: Option<Arc<Mutex<()>>>,
    /// What of `/held` is answered.
    released: watch::Sender<Let>,
    pub(crate) scripts: Scripts,
    http: auto::Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
}

/// What may go of what is held.
#[derive(Debug, Default)]
struct Let {
    all: bool,
    names: HashSet<String>,
}

impl Shared {
    /// Resolves at [`Origin::release`], or at [`Origin::release_one`] with this name.
    pub(crate) fn released(&self, name: &str) -> Released {
        let mut released = self.released.subscribe();
        let name = name.to_owned();
        Box::pin(async move {
            let may_go = |released: &Let| released.all || released.names.contains(&name);
            // An error means that the origin is gone, and whoever waits with it.
            let _ = released.wait_for(may_go).await;
        })
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.name)
            .field("journal", &self.journal)
            .finish_non_exhaustive()
    }
}

/// One connection from its first byte to its last.
async fn converse(socket: Socket, peer: String, open: OpenConnection, shared: Arc<Shared>) {
    let stream = socket.into_duplex();
    let (stream, tls): (Box<dyn Duplex>, Value) = match &shared.tls {
        None => (stream, Value::Null),
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => {
                let tls = facts(stream.get_ref().1);
                (Box::new(stream), tls)
            }
            // The peer has been sent the alert.
            Err(_) => return,
        },
    };
    let line = Arc::new(Line::new(peer, tls));
    let wire = TokioIo::new(Wire::new(stream, line.clone(), open));
    let answers = Answers::new(shared.clone(), line.clone());
    // An error here is a peer that left or an answer that cut the line; the journal has both.
    let _ = shared
        .http
        .serve_connection_with_upgrades(wire, answers)
        .await;
    if let Some(work) = line.take_afterwards() {
        work.await;
    }
}
