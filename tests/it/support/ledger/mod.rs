//! Does every request get its whole answer while the proxy is reloaded, replaced or stopped?
//!
//! A [`Ledger`] is a number of clients that ask all the time and write down what became of each request. They behave as
//! correct clients do, and are strict beyond that: nothing is tried again that may have reached the other end.
//!
//! | What the other end does | What the ledger says |
//! |---|---|
//! | `Connection: close` in an answer; closes a connection that has answered before and on which nothing is asked | a reconnect |
//! | GOAWAY with NO_ERROR, and it completes the streams it has taken | a reconnect |
//! | refuses or drops a new connection | [`What::NoConnection`] |
//! | a request was sent, no answer came | [`What::Unanswered`] |
//! | an answer breaks off | [`What::CutShort`] |
//! | a status but 200, other bytes than asked for | [`What::Wrong`] |
//! | REFUSED_STREAM; a stream beyond the last one that a GOAWAY takes | [`What::RefusedStream`], [`What::PastGoAway`] |
//! | ends a WebSocket; ends HTTP/2 without GOAWAY; resets an idle connection, or sends on it what nobody asked for | [`What::Ended`] |
//! | nothing, for [`PATIENCE`] | [`What::Late`] |

mod book;
mod door;
mod events;
mod expected;
mod http1;
mod http2;
mod uploads;
mod websocket;

pub use book::{Report, What};

use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use tokio::task::JoinSet;

use super::{PATIENCE, eventually};
use book::{Book, Page};
use door::Door;

/// How long a client waits after a failure before it asks again.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// GET after GET over HTTP/1.1 connections that are kept open (3 clients).
    Keepalive,
    /// GET over HTTP/1.1, a new connection each time.
    Fresh,
    /// HTTP/2 (2 connections with 3 streams at once each): short downloads, slow ones, uploads.
    Http2,
    /// POST over HTTP/1.1 whose bodies take 1.5 seconds (2 clients, so that one is always in the middle).
    Upload,
    /// Numbered messages and their echo over one WebSocket; what is counted are echoes.
    WebSocket,
    /// Server-sent events over HTTP/1.1, 3 seconds in one response; what is counted are events.
    Events,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 6] = [
        Kind::Keepalive,
        Kind::Fresh,
        Kind::Http2,
        Kind::Upload,
        Kind::WebSocket,
        Kind::Events,
    ];
}

/// Clients to be started.
pub struct Builder {
    door: Door,
    kinds: Vec<Kind>,
}

impl Builder {
    /// These kinds only.
    #[must_use]
    pub fn kinds(mut self, kinds: &[Kind]) -> Self {
        self.kinds = kinds.to_vec();
        self
    }

    /// Over TLS, to `name`, with ALPN.
    #[must_use]
    pub fn https(mut self, name: &str, roots: &Arc<RootCertStore>) -> Self {
        self.door = self.door.with_tls(name, roots);
        self
    }

    /// Starts them.
    pub fn start(self) -> Ledger {
        let (book, door) = (Book::new(&self.kinds), Arc::new(self.door));
        let mut clients = JoinSet::new();
        for kind in self.kinds {
            let page = || Page::new(&book, kind);
            let door = || Arc::clone(&door);
            match kind {
                Kind::Keepalive => {
                    for seed in 0..3 {
                        clients.spawn(http1::keep_asking(door(), page(), seed));
                    }
                }
                Kind::Fresh => {
                    clients.spawn(http1::ask_afresh(door(), page()));
                }
                Kind::Http2 => {
                    for _ in 0..2 {
                        let connection = http2::Connection::new(door());
                        for work in http2::Work::ALL {
                            let connection = Arc::clone(&connection);
                            clients.spawn(http2::keep_asking(connection, page(), work));
                        }
                    }
                }
                Kind::Upload => {
                    for half in 0..2 {
                        clients.spawn(uploads::keep_uploading(door(), page(), half));
                    }
                }
                Kind::WebSocket => {
                    clients.spawn(websocket::keep_talking(door(), page()));
                }
                Kind::Events => {
                    clients.spawn(events::keep_listening(door(), page()));
                }
            }
        }
        Ledger { book, clients }
    }
}

/// Clients at work. Dropping it ends them in the middle, and says in a failing test what they had written down.
pub struct Ledger {
    book: Arc<Book>,
    clients: JoinSet<()>,
}

impl Ledger {
    /// Starts clients of all kinds, in the clear.
    pub fn start(address: SocketAddr) -> Self {
        Self::builder(address).start()
    }

    /// Clients of all kinds, in the clear, to be changed.
    pub fn builder(address: SocketAddr) -> Builder {
        Builder {
            door: Door::new(address),
            kinds: Kind::ALL.to_vec(),
        }
    }

    /// Waits until every client has had an answer (an echo, an event); that takes about two seconds, because of uploads.
    pub async fn settled(&self) {
        let what = "every client has had an answer";
        eventually(what, async || self.book.is_settled()).await;
    }

    /// How many answers, echoes and events there were so far.
    pub fn answered(&self) -> u64 {
        self.so_far().answered.values().sum()
    }

    /// What is written down so far.
    pub fn so_far(&self) -> Report {
        self.book.report()
    }

    /// Lets each client finish what it is doing, and gives what is written down.
    pub async fn stop(mut self) -> Report {
        self.book.stop();
        while let Some(ended) = self.clients.join_next().await {
            if let Err(error) = ended {
                resume_unwind(error.into_panic());
            }
        }
        self.so_far()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("The ledger:\n{}", self.so_far());
        }
    }
}
