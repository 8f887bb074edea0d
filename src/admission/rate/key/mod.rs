//! Which bucket does a request belong to?

use std::hash::Hasher;
use std::net::IpAddr;

use crate::admission::Client;
use crate::route::key::{Key, KeyError, Piece, Purpose, Source};

/// What requests must have in common to share a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateKey {
    /// Nothing: one bucket for all.
    Global,
    /// These parts, and of IPv6 addresses so many bits.
    Of(Key, u8),
}

impl RateKey {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// A [`KeyError`] that says what to write instead.
    pub fn parse(text: &str, ipv6_prefix: u8) -> Result<Self, KeyError> {
        if text == "global" {
            return Ok(Self::Global);
        }
        Key::parse(text, Purpose::Limit).map(|key| Self::Of(key, ipv6_prefix))
    }

    /// Whether it goes by a claim, which is known only after a token was verified.
    pub fn has_claim(&self) -> bool {
        matches!(self, Self::Of(key, _) if key.has_claim())
    }

    /// Gives the hasher what tells this request's bucket from others. In the place of what the request does not have
    /// stands its client's address, so that nobody gets away by leaving it out. Each part is told apart from the next,
    /// so that no client can write one part so that it looks like another's two.
    pub fn feed(&self, from: &Source<'_>, hasher: &mut impl Hasher) {
        let Self::Of(key, ipv6_prefix) = self else {
            return;
        };
        key.pieces(from, |piece| match piece {
            // It is in every key of this limit.
            Piece::Literal(_) => {}
            Piece::Client(ip) => feed_address(Some(ip), *ipv6_prefix, hasher),
            Piece::Absent => {
                hasher.write_u8(ABSENT);
                feed_address(from.client, *ipv6_prefix, hasher);
            }
            Piece::Value(value) => {
                hasher.write_u8(VALUE);
                hasher.write_u64(value.len() as u64);
                hasher.write(value);
            }
        });
    }
}

const NOBODY: u8 = 0;
const V4: u8 = 1;
const V6: u8 = 2;
const VALUE: u8 = 3;
const ABSENT: u8 = 4;

fn feed_address(ip: Option<IpAddr>, ipv6_prefix: u8, hasher: &mut impl Hasher) {
    match ip.map(|ip| Client::of(ip, ipv6_prefix).address()) {
        Some(IpAddr::V4(ip)) => {
            hasher.write_u8(V4);
            hasher.write(&ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            hasher.write_u8(V6);
            hasher.write(&ip.octets());
        }
        // Peers on a Unix socket.
        None => hasher.write_u8(NOBODY),
    }
}

#[cfg(test)]
mod tests;
