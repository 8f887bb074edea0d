//! What does a consistent balancer go by: which part of a request says where it belongs?
//!
//! How that is written is told in [`crate::route::key`]. It is hashed with what its balancer needs, so that a ring finds the endpoint nginx finds: CRC-32 of the key's bytes
//! for the ring, XXH3 for Maglev's table.

use std::net::IpAddr;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::route::Request;
use crate::route::key::{Key, KeyError, Piece, Purpose, Source};

/// Which part of a request is its key, and how that is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRule {
    key: Key,
    digest: Digest,
}

/// How a key becomes a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// CRC-32 as of Ethernet, in the lower half: what nginx and ketama place on a ring.
    Crc32,
    /// XXH3 with 64 bits.
    Xxh3,
}

impl KeyRule {
    /// Reads a rule.
    ///
    /// # Errors
    ///
    /// A [`KeyError`] that says what to write instead.
    pub fn parse(text: &str, digest: Digest) -> Result<Self, KeyError> {
        let key = Key::parse(text, Purpose::Balance)?;
        Ok(Self { key, digest })
    }

    /// The key of a request that came from `client`; `None` if the request has nothing of what the rule names.
    pub fn of(&self, request: &Request<'_>, client: Option<IpAddr>) -> Option<u64> {
        let from = Source {
            request,
            client,
            claims: None,
        };
        if self.key.is_word() {
            let mut key = None;
            let take = |piece: Piece<'_>| key = piece.text(|text| self.digest.of(text));
            self.key.pieces(&from, take);
            return key;
        }
        match self.digest {
            Digest::Crc32 => {
                let mut hasher = crc32fast::Hasher::new();
                self.feed(&from, |piece| hasher.update(piece))
                    .then(|| u64::from(hasher.finalize()))
            }
            Digest::Xxh3 => {
                let mut hasher = Xxh3::new();
                self.feed(&from, |piece| hasher.update(piece))
                    .then(|| hasher.digest())
            }
        }
    }

    /// Gives `take` the pieces of the key; whether one of them is the request's own.
    fn feed(&self, from: &Source<'_>, mut take: impl FnMut(&[u8])) -> bool {
        let mut own = false;
        self.key.pieces(from, |piece| {
            own |= matches!(piece, Piece::Client(_) | Piece::Value(_));
            piece.text(&mut take);
        });
        own
    }
}

impl Digest {
    /// The number for these bytes.
    pub fn of(self, bytes: &[u8]) -> u64 {
        match self {
            Digest::Crc32 => u64::from(crc32fast::hash(bytes)),
            Digest::Xxh3 => xxh3_64(bytes),
        }
    }
}

#[cfg(test)]
mod tests;
