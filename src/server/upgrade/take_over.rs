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

use super::link::Link;
use super::message::{FromNew, FromOld, Memory, SocketOf};
use crate::pool::Address;
use crate::pool::address::{self, WrittenAddress};
use crate::server::doors::Inherited;
use crate::server::listen::ListeningSocket;
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
                    for (of, descriptor) in of.into_iter().zip(descriptors) {
                        let (address, socket) = open(&of, descriptor)?;
                        let known = sockets.entry(of.door).or_insert((address, Vec::new()));
                        known.1.push(socket);
                    }
                }
                (FromOld::Memory(memory), _) => {
                    return Ok(Self {
                        sockets,
                        memory: *memory,
                        link,
                        sessions: Vec::new(),
                    });
                }
                (other, _) => return Err(out_of_turn(&other)),
            }
        }
    }

    /// Puts its memory into that of this process, for the first generation to find.
    pub fn remember(&mut self, state: &State) {
        for (name, addresses) in std::mem::take(&mut self.memory.names) {
            state.names.learn(&name, &addresses);
        }
        for (listener, keys) in std::mem::take(&mut self.memory.tickets) {
            let sessions = state
                .tls_sessions
                .get_or_create(listener.into(), || SessionState::with_tickets(keys));
            self.sessions.push(sessions);
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
        self.link.send(&FromNew::Ready { doors }, &[], soon())?;
        match self.link.receive(soon())? {
            (FromOld::Go, _) => Ok(()),
            (other, _) => Err(out_of_turn(&other)),
        }
    }

    /// Says that this process accepts, and waits until the old one does not. From then on `connections` shows how many
    /// it still has.
    pub fn serving(self, connections: IntGauge) {
        if let Err(error) = self.link.send(&FromNew::Serving, &[], soon()) {
            log::warn!("the old process is gone: {error}");
            return;
        }
        let (told, first) = std::sync::mpsc::channel();
        let link = self.link;
        let follow = move || {
            while let Ok((FromOld::Draining { connections: left }, _)) = link.receive(None) {
                connections.set(i64::try_from(left).unwrap_or(i64::MAX));
                // Heard once, and then no more.
                let _ = told.send(());
            }
            connections.set(0);
            log::info!("the old process has ended");
        };
        match std::thread::Builder::new()
            .name("predecessor".to_owned())
            .spawn(follow)
        {
            Ok(_) => {
                // An error says that it has ended already.
                let _ = first.recv_timeout(PATIENCE);
            }
            Err(error) => log::warn!("the old process can't be followed: {error}"),
        }
    }
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
