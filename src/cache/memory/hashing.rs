//! Where does an entry stand?

use std::hash::{BuildHasher, Hasher, RandomState};

/// Spreads hashes of keys that whoever makes the keys can compute too, in a way that they cannot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashing {
    secret: [u64; 2],
}

impl Hashing {
    pub(super) fn new() -> Self {
        let random = || RandomState::new().hash_one(0);
        Self {
            secret: [random(), random()],
        }
    }

    /// Which of so many maps; a power of two. By other bits than those that the map goes by.
    pub(super) fn shard(&self, key: u128, of: usize) -> usize {
        (self.mix(key) >> 32) as usize % of
    }

    fn mix(&self, key: u128) -> u64 {
        let low = key as u64 ^ self.secret[0];
        let high = (key >> 64) as u64 ^ self.secret[1];
        let product = u128::from(low) * u128::from(high);
        product as u64 ^ (product >> 64) as u64
    }
}

impl BuildHasher for Hashing {
    type Hasher = Mixed;

    fn build_hasher(&self) -> Mixed {
        Mixed {
            hashing: *self,
            hash: 0,
        }
    }
}

/// The hash of one key.
pub(super) struct Mixed {
    hashing: Hashing,
    hash: u64,
}

impl Hasher for Mixed {
    fn write_u128(&mut self, key: u128) {
        self.hash = self.hashing.mix(key);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let key = u128::from(self.hash) << 8 | u128::from(*byte);
            self.hash = self.hashing.mix(key);
        }
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}
