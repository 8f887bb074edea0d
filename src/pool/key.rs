//! What does a consistent balancer go by: which part of a request says where it belongs?
//!
//! A rule is one word, such as `client_ip`, or a template with words in braces, such as `{client_ip}-{header.X-User}`.
//! It is hashed with what its balancer needs, so that a ring finds the endpoint nginx finds: CRC-32 of the key's bytes
//! for the ring, XXH3 for Maglev's table. Nothing is allocated for it but where a query's value has escapes.

mod parse;
mod words;

use std::net::IpAddr;

use http::HeaderName;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::route::Request;
pub use parse::KeyError;

/// Which part of a request is its key, and how that is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRule {
    parts: Box<[Part]>,
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

/// A piece of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// The same for every request.
    Literal(Box<str>),
    /// The request's own.
    Word(Word),
}

/// A part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// The client's address, as far as the proxies in front are trusted.
    ClientIp,
    /// The path in its normal form, before it is rewritten.
    Path,
    /// The host in lower case, without port.
    Host,
    /// The first line of that field.
    Header(HeaderName),
    /// The first cookie of that name, as it stands there.
    Cookie(Box<str>),
    /// The first query parameter of that name, decoded.
    Query(Box<str>),
}

impl KeyRule {
    /// Reads a rule.
    ///
    /// # Errors
    ///
    /// A [`KeyError`] that says what to write instead.
    pub fn parse(text: &str, digest: Digest) -> Result<Self, KeyError> {
        let parts = parse::parts(text)?;
        Ok(Self { parts, digest })
    }

    /// The key of a request that came from `client`; `None` if the request has nothing of what the rule names. What is
    /// empty is as good as absent.
    pub fn of(&self, request: &Request<'_>, client: Option<IpAddr>) -> Option<u64> {
        if let [Part::Word(word)] = &*self.parts {
            return words::value(word, request, client, |value| self.digest.of(value));
        }
        match self.digest {
            Digest::Crc32 => {
                let mut hasher = crc32fast::Hasher::new();
                self.feed(request, client, |piece| hasher.update(piece))
                    .then(|| u64::from(hasher.finalize()))
            }
            Digest::Xxh3 => {
                let mut hasher = Xxh3::new();
                self.feed(request, client, |piece| hasher.update(piece))
                    .then(|| hasher.digest())
            }
        }
    }

    /// Gives `take` the pieces of the key; whether one of them is the request's own.
    fn feed(
        &self,
        request: &Request<'_>,
        client: Option<IpAddr>,
        mut take: impl FnMut(&[u8]),
    ) -> bool {
        let mut own = false;
        for part in &self.parts {
            match part {
                Part::Literal(text) => take(text.as_bytes()),
                Part::Word(word) => own |= words::value(word, request, client, &mut take).is_some(),
            }
        }
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
