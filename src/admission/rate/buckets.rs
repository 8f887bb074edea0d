//! Where are the debts of all keys of a limit?

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, DefaultHasher, Hasher};
use std::mem::size_of;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::block::{Block, SLOTS};
use super::limit::{Limit, Taken};

/// The debts of the keys of one limit, in memory whose size is fixed when it is made: two slots of 16 bytes for each key
/// that is to be remembered at once.
///
/// A key is 64 bits of a hash with a secret of its own, so that nobody can aim at another's key or fill one part of the
/// table. Some bits say in which block its slot is; a block has a lock of its own.
pub struct Buckets {
    blocks: Box<[Mutex<Block>]>,
    secret: RandomState,
    start: Instant,
}

impl Buckets {
    /// An empty table for so many keys. `start` is the earliest time it will be asked about.
    pub fn new(keys: u32, start: Instant) -> Self {
        let blocks = std::iter::repeat_with(|| Mutex::new(Block::new()));
        Self {
            blocks: blocks.take(blocks_for(keys)).collect(),
            secret: RandomState::new(),
            start,
        }
    }

    /// How much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * size_of::<Mutex<Block>>()
    }

    /// The key's number, of whatever `feed` gives the hasher.
    pub fn key(&self, feed: impl FnOnce(&mut DefaultHasher)) -> u64 {
        let mut hasher = self.secret.build_hasher();
        feed(&mut hasher);
        hasher.finish()
    }

    /// Lets one request of a [key](Self::key) through, or not.
    pub fn take(&self, key: u64, now: Instant, limit: &Limit) -> Taken {
        let since = now.saturating_duration_since(self.start).as_nanos();
        // 64 bits of nanoseconds are 584 years.
        let since = u64::try_from(since).unwrap_or(u64::MAX / 2);
        let mut block = self
            .block(key)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        block.take(key, since, limit)
    }

    fn block(&self, key: u64) -> &Mutex<Block> {
        // The upper bits of a product are as even as the key's, for any number of blocks.
        let at = (u128::from(key) * self.blocks.len() as u128) >> 64;
        &self.blocks[at as usize]
    }
}

/// Two slots for each key.
fn blocks_for(keys: u32) -> usize {
    (keys as usize * 2).div_ceil(SLOTS).max(1)
}

#[cfg(test)]
mod tests;
