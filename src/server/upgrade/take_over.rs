//! How does a new process take over from an old one?
//!
//! It connects before it does anything else, so that it can say what is wrong with its configuration. It accepts only
//! after the old process has said so: an upgrade that is given up must not cost a connection.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::IntGauge;
use tokio::sync::watch;

use super::link::Link;
use super::message::{EndpointOf, FromNew, FromOld, Memory, SocketOf};
use crate::pool::address::{self, WrittenAddress};
use crate::pool::discovery::Resolved;
use crate::pool::endpoint::EndpointKey;
use crate::pool::{Address, EndpointState};
use crate::server::door::doors::{Given, Inherited};
use crate::server::door::listen::ListeningSocket;
use crate::state::State;
use crate::tls::SessionState;

/// How long the old process may take to say something it should say at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// The process that is to be succeeded.
pub struct Predecessor {
    /// Its sockets that nobody has taken yet.
    pub sockets: Inherited,
    /// What it remembers.
    pub memory: Memory,
    link: Link,
    /// Ticket keys, held until a generation holds them.
    sessions: Vec<Arc<SessionState>>,
    /// What is known about endpoints, held in the same way.
    endpoints: Vec<Arc<EndpointState>>,
}

impl Predecessor {
    /// Meets it at `path`, and gets its sockets and its memory.
    ///
    /// # Errors
    ///
    /// Nobody is there, or it does not behave.
    pub fn meet(path: &Path) -> io::Result<Self> {
        let link = Link::connect(path)?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        link.send(&FromNew::Hello { version }, &[], soon())?;
        let mut sockets = Inherited::new();
        loop {
            match link.receive(soon())? {
                (FromOld::Sockets { sockets: of }, descriptors) => {
                    if of.len() != descriptors.len() {
                        return Err(io::Error::other("sockets were lost on the way"));
                    }
                    for (of, descriptor) in of.into_iter().zip(descriptors) {
                        let (address, socket) = open(&of, descriptor)?;
                        let known = sockets.entry(of.door).or_insert(Given {
                            address,
                            sockets: Vec::new(),
                            passed: of.passed,
                        });
                        known.sockets.push(socket);
                    }
                }
                (FromOld::Memory(memory), _) => {
                    return Ok(Self {
                        sockets,
                        memory: *memory,
                        link,
                        sessions: Vec::new(),
                        endpoints: Vec::new(),
                    });
                }
                (other, _) => return Err(out_of_turn(&other)),
            }
        }
    }

    /// The number of its process; 0 if the system does not tell.
    pub fn pid(&self) -> u32 {
        self.link.peer().map_or(0, |peer| peer.pid)
    }

    /// Puts its memory into that of this process, for the first generation to find.
    pub fn remember(&mut self, state: &State) {
        state.names.remember(Resolved {
            hosts: std::mem::take(&mut self.memory.names),
            services: std::mem::take(&mut self.memory.services),
        });
        for (pool, verdicts) in std::mem::take(&mut self.memory.verdicts) {
            let pool: Arc<str> = pool.into();
            for (address, healthy) in verdicts {
                if let Ok(WrittenAddress::Known(address)) = address::parse(&address) {
                    let pool = Arc::clone(&pool);
                    let key = EndpointKey { pool, address };
                    let endpoint = state.endpoints.get_or_create(key, EndpointState::default);
                    endpoint.verdict.restore(healthy);
                    self.endpoints.push(endpoint);
                }
            }
        }
        for (listener, keys) in std::mem::take(&mut self.memory.tickets) {
            let sessions = state
                .tls_sessions
                .get_or_create(listener.into(), || SessionState::with_tickets(keys));
            self.sessions.push(sessions);
        }
        for EndpointOf { pool, address } in std::mem::take(&mut self.memory.drained_endpoints) {
            // An address that a newer version writes otherwise is not one of this version's endpoints.
            if let Ok(WrittenAddress::Known(address)) = address::parse(&address) {
                let pool = pool.into();
                let key = EndpointKey { pool, address };
                let endpoint = state.endpoints.get_or_create(key, EndpointState::default);
                endpoint.set_drained(true);
                self.endpoints.push(endpoint);
            }
        }
        if let Some(secret) = self.memory.sticky.take() {
            state.sticky.take_over(secret);
        }
    }

    /// Says why this process can't take over.
    pub fn refuse(&self, reason: &str) {
        let reason = reason.to_owned();
        // If it is gone, nobody wants to know.
        let _ = self.link.send(&FromNew::Failed { reason }, &[], soon());
    }

