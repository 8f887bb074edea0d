//! What is kept in memory?

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, Weighter};
use rustc_hash::FxBuildHasher;

use super::object::Stored;

mod weight;

/// The part of the whole that one body may have, so that it does not push everything else out.
const LARGEST: u64 = 8;

/// The memory tier: what stands under the hash of a key, in at most so many bytes.
#[derive(Debug)]
pub struct Memory {
    entries: Cache<u128, Stored, Weigh, FxBuildHasher, Count>,
    evicted: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
struct Weigh;

impl Weighter<u128, Stored> for Weigh {
    fn weight(&self, _: &u128, stored: &Stored) -> u64 {
        weight::of(stored)
    }
}

/// Counts what is evicted, and lets go of it outside of the lock.
#[derive(Clone, Debug)]
struct Count(Arc<AtomicU64>);

impl Lifecycle<u128, Stored> for Count {
    type RequestState = Vec<Stored>;

    fn on_evict(&self, evicted: &mut Vec<Stored>, _: u128, stored: Stored) {
        self.0.fetch_add(1, Ordering::Relaxed);
        evicted.push(stored);
    }
}

impl Memory {
    /// One of at most `bytes`; with 0 it keeps nothing.
    pub fn new(bytes: u64) -> Self {
        let evicted = Arc::new(AtomicU64::new(0));
        let count = Count(evicted.clone());
        let entries = Cache::with(1024, bytes, Weigh, FxBuildHasher, count);
        Self { entries, evicted }
    }

    /// It may have this many bytes from now on; what is too much is evicted at once.
    pub fn resize(&self, bytes: u64) {
        self.entries.set_capacity(bytes);
    }

    /// What stands under this hash.
    pub fn get(&self, key: u128) -> Option<Stored> {
        self.entries.get(&key)
    }

    /// Keeps this, instead of what stands there; others are evicted for it.
    pub fn put(&self, key: u128, value: Stored) {
        self.entries.insert(key, value);
    }

    /// Forgets what stands there.
    pub fn remove(&self, key: u128) {
        self.entries.remove(&key);
    }

    /// Forgets all but what is to be kept; how many that were.
    pub fn sweep(&self, keep: impl Fn(&Stored) -> bool) -> usize {
        let swept = Cell::new(0);
        self.entries.retain(|_, stored| {
            let keep = keep(stored);
            swept.set(swept.get() + usize::from(!keep));
            keep
        });
        swept.get()
    }

    /// Shows everything that is kept.
    pub fn for_each(&self, mut show: impl FnMut(u128, &Stored)) {
        for (key, stored) in self.entries.iter() {
            show(key, &stored);
        }
    }

    /// How many bytes it may have.
    pub fn limit(&self) -> u64 {
        self.entries.capacity()
    }

    /// How large one body may be.
    pub fn largest(&self) -> u64 {
        self.limit() / LARGEST
    }

    /// How many bytes it has.
    pub fn used(&self) -> u64 {
        self.entries.weight()
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries were evicted so far, to make room for others.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }
}
