//! Which keys are not counted?

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use rustc_hash::FxHashSet;

use super::key::RateKey;
use crate::admission::Client;
use crate::route::key::{Piece, Source};

/// Values of a key that are not counted. They may be API keys: kept are their hashes, and nothing of how long a look-up
/// takes tells how much of one was right.
#[derive(Debug)]
pub struct ExemptKeys {
    known: FxHashSet<u64>,
    secret: RandomState,
}

impl ExemptKeys {
    /// These values; `None` if there are none.
    pub fn new<'v>(values: impl IntoIterator<Item = &'v str>) -> Option<Self> {
        let secret = RandomState::new();
        let hash = |value: &str| {
            let mut hasher = secret.build_hasher();
            hasher.write(value.as_bytes());
            hasher.finish()
        };
        let known: FxHashSet<u64> = values.into_iter().map(hash).collect();
        (!known.is_empty()).then_some(Self { known, secret })
    }

    /// Whether the request's key, as text, is one of them. A request that lacks a part of the key has none.
    pub fn contains(&self, key: &RateKey, from: &Source<'_>) -> bool {
        let RateKey::Of(key, ipv6_prefix) = key else {
            return false;
        };
        let mut hasher = self.secret.build_hasher();
        let mut whole = true;
        key.pieces(from, |piece| {
            let piece = match piece {
                Piece::Client(ip) => Piece::Client(Client::of(ip, *ipv6_prefix).address()),
                other => other,
            };
            // The hasher goes by the bytes, in however many pieces they come.
            whole &= piece.text(|text| hasher.write(text)).is_some();
        });
        whole && self.known.contains(&hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Method};

    use crate::route::Request;

    #[test]
    fn a_whole_value_is_exempt_however_many_pieces_it_has() {
        let exempt = ExemptKeys::new(["2001:db8:0:1::/secret-api-key", "192.0.2.1/x"]);
        let exempt = exempt.expect("two");
        let key = RateKey::parse("{client_ip}/{header.x-key}", 64).expect("a key");
        for (client, value, expected) in [
            ("2001:db8:0:1:2:3:4:5", Some("secret-api-key"), true),
            ("2001:db8:0:2:2:3:4:5", Some("secret-api-key"), false),
            ("2001:db8:0:1:2:3:4:5", Some("secret-api-ke"), false),
            ("2001:db8:0:1:2:3:4:5", None, false),
            ("192.0.2.1", Some("x"), true),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert("x-key", HeaderValue::from_static(value));
            }
            let request = Request {
                host: "a.example",
                path: "/",
                query: None,
                method: &Method::GET,
                headers: &headers,
            };
            let from = Source {
                request: &request,
                client: client.parse().ok(),
                claims: None,
            };
            assert_eq!(exempt.contains(&key, &from), expected, "{client} {value:?}");
        }
    }

    #[test]
    fn one_bucket_for_all_has_no_values_and_no_values_are_none() {
        assert!(ExemptKeys::new([]).is_none());
    }
}
