//! Which certificate and key files is a generation made of, and were they the same before?

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use super::redis::Redis;
use crate::state::State;
use crate::tls::{Pem, TlsError};
use crate::upstream::key_sets::KeyFetch;

/// What stands in a file: its SHA-256.
pub type Fingerprint = [u8; 32];

/// The files by path. One that could not be read is not there.
pub type Fingerprints = BTreeMap<PathBuf, Fingerprint>;

/// What a generation is compiled from beside its configuration: the memory, the files it names, and the Redis its rate
/// limits may be shared through.
pub(super) struct Sources<'s> {
    pub(super) state: &'s State,
    pub(super) redis: Redis,
    read: RefCell<Fingerprints>,
    key_fetches: RefCell<BTreeMap<String, KeyFetch>>,
}

impl<'s> Sources<'s> {
    pub(super) fn new(state: &'s State, redis: Redis) -> Self {
        Self {
            state,
            redis,
            read: RefCell::default(),
            key_fetches: RefCell::default(),
        }
    }

    /// The PEM file at `path`; what was in it is remembered.
    pub(super) fn pem(&self, path: &Path) -> Result<Pem, TlsError> {
        let pem = self.state.pems.read(path)?;
        let fingerprint = fingerprint(pem.text());
        self.read.borrow_mut().insert(path.to_owned(), fingerprint);
        Ok(pem)
    }

    /// The text at `path`; what was in it is remembered.
    pub(super) fn text(&self, path: &Path) -> io::Result<Zeroizing<String>> {
        let text = Zeroizing::new(std::fs::read_to_string(path)?);
        let fingerprint = fingerprint(text.as_bytes());
        self.read.borrow_mut().insert(path.to_owned(), fingerprint);
        Ok(text)
    }

    /// Has a key set fetched from `url`; as often as who wants it most often says.
    pub(super) fn fetch_keys(&self, url: &str, fetch: KeyFetch) {
        let mut fetches = self.key_fetches.borrow_mut();
        let known = fetches
            .entry(url.to_owned())
            .or_insert_with(|| fetch.clone());
        known.refresh = known.refresh.min(fetch.refresh);
    }

    pub(super) fn take_key_fetches(&self) -> Box<[KeyFetch]> {
        self.key_fetches.take().into_values().collect()
    }

    pub(super) fn into_fingerprints(self) -> Fingerprints {
        self.read.into_inner()
    }
}

/// The SHA-256 of `bytes`.
pub fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    fingerprint
}
