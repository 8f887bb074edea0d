//! What is kept on disk? The second tier: bounded in bytes, warm after a restart, never trusted.
//!
//! Each object is a file of its own (`format.rs`), written under another name and renamed when it is whole, so that
//! whatever ends the process leaves only whole ones. What is read is checked before it is given out: a small object all
//! at once, a large one block by block. Files are read and written by a few threads of the tier's own, never by a worker:
//! when too many wait to read, that is a miss, and when too many wait to write, the object is not written. Errors of the
//! disk turn the tier off for a while; no request fails for it.
//!
//! Of two processes on one directory, as there are in an upgrade, the one that holds its lock writes and removes; the
//! other one only reads.

mod body;
mod books;
mod codec;
mod draft;
mod find;
mod flow;
mod format;
mod freshen;
mod health;
mod index;
mod keeper;
mod line;
mod place;
mod purges;
mod tier;
mod trace;
mod writing;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Body, Head, Object, Stored};
use crate::cache::purge::Marks;
use crate::telemetry::metrics::{DiskMetrics, DiskRead, DiskWrite};
pub use body::DiskBody;
use draft::Plan;
pub use find::Found;
pub use flow::Following;
use format::Kind;
use keeper::Sweep;
use line::Line;
use place::Place;
use tier::Tier;
pub use trace::Trace;
pub use writing::Writing;

/// How many threads read, and how many write.
const READERS: usize = 4;
const WRITERS: usize = 2;

/// How many may wait to read. More would wait longer than an endpoint takes to answer.
const MOST_READS: usize = 512;

/// How long a look-up may take. A disk that answers later does not answer at all.
const LONGEST_READ: Duration = Duration::from_secs(2);

/// How many small objects may wait to be written, and how much memory they may take.
const MOST_WRITES: usize = 4096;
const MOST_WRITE_BYTES: usize = 32 * 1024 * 1024;

/// An object may be so large a part of the whole.
const LARGEST: u64 = 2;

/// The disk tier. One for a directory; it ends when it is dropped.
pub struct Disk {
    tier: Arc<Tier>,
    keeper: Thread,
}

/// A sweep under way. Both tell nothing if it does not come to its end, because another process has the directory.
#[derive(Debug)]
pub struct Sweeping {
    /// How many objects are gone: they are not found any more.
    pub found: oneshot::Receiver<u64>,
    /// Told when their files are removed, so that the next process does not find them either.
    pub removed: oneshot::Receiver<()>,
}

impl Disk {
    /// A tier of so many bytes in this directory, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// The directory can't be made or written.
    pub fn open(path: &Path, size: u64, metrics: DiskMetrics) -> io::Result<Arc<Self>> {
        let place = Place::new(path)?;
        let readers = Line::new("cache-read", READERS, MOST_READS, usize::MAX)?;
        let writers = Line::new("cache-write", WRITERS, MOST_WRITES, MOST_WRITE_BYTES)?;
        let tier = Arc::new(Tier::new(place, size, (readers, writers), metrics));
        tier.try_to_hold();
        let keeper = keeper::keep(&tier)?;
        Ok(Arc::new(Self { tier, keeper }))
    }

    /// Sees whether [`Disk::open`] would do.
    ///
    /// # Errors
    ///
    /// The directory can't be made or written.
    pub fn check(path: &Path) -> io::Result<()> {
        Place::new(path).map(drop)
    }

    /// Takes so many bytes from now on.
    pub fn resize(&self, size: u64) {
        let before = self.tier.limit.swap(size, Ordering::Relaxed);
        if size < before {
            let tier = self.tier.clone();
            self.tier.writers.push_always(move || {
                tier.make_room(&tier.holding(), 0);
            });
        }
    }

    /// Whether there might be something under this key. Asks no disk.
    pub fn might_have(&self, key: u128) -> bool {
        self.tier.health.is_on() && self.tier.books().might_have(key)
    }

    /// What stands under a key; a body in memory if it is small.
    pub async fn get(&self, key: u128) -> Option<Found> {
        let tier = &self.tier;
        if !tier.health.is_on() {
            return None;
        }
        if !tier.books().touch(key) {
            tier.metrics.read(DiskRead::Miss);
            return None;
        }
        let (told, found) = oneshot::channel();
        let job = {
            let tier = tier.clone();
            move || {
                if !told.is_closed() {
                    // Nobody may wait any more.
                    let _ = told.send(tier.find(key));
                }
            }
        };
        if !tier.readers.push(0, job) {
            tier.metrics.read(DiskRead::Full);
            return None;
        }
        match timeout(LONGEST_READ, found).await {
            Ok(found) => found.ok().flatten(),
            Err(_) => {
                tier.metrics.read(DiskRead::Full);
                None
            }
        }
    }

