//! Which key seals a session ticket, which still open one, and how do they get into the process that takes over?
//!
//! A ticket is what RFC 5077 §4 recommends, with an authenticated cipher in the place of its two steps: the key's name, a
//! random nonce, and the session under AES-256-GCM with the name as associated data. rustls' own ticketer is as good, but
//! its keys can't be taken out.

mod exported;
mod key;
#[cfg(test)]
mod tests;

use super::TlsError;
use arc_swap::{ArcSwap, Guard};
use key::TicketKey;
use rustls::server::ProducesTickets;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub use exported::TicketKeys;

/// For how long a key seals tickets, in seconds.
const SEALS: u32 = 6 * 60 * 60;

/// For how long a key opens tickets, in seconds from its birth: the last ticket it sealed is good for [`SEALS`].
const OPENS: u32 = 2 * SEALS;

/// The largest ticket that is made or opened, in bytes. A session is some hundred bytes, and with a client's certificates
/// some thousand; clients with more than this do the whole handshake.
const MAX_TICKET: usize = 16 * 1024;

/// Seals tickets with the current key and opens those of the current and the previous one.
///
/// Keys change when a ticket is made or shown, and it is time; reading them takes no lock.
#[derive(Debug)]
pub(super) struct Tickets {
    ring: ArcSwap<Ring>,
}

/// The keys of one moment.
#[derive(Debug)]
struct Ring {
    current: Arc<TicketKey>,
    previous: Option<Arc<TicketKey>>,
}

impl Tickets {
    /// Starts with a key nobody has seen.
    ///
    /// # Errors
    ///
    /// The system gives no random bytes.
    pub(super) fn new() -> Result<Self, TlsError> {
        Self::started(None, None, seconds(SystemTime::now()))
    }

    /// Goes on with the keys of another process. A key that is too old, malformed or from the future is left out; without
    /// a current one, a fresh one takes its place.
    ///
    /// # Errors
    ///
    /// A fresh key is needed, and the system gives no random bytes.
    pub(super) fn with_keys(keys: TicketKeys, now: SystemTime) -> Result<Self, TlsError> {
        let now = seconds(now);
        let usable = |exported| TicketKey::import(exported).filter(|key| key.opens_at(now));
        let previous = keys.previous.and_then(usable);
        Self::started(usable(keys.current), previous, now)
    }

    fn started(
        current: Option<TicketKey>,
        previous: Option<TicketKey>,
        now: u64,
    ) -> Result<Self, TlsError> {
        let current = match current {
            Some(key) => key,
            None => TicketKey::fresh(now)?,
        };
        let ring = Ring {
            current: Arc::new(current),
            previous: previous.map(Arc::new),
        };
        Ok(Self {
            ring: ArcSwap::from_pointee(ring),
        })
    }

    /// A copy of the keys. Those that come later are not in it: a ticket made after that costs its client a full handshake
    /// with whoever got the copy.
    pub(super) fn export(&self) -> TicketKeys {
        let ring = self.ring.load();
        TicketKeys {
            current: ring.current.export(),
            previous: ring.previous.as_ref().map(|key| key.export()),
        }
    }

    fn seal_at(&self, session: &[u8], now: u64) -> Option<Vec<u8>> {
        let ring = self.ring_at(now);
        // There was no new key to be had: better no tickets than tickets that end before their time.
        if !ring.current.seals_at(now) {
            return None;
        }
        ring.current.seal(session)
    }

    fn open_at(&self, ticket: &[u8], now: u64) -> Option<Vec<u8>> {
        if ticket.len() > MAX_TICKET {
            return None;
        }
        let ring = self.ring_at(now);
        let mut keys = [Some(&ring.current), ring.previous.as_ref()]
            .into_iter()
            .flatten();
        keys.find(|key| key.made(ticket))
            .filter(|key| key.opens_at(now))?
            .open(ticket)
    }

    /// The keys, after putting a new one in front if it is time for it.
    fn ring_at(&self, now: u64) -> Guard<Arc<Ring>> {
        let seen = self.ring.load();
        if seen.current.seals_at(now) {
            return seen;
        }
        let Ok(fresh) = TicketKey::fresh(now) else {
            return seen;
        };
        // A key that gave way early, for having sealed so much, pushes out one that may still open tickets. That takes
        // a hundred thousand handshakes a second, and costs some clients a full one.
        let next = Ring {
            current: Arc::new(fresh),
            previous: Some(Arc::clone(&seen.current)).filter(|key| key.opens_at(now)),
        };
        // Of several that get here at once, the first one's key is everybody's.
        self.ring.compare_and_swap(&seen, Arc::new(next));
        self.ring.load()
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    /// What is left for a ticket that is sealed in its key's last second, so that no client keeps one that nobody opens.
    fn lifetime(&self) -> u32 {
        OPENS - SEALS
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal_at(plain, seconds(SystemTime::now()))
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.open_at(cipher, seconds(SystemTime::now()))
    }
}

/// Unix time; all of the time before it is its first second.
fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
