//! What stands for a client in Redis?
//!
//! Whoever can read Redis, a backup of it or its traffic shall not read there who came: names of keys carry a keyed hash
//! (HMAC-SHA-256, RFC 2104) of what the limit goes by. All machines must make the same one, so the secret is written in
//! the configuration. Without one the prefix takes its place, which anyone can read off the keys: then API keys and other
//! long values are as safe as a plain hash leaves them, but whoever tries every IPv4 address finds the one that came.

use std::fmt;
use std::hash::Hasher;

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key, sign};

/// How much of the hash is kept, in bytes: enough that no two clients share a bucket.
const BYTES: usize = 16;

/// What the clients of one limit are hashed with.
#[derive(Clone, Debug)]
pub struct KeySecret(Key);

impl KeySecret {
    /// That of a limit: the same client has another name under each.
    pub(super) fn new(secret: &str, limit: &str) -> Self {
        let secret = Key::new(HMAC_SHA256, secret.as_bytes());
        let own = sign(&secret, limit.as_bytes());
        Self(Key::new(HMAC_SHA256, own.as_ref()))
    }

    /// The hash of whatever `feed` writes.
    pub fn digest(&self, feed: impl FnOnce(&mut Feed)) -> Digest {
        let mut fed = Feed(Context::with_key(&self.0));
        feed(&mut fed);
        let mut digest = [0; BYTES];
        // A tag of SHA-256 is longer than that.
        for (kept, byte) in digest.iter_mut().zip(fed.0.sign().as_ref()) {
            *kept = *byte;
        }
        Digest(digest)
    }
}

/// Takes what tells one client from another. It is the same on every machine, whatever its byte order.
pub struct Feed(Context);

impl Hasher for Feed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn write_u8(&mut self, byte: u8) {
        self.0.update(&[byte]);
    }

    fn write_u64(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    /// The hash is taken by [`KeySecret::digest`], and is longer than this.
    fn finish(&self) -> u64 {
        0
    }
}

/// A client, for those who know the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; BYTES]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_one_name_wherever_the_secret_and_the_limit_are_the_same() {
        let digest = |secret: &str, limit: &str, client: &str| {
            let secret = KeySecret::new(secret, limit);
            secret
                .digest(|feed| feed.write(client.as_bytes()))
                .to_string()
        };
        let name = digest("a", "route/api/per-client", "192.0.2.1");
        assert_eq!(name, digest("a", "route/api/per-client", "192.0.2.1"));
        assert_eq!(name.len(), 32);
        for other in [
            digest("b", "route/api/per-client", "192.0.2.1"),
            digest("a", "route/web/per-client", "192.0.2.1"),
            digest("a", "route/api/per-client", "192.0.2.2"),
        ] {
            assert_ne!(name, other);
        }
    }

    #[test]
    fn numbers_are_written_in_one_order_of_bytes() {
        let secret = KeySecret::new("a", "b");
        let number = secret.digest(|feed| {
            feed.write_u8(3);
            feed.write_u64(0x0102);
        });
        let bytes = secret.digest(|feed| feed.write(&[3, 2, 1, 0, 0, 0, 0, 0, 0]));
        assert_eq!(number, bytes);
    }
}