    /// Writes what is in memory, some time soon.
    pub fn put(&self, key: u128, stored: Stored) {
        let tier = &self.tier;
        if !tier.takes() {
            // What was there is older.
            self.remove(key);
            return;
        }
        let (kind, marks, length) = match &stored {
            Stored::Object(object) => match &object.body {
                Body::Memory(chunks) => (Kind::Object, &object.head.marks, chunks.len()),
                // It is where it should be.
                Body::Disk(_) => return,
                // Kept in memory only; what was there is older.
                Body::Parts(_) => return self.remove(key),
            },
            Stored::Varies(varies) => (Kind::Varies, &varies.marks, 0),
            Stored::Passes(_) => return,
        };
        if length > tier.limit() / LARGEST {
            tier.metrics.written(DiskWrite::NoRoom);
            self.remove(key);
            return;
        }
        let mut head = Vec::with_capacity(1024);
        match &stored {
            Stored::Object(object) => codec::write_head(&object.key, &object.head, &mut head),
            Stored::Varies(varies) => codec::write_varies(varies, &mut head),
            Stored::Passes(_) => {}
        }
        let Some(plan) = Plan::new(tier, key, kind, &head, Some(length), marks) else {
            tier.metrics.written(DiskWrite::NoRoom);
            self.remove(key);
            return;
        };
        let bytes = plan
            .bytes()
            .saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        let job = {
            let tier = tier.clone();
            move || {
                let body = match &stored {
                    Stored::Object(object) => match &object.body {
                        Body::Memory(chunks) => chunks.pieces(),
                        Body::Disk(_) | Body::Parts(_) => &[],
                    },
                    Stored::Varies(_) | Stored::Passes(_) => &[],
                };
                tier.settle(key, &plan.write(body.iter().map(|piece| &piece[..])));
            }
        };
        if !tier.writers.push(bytes, job) {
            self.remove(key);
            tier.metrics.written(DiskWrite::Full);
        }
    }

    /// Begins to write an object whose body is still coming, of a length that may not be known; `None` if it can't be.
    pub fn begin(
        &self,
        key: u128,
        head: &Head,
        key_bytes: &[u8],
        length: Option<u64>,
    ) -> Option<Writing> {
        let tier = &self.tier;
        if !tier.takes() {
            return None;
        }
        if length.is_some_and(|length| length > tier.limit() / LARGEST) {
            tier.metrics.written(DiskWrite::NoRoom);
            return None;
        }
        let mut encoded = Vec::with_capacity(1024);
        codec::write_head(key_bytes, head, &mut encoded);
        let plan = Plan::new(tier, key, Kind::Object, &encoded, length, &head.marks)?;
        Writing::new(tier, key, plan)
    }

    /// The object was freshened: it has another head, and the body that it had.
    pub fn freshened(&self, key: u128, object: &Arc<Object>) {
        match &object.body {
            Body::Memory(_) => self.put(key, Stored::Object(object.clone())),
            // Kept in memory only.
            Body::Parts(_) => self.remove(key),
            Body::Disk(body) => {
                if !self.tier.takes() {
                    self.remove(key);
                    return;
                }
                let mut head = Vec::with_capacity(1024);
                codec::write_head(&object.key, &object.head, &mut head);
                let preamble = *body.preamble();
                let tier = self.tier.clone();
                let job = move || tier.freshen(&preamble, &head);
                if !self.tier.writers.push(1024, job) {
                    self.remove(key);
                }
            }
        }
    }

    /// Removes what stands under a key, also what is being written.
    pub fn remove(&self, key: u128) {
        if self.tier.books().remove(key) {
            let tier = self.tier.clone();
            // As many as there are objects, at most.
            self.tier.writers.push_always(move || tier.remove_file(key));
        }
    }

    /// Removes all objects that are gone, also those that are being written. `at_a_glance` says of most whether they are,
    /// by what is in memory; of the others, also of those that were not looked at since the start, the marks are read. In
    /// the background, as soon as it is known what there is.
    pub fn sweep(
        &self,
        at_a_glance: impl Fn(&Trace) -> Option<bool> + Send + 'static,
        is_gone: impl Fn(&Marks) -> bool + Send + 'static,
    ) -> Sweeping {
        let ((told, found), (done, removed)) = (oneshot::channel(), oneshot::channel());
        if self.is_holding() {
            self.tier.orders.sweep(Sweep {
                at_a_glance: Box::new(at_a_glance),
                is_gone: Box::new(is_gone),
                found: told,
                removed: done,
            });
            self.keeper.unpark();
        }
        Sweeping { found, removed }
    }

    /// Lets another process have the directory: this one only reads from now on. If none has taken it after ten seconds,
    /// it does so itself again.
    pub fn hand_over(&self) {
        let tier = self.tier.clone();
        // It may have to wait for the disk.
        if let Err(error) = thread::Builder::new()
            .name("cache-disk".into())
            .spawn(move || tier.hand_over())
        {
            log::warn!("can't let the next process have the cache before this one ends: {error}");
        }
    }

    /// Whether this process is the one that writes and removes.
    pub fn is_holding(&self) -> bool {
        self.tier.is_holding.load(Ordering::Relaxed)
    }

    /// Whether it is known what is there: from some time after the start on.
    pub fn is_complete(&self) -> bool {
        self.tier.books().is_complete()
    }

    /// Whether it may be used; errors turn it off for a while.
    pub fn is_on(&self) -> bool {
        self.tier.health.is_on()
    }

    /// Why it is not.
    pub fn error(&self) -> Option<String> {
        self.tier.health.error()
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.tier.place.path()
    }

    /// How many bytes they may take.
    pub fn limit(&self) -> u64 {
        self.tier.limit()
    }

    /// How many objects had to go so that others found room.
    pub fn evictions(&self) -> u64 {
        self.tier.evictions.load(Ordering::Relaxed)
    }

    /// How many bytes the files of objects take.
    pub fn used(&self) -> u64 {
        self.tier.books().bytes()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.tier.books().index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.tier.is_over.store(true, Ordering::Relaxed);
        self.keeper.unpark();
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disk")
            .field(&self.tier.place.path())
            .finish()
    }
}

#[cfg(test)]
mod tests;
