//! What was evicted a short while ago?

use std::collections::{HashSet, VecDeque};

use rustc_hash::FxBuildHasher;

/// The hashes of what was evicted without having been asked for, so that what comes back is known.
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    known: HashSet<u64, FxBuildHasher>,
    order: VecDeque<u64>,
}

impl Ghosts {
    /// Remembers this one, and no more than so many.
    pub(super) fn add(&mut self, key: u128, most: usize) {
        let key = key as u64;
        if self.known.insert(key) {
            self.order.push_back(key);
        }
        while self.order.len() > most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether this one is known.
    pub(super) fn have(&self, key: u128) -> bool {
        self.known.contains(&(key as u64))
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
