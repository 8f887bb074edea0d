//! What does one ticket key seal and open, and until when?

use super::exported::ExportedKey;
use super::{MAX_TICKET, OPENS, SEALS, TlsError};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

/// The length of a key's name, in bytes.
pub(super) const NAME: usize = 16;

/// The length of a key, in bytes.
const SECRET: usize = 32;

/// The length of what proves that a ticket is as it was sealed, in bytes.
const TAG: usize = 16;

/// How many tickets a key seals. With random nonces 2³² are the most that AES-GCM bears (NIST SP 800-38D §8.3); half, as
/// the process the key came from may seal some more while it drains.
pub(super) const MAX_SEALED: u64 = 1 << 31;

/// How far in the future a key may be born, in seconds. Clocks are set; a key from further ahead would live too long.
pub(super) const MAX_AHEAD: u64 = 60;

/// A key, with its age and its wear.
pub(super) struct TicketKey {
    name: [u8; NAME],
    /// Only for handing it on; the cipher has its own.
    secret: Zeroizing<Vec<u8>>,
    cipher: RandomizedNonceKey,
    /// In seconds of Unix time.
    born: u64,
    sealed: AtomicU64,
}

impl TicketKey {
    /// A random key, born `now`.
    pub(super) fn fresh(now: u64) -> Result<Self, TlsError> {
        let random = || {
            let mut name = [0; NAME];
            let mut secret = Zeroizing::new(vec![0; SECRET]);
            rand::fill(&mut name)?;
            rand::fill(&mut secret)?;
            Self::new(name, secret, now, 0)
        };
        // A key of the right length is not refused.
        random().map_err(|Unspecified| rustls::Error::FailedToGetRandomBytes.into())
    }

    /// The key of another process, unless it is malformed.
    pub(super) fn import(exported: ExportedKey) -> Option<Self> {
        let name = exported.name.try_into().ok()?;
        Self::new(name, exported.secret, exported.born, exported.sealed).ok()
    }

    /// What [`import`](Self::import) takes.
    pub(super) fn export(&self) -> ExportedKey {
        ExportedKey {
            name: self.name.to_vec(),
            secret: self.secret.clone(),
            born: self.born,
            sealed: self.sealed.load(Ordering::Relaxed),
        }
    }

    fn new(
        name: [u8; NAME],
        secret: Zeroizing<Vec<u8>>,
        born: u64,
        sealed: u64,
    ) -> Result<Self, Unspecified> {
        Ok(Self {
            name,
            cipher: RandomizedNonceKey::new(&AES_256_GCM, &secret)?,
            secret,
            born,
            sealed: AtomicU64::new(sealed),
        })
    }

    /// Whether it is young and unworn enough to seal tickets.
    pub(super) fn seals_at(&self, now: u64) -> bool {
        self.younger_than(SEALS, now) && self.sealed.load(Ordering::Relaxed) < MAX_SEALED
    }

    /// Whether it is young enough to open tickets.
    pub(super) fn opens_at(&self, now: u64) -> bool {
        self.younger_than(OPENS, now)
    }

    fn younger_than(&self, age: u32, now: u64) -> bool {
        self.born <= now.saturating_add(MAX_AHEAD) && now.saturating_sub(self.born) < u64::from(age)
    }

    /// Whether the ticket bears the name of this key. Names are public, so comparing them may take any time.
    pub(super) fn made(&self, ticket: &[u8]) -> bool {
        ticket.starts_with(&self.name)
    }

    /// A ticket, unless it would be too large or the key is worn out. Callers have asked [`seals_at`](Self::seals_at);
    /// the wear is looked at again because others seal at the same time.
    pub(super) fn seal(&self, session: &[u8]) -> Option<Vec<u8>> {
        const START: usize = NAME + NONCE_LEN;
        let length = START + session.len() + TAG;
        if length > MAX_TICKET || self.sealed.fetch_add(1, Ordering::Relaxed) >= MAX_SEALED {
            return None;
        }
        let mut ticket = Vec::with_capacity(length);
        ticket.extend_from_slice(&self.name);
        ticket.resize(START, 0);
        ticket.extend_from_slice(session);
        let (nonce, tag) = self
            .cipher
            .seal_in_place_separate_tag(Aad::from(self.name), &mut ticket[START..])
            .ok()?;
        ticket[NAME..START].copy_from_slice(nonce.as_ref());
        ticket.extend_from_slice(tag.as_ref());
        Some(ticket)
    }

    /// The session in a ticket that this key [`made`](Self::made).
    pub(super) fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let mut session = sealed.to_vec();
        let length = self
            .cipher
            .open_in_place(Nonce::from(nonce), Aad::from(name), &mut session)
            .ok()?
            .len();
        session.truncate(length);
        Some(session)
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKey")
            .field("born", &self.born)
            .field("sealed", &self.sealed)
            .finish_non_exhaustive()
    }
}
