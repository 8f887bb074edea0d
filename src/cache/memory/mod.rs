//! What is kept in memory?
//!
//! A look-up takes the read lock of one of many maps and writes nothing that is shared, but for a mark on the entry the
//! first few times. Everything that changes what is kept goes through one lock around the queues; it comes with a fetch,
//! which costs a thousand times as much. So the bound is one for all, however the keys are spread, and an object may be
//! as large as an eighth of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::hashing::Hashing;
use self::queues::{Node, Queues};
use super::object::Stored;

mod ghosts;
mod hashing;
mod queues;
#[cfg(test)]
mod tests;
mod weight;

/// How many maps the entries are spread over, by their hashes.
const SHARDS: usize = 64;

type Map = HashMap<u128, Arc<Node>, Hashing>;

/// The memory tier: what stands under the hash of a key, in at most so many bytes.
///
/// What is evicted goes by S3-FIFO: for why, see [the decisions](crate::manual::decisions).
#[derive(Debug)]
pub struct Memory {
    shards: Box<[Shard]>,
    hashing: Hashing,
    queues: Mutex<Queues>,
    used: AtomicU64,
    len: AtomicUsize,
    evicted: AtomicU64,
}

/// A map on cache lines of its own: the lock of a hot one is written to by every thread.
#[derive(Debug)]
#[repr(align(128))]
struct Shard(RwLock<Map>);

impl Memory {
    /// One of at most `bytes`; with 0 it keeps nothing.
    pub fn new(bytes: u64) -> Self {
        let hashing = Hashing::new();
        let shard = || Shard(RwLock::new(Map::with_hasher(hashing)));
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            hashing,
            queues: Mutex::new(Queues::new(bytes)),
            used: AtomicU64::new(0),
            len: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    /// It may have this many bytes from now on; what is too much is evicted at once.
    pub fn resize(&self, bytes: u64) {
        let mut evicted = Vec::new();
        let mut queues = self.queues();
        queues.resize(bytes);
        self.make_room(&mut queues, 0, &mut evicted);
        self.publish(&queues);
        drop(queues);
        self.shrink();
    }

    /// What stands under this hash.
    pub fn get(&self, key: u128) -> Option<Stored> {
        let shard = self.read(key);
        let node = shard.get(&key)?;
        node.asked();
        Some(node.stored.clone())
    }

    /// Keeps this, instead of what stands there; others are evicted for it. What is too large is not kept, and nor is
    /// then what stood there.
    pub fn put(&self, key: u128, value: Stored) {
        let weight = weight::of(&value);
        // What is let go of is freed after the locks are: these come last.
        let mut evicted = Vec::new();
        let former;
        let mut queues = self.queues();
        if weight > queues.largest() {
            former = self.take(&mut queues, key, |_| true);
        } else {
            let stands = self.read(key).get(&key).cloned();
            let node = match &stands {
                Some(former) => queues.replace(former, value, weight),
                None => queues.place(key, value, weight),
            };
            self.make_room(&mut queues, weight, &mut evicted);
            queues.push(&node);
            // Until here a former one is found.
            former = self.write(key).insert(key, node);
        }
        self.publish(&queues);
        drop(queues);
        drop(former);
    }

    /// Forgets what stands there.
    pub fn remove(&self, key: u128) {
        let mut queues = self.queues();
        let former = self.take(&mut queues, key, |_| true);
        self.publish(&queues);
        drop(queues);
        drop(former);
    }

    /// Forgets all but what is to be kept; how many that were. It takes as long as there are entries, and holds up
    /// nobody's look-up.
    pub fn sweep(&self, keep: impl Fn(&Stored) -> bool) -> usize {
        let (mut swept, mut count) = (Vec::new(), 0);
        for shard in &self.shards {
            let map = shard.read();
            swept.extend(map.values().filter(|node| !keep(&node.stored)).cloned());
            drop(map);
            let mut queues = self.queues();
            // One that was replaced since then is another.
            for node in &swept {
                let same = |now: &Arc<Node>| Arc::ptr_eq(now, node);
                count += usize::from(self.take(&mut queues, node.key, same).is_some());
            }
            self.publish(&queues);
            drop(queues);
            swept.clear();
        }
        self.shrink();
        count
    }

    /// Shows everything that is kept, which may change meanwhile.
    pub fn for_each(&self, mut show: impl FnMut(u128, &Stored)) {
        for shard in &self.shards {
            let nodes: Vec<_> = shard.read().values().cloned().collect();
            for node in nodes {
                show(node.key, &node.stored);
            }
        }
    }

    /// How many bytes it has.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// How many bytes it may have.
    pub fn limit(&self) -> u64 {
        self.queues().limit()
    }

    /// How many bytes an entry may have.
    pub fn largest(&self) -> u64 {
        self.queues().largest()
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries were evicted so far, to make room for others.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    fn make_room(&self, queues: &mut Queues, weight: u64, evicted: &mut Vec<Arc<Node>>) {
        let before = evicted.len();
        while let Some(node) = queues.evict(weight) {
            self.write(node.key).remove(&node.key);
            evicted.push(node);
        }
        let count = (evicted.len() - before) as u64;
        self.evicted.fetch_add(count, Ordering::Relaxed);
    }

    fn take(
        &self,
        queues: &mut Queues,
        key: u128,
        right: impl Fn(&Arc<Node>) -> bool,
    ) -> Option<Arc<Node>> {
        let mut shard = self.write(key);
        shard.get(&key).filter(|node| right(node))?;
        let node = shard.remove(&key)?;
        queues.take(&node);
        Some(node)
    }

    fn publish(&self, queues: &Queues) {
        self.used.store(queues.used(), Ordering::Relaxed);
        self.len.store(queues.len(), Ordering::Relaxed);
    }

    /// Gives back what the maps have taken for many more entries than they have now.
    fn shrink(&self) {
        for shard in &self.shards {
            let (len, capacity) = {
                let map = shard.read();
                (map.len(), map.capacity())
            };
            if capacity > 64 && len < capacity / 4 {
                let mut map = shard.0.write().unwrap_or_else(PoisonError::into_inner);
                map.shrink_to(len * 2);
            }
        }
    }

    fn shard(&self, key: u128) -> &Shard {
        &self.shards[self.hashing.shard(key, SHARDS)]
    }

    fn read(&self, key: u128) -> RwLockReadGuard<'_, Map> {
        self.shard(key).read()
    }

    fn write(&self, key: u128) -> RwLockWriteGuard<'_, Map> {
        let shard = self.shard(key);
        shard.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing under these locks can panic half way, so a poisoned one is as good as any.
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
