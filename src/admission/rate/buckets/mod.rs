//! Where are the debts of all keys of a limit?

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, DefaultHasher, Hasher};
use std::hint::black_box;
use std::iter::repeat_with;
use std::mem::size_of_val;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::block::{CELLS_OF_BLOCK, GROUPS, Group, Header, home};
use super::limit::{Limit, Taken};

/// The debts of the keys of one limit, in memory whose size is fixed when it is made: two cells of 16 bytes for each key
/// that is to be remembered at once.
///
/// A key is 64 bits of a hash with a secret of its own, so that nobody can aim at another's key or fill one part of the
/// table. Its upper bits say in which block its cell is, which has a lock of its own, its lower bits in which group of the
/// block it is at home.
pub struct Buckets {
    /// One for each block. Apart from the groups, so that those of many blocks stay in the cache.
    headers: Box<[Mutex<Header>]>,
    /// Those of the first block, those of the second, and so on.
    groups: Box<[Group]>,
    secret: RandomState,
    start: Instant,
}

impl Buckets {
    /// An empty table for so many keys. `start` is the earliest time it will be asked about.
    pub fn new(keys: u32, start: Instant) -> Self {
        let blocks = (keys as usize * 2).div_ceil(CELLS_OF_BLOCK).max(1);
        Self {
            headers: repeat_with(Mutex::default).take(blocks).collect(),
            groups: repeat_with(Group::default).take(blocks * GROUPS).collect(),
            secret: RandomState::new(),
            start,
        }
    }

    /// How much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.headers) + size_of_val(&*self.groups)
    }

    /// The key's number, of whatever `feed` gives the hasher.
    pub fn key(&self, feed: impl FnOnce(&mut DefaultHasher)) -> u64 {
        let mut hasher = self.secret.build_hasher();
        feed(&mut hasher);
        hasher.finish()
    }

    /// Lets one request of a [key](Self::key) through, or not.
    pub fn take(&self, key: u64, now: Instant, limit: &Limit) -> Taken {
        let (mut header, groups) = self.block(key);
        header.take(groups, key, self.since(now), limit)
    }

    /// What a request of a [key](Self::key) is told if it is refused; nothing is taken.
    pub fn refused(&self, key: u64, now: Instant, limit: &Limit) -> Option<Taken> {
        let (mut header, groups) = self.block(key);
        header.refused(groups, key, self.since(now), limit)
    }

    /// Takes note of what a [key](Self::key) was told elsewhere, where it was asked about at `then`: it has that debt from
    /// now on, unless it has a deeper one. Returns whether another key was forgotten for it.
    pub fn note(&self, key: u64, then: Instant, told: &Taken, limit: &Limit) -> bool {
        let (mut header, groups) = self.block(key);
        header.note(groups, key, self.since(then), told, limit)
    }

    fn since(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start).as_nanos();
        // 64 bits of nanoseconds are 584 years.
        u64::try_from(since).unwrap_or(u64::MAX / 2)
    }

    /// Takes the lock of the block that the key's cell is in.
    fn block(&self, key: u64) -> (MutexGuard<'_, Header>, &[Group]) {
        // The upper bits of a product are as even as the key's, for any number of blocks.
        let block = ((u128::from(key) * self.headers.len() as u128) >> 64) as usize;
        let groups = &self.groups[block * GROUPS..][..GROUPS];
        // Has the key's line on its way while the lock is taken; what it says counts only after that.
        black_box(groups[home(key)].find(key));
        let header = self.headers[block]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (header, groups)
    }
}

#[cfg(test)]
mod tests;