    /// Says that everything is there but for accepting, and waits until that may begin. `doors` are the keys of those
    /// whose sockets were taken; the others are closed.
    ///
    /// # Errors
    ///
    /// The old process has given the upgrade up, or is gone.
    pub fn ready(&mut self, doors: Vec<String>) -> io::Result<()> {
        self.sockets.clear();
        self.sessions.clear();
        self.endpoints.clear();
        self.link.send(&FromNew::Ready { doors }, &[], soon())?;
        match self.link.receive(soon())? {
            (FromOld::Go, _) => Ok(()),
            (other, _) => Err(out_of_turn(&other)),
        }
    }

    /// Says that this process accepts, and waits until the old one does not. From then on `connections` shows how many it,
    /// and those before it, still have.
    ///
    /// # Errors
    ///
    /// The old process has given the upgrade up and serves on; this one must end.
    pub fn serving(self, connections: IntGauge) -> io::Result<Option<Former>> {
        let link = self.link;
        let told = link
            .send(&FromNew::Serving, &[], soon())
            .and_then(|()| link.receive(soon()));
        match told {
            Ok((FromOld::Leaving { connections: left }, _)) => {
                connections.set(i64::try_from(left).unwrap_or(i64::MAX));
            }
            Ok((other, _)) => return Err(out_of_turn(&other)),
            Err(error) => {
                std::thread::sleep(LAST_BREATH);
                if is_alive(&link) {
                    return Err(error);
                }
                log::warn!("the old process is gone");
                return Ok(None);
            }
        }
        let (ending, gone) = watch::channel(());
        let former = link.try_clone().map(|link| Former { link, gone });
        let follow = move || {
            // Dropped when this ends.
            let _ending = ending;
            while let Ok((FromOld::Leaving { connections: left }, _)) = link.receive(None) {
                connections.set(i64::try_from(left).unwrap_or(i64::MAX));
            }
            connections.set(0);
            log::info!("the old process has ended");
        };
        let thread = std::thread::Builder::new().name("predecessor".to_owned());
        if let Err(error) = thread.spawn(follow) {
            log::warn!("the old process can't be followed: {error}");
        }
        Ok(former.ok())
    }
}

/// A process that was succeeded and still has connections.
#[derive(Debug)]
pub struct Former {
    link: Link,
    /// Closed when it, and those before it, have ended.
    gone: watch::Receiver<()>,
}

impl Former {
    /// Tells it to open its logs anew.
    pub fn reopen(&self) {
        self.say(&FromNew::Reopen);
    }

    /// Tells it that it is to end as well, within its grace.
    pub fn stop(&self) {
        self.say(&FromNew::Stop);
    }

    /// Tells it that whoever looks for the process finds this one.
    pub fn settled(&self) {
        self.say(&FromNew::Settled);
    }

    fn say(&self, word: &FromNew) {
        // One that has ended does not need to know.
        let _ = self.link.send(word, &[], soon());
    }

    /// Resolves when it has ended.
    pub fn gone(&self) -> impl Future<Output = ()> + use<> {
        let mut gone = self.gone.clone();
        async move { while gone.changed().await.is_ok() {} }
    }
}

/// How long a process that ends may still be seen.
const LAST_BREATH: Duration = Duration::from_millis(200);

/// Whether the process at the other end still runs; one that has ended and that nobody has asked about yet does not.
fn is_alive(link: &Link) -> bool {
    let pid = link.peer().map_or(0, |peer| peer.pid);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state comes after the name, which is in parentheses and may have any in it (proc(5)).
    let state = stat.rsplit(')').next().map_or("", str::trim_start);
    !matches!(state.chars().next(), None | Some('Z' | 'X'))
}

fn soon() -> Option<Instant> {
    Instant::now().checked_add(PATIENCE)
}

fn out_of_turn(message: &FromOld) -> io::Error {
    io::Error::other(format!(
        "the old process said something unexpected: {message:?}"
    ))
}

fn open(of: &SocketOf, descriptor: OwnedFd) -> io::Result<(Address, ListeningSocket)> {
    let Ok(WrittenAddress::Known(address)) = address::parse(&of.address) else {
        return Err(io::Error::other(format!("{}: not an address", of.address)));
    };
    let socket = match &address {
        Address::Inet(_) => ListeningSocket::Tcp(TcpListener::from(descriptor)),
        Address::Unix(_) => ListeningSocket::Unix(UnixListener::from(descriptor)),
    };
    Ok((address, socket))
}
