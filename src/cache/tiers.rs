//! Where are objects kept, and how do they go?

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use http::HeaderName;
use tokio::sync::Mutex;
use tokio::task;

use super::alive::{Alive, Room};
use super::disk::Disk;
use super::memory::Memory;
use super::purge::{Marks, Mode, Purged, Purges, What};
use super::report::{DiskReport, Kept, PurgeReport, Report};
use super::{CacheSettings, DiskSettings, Stored, Varies};
use crate::telemetry::metrics::DiskMetrics;

/// How many fields of the request the variants under one key may differ by. A response that names more of them begins anew.
const MOST_NAMES: usize = 16;

/// Makes the hash of a key into that of what is noted about it for requests that are somebody's.
const SOMEBODYS: u128 = 0x5b4f_9d2c_a7e1_3086_c4d8_17f2_6e0b_935a;

/// How many times the bytes of the memory tier may be in memory of bodies, those included that are on their way to be
/// stored, and those that were evicted while somebody reads them.
const MOST_ALIVE: u64 = 2;

/// The cache of the process: what is in memory, and on disk.
pub struct Cache {
    /// What is in memory.
    pub memory: Memory,
    /// What was purged.
    pub purges: Purges,
    /// The bodies that are in memory.
    pub alive: Alive,
    disk: ArcSwapOption<Disk>,
    /// Held by who looks at all that is in memory: that is work for one thread at a time.
    sweeping: Mutex<()>,
}

impl Cache {
    /// An empty one, whose objects may take so many bytes of memory.
    pub fn new(memory: u64, now: SystemTime) -> Self {
        Self {
            memory: Memory::new(memory),
            purges: Purges::new(now),
            alive: Alive::default(),
            disk: ArcSwapOption::empty(),
            sweeping: Mutex::default(),
        }
    }

    /// The disk, if there is one.
    pub fn disk(&self) -> Option<Arc<Disk>> {
        self.disk.load_full()
    }

    /// The disk that goes with these settings: the one that is in use, or another that is opened for it.
    ///
    /// # Errors
    ///
    /// Its directory can't be made or written.
    pub fn open_disk(
        &self,
        settings: &CacheSettings,
        metrics: &DiskMetrics,
    ) -> io::Result<Option<Arc<Disk>>> {
        let Some(DiskSettings { path, size }) = &settings.disk else {
            return Ok(None);
        };
        match self.disk().filter(|disk| disk.path() == path) {
            Some(disk) => Ok(Some(disk)),
            None => Disk::open(path, *size, metrics.clone()).map(Some),
        }
    }

    /// Goes on with these sizes and this disk.
    pub fn change(&self, settings: &CacheSettings, disk: Option<&Arc<Disk>>, now: SystemTime) {
        self.memory.resize(settings.memory);
        if let (Some(disk), Some(DiskSettings { size, .. })) = (disk, &settings.disk) {
            disk.resize(*size);
        }
        let before = self.disk.swap(disk.cloned());
        let is_other = |disk: &&Arc<Disk>| {
            !before
                .as_ref()
                .is_some_and(|before| Arc::ptr_eq(before, disk))
        };
        if let Some(disk) = disk.filter(is_other)
            && let Some(saved) = disk.purges()
        {
            self.purges.absorb(&saved, now);
        }
    }

    /// Room for so many bytes of a body that is to be stored in memory; `None` while there are too many, because clients do
    /// not read what was evicted since.
    pub fn room(&self, bytes: u64) -> Option<Room> {
        self.alive.room(bytes, self.most_alive())
    }

    /// How many bytes of bodies may be in memory.
    pub fn most_alive(&self) -> u64 {
        self.memory.limit().saturating_mul(MOST_ALIVE)
    }

    /// Removes what is stored under a key.
    pub fn remove(&self, hash: u128) {
        self.memory.remove(hash);
        if let Some(disk) = self.disk() {
            disk.remove(hash);
        }
    }

    /// Whether what somebody was answered last under a key was not for everyone.
    pub fn is_somebodys(&self, hash: u128) -> bool {
        let stored = self.memory.get(hash ^ SOMEBODYS);
        matches!(stored, Some(Stored::Passes(until)) if Instant::now() < until)
    }

    /// Takes note that what somebody is answered under a key is not for everyone. It says nothing of what others are.
    pub fn put_somebodys(&self, hash: u128, until: Instant) {
        self.memory.put(hash ^ SOMEBODYS, Stored::Passes(until));
    }

    /// Takes note that the answers under a key can't be stored.
    pub fn put_passing(&self, hash: u128, until: Instant) {
        self.remove(hash);
        self.memory.put(hash, Stored::Passes(until));
    }

    /// What tells the variants under a key apart, now that one has come that varies by `names`: by those and the ones that
    /// were known, so that what is stored can still be found.
    pub fn varies(
        &self,
        hash: u128,
        key: &[u8],
        names: &[HeaderName],
        marks: Marks,
    ) -> Arc<Varies> {
        let known = match self.memory.get(hash) {
            Some(Stored::Varies(varies))
                if *varies.key == *key
                    && !matches!(self.purges.of(&varies.marks), Purged::Gone) =>
            {
                Some(varies)
            }
            _ => None,
        };
        let mut all: Vec<HeaderName> = names.to_vec();
        if let Some(known) = &known {
            if names.iter().all(|name| known.names.contains(name)) {
                return Arc::clone(known);
            }
            all.extend(known.names.iter().cloned());
            if all.len() > MOST_NAMES {
                all.truncate(names.len());
            }
        }
        all.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        all.dedup();
        let varies = Arc::new(Varies {
            key: key.into(),
            names: all.into(),
            generation: fastrand::u64(..),
            marks,
        });
        let stored = Stored::Varies(Arc::clone(&varies));
        self.memory.put(hash, stored.clone());
        if let Some(disk) = self.disk() {
            disk.put(hash, stored);
        }
        varies
    }

    /// Purges. It has taken effect when this returns, also for a process that comes after this one; what is gone is still to
    /// be [removed](Self::remove_purged).
    pub async fn purge(&self, what: &[What], mode: Mode, now: SystemTime) {
        for what in what {
            self.purges.add(what, mode, now);
        }
        if let Some(disk) = self.disk() {
            disk.save_purges(self.purges.save()).await;
        }
    }

    /// Removes what is gone by a hard purge, or counts what is in memory and stale by a soft one that was at `now`. Takes as
    /// long as looking at everything does.
    pub async fn remove_purged(self: &Arc<Self>, mode: Mode, now: SystemTime) -> PurgeReport {
        // What is under way now may be stored where was looked before it was, and be over before all was looked at.
        let purged = self.purges.settled();
        let cache = Arc::clone(self);
        let memory = {
            let _turn = self.sweeping.lock().await;
            task::spawn_blocking(move || cache.sweep(mode, now)).await
        };
        let is_swept = memory.is_ok();
        let memory = memory.unwrap_or(0);
        if mode == Mode::Soft {
            return PurgeReport { memory, disk: 0 };
        }
        let on_disk = match self.disk() {
            Some(disk) => {
                let (one, other) = (Arc::clone(self), Arc::clone(self));
                let swept = disk.sweep(
                    move |trace| one.purges.at_a_glance(trace.since, trace.url, trace.tags()),
                    move |marks| matches!(other.purges.of(marks), Purged::Gone),
                );
                let found = swept.found.await.ok();
                if is_swept && found.is_some() {
                    let cache = Arc::clone(self);
                    tokio::spawn(async move {
                        if swept.removed.await.is_ok() {
                            cache.purges.forget(purged);
                        }
                    });
                }
                found
            }
            None => {
                if is_swept {
                    self.purges.forget(purged);
                }
                Some(0)
            }
        };
        PurgeReport {
            memory,
            disk: on_disk
                .and_then(|swept| usize::try_from(swept).ok())
                .unwrap_or(0),
        }
    }

    /// Removes from memory what is gone; how many objects that were, or how many are stale since now.
    fn sweep(&self, mode: Mode, now: SystemTime) -> usize {
        let of = |stored: &Stored| match stored {
            Stored::Object(object) => self.purges.of(&object.head.marks),
            Stored::Varies(varies) => self.purges.of(&varies.marks),
            Stored::Passes(_) => Purged::No,
        };
        match mode {
            Mode::Hard => self
                .memory
                .sweep(|stored| !matches!(of(stored), Purged::Gone)),
            Mode::Soft => {
                // What is remembered of a time is its microseconds.
                let is_now = |since: SystemTime| {
                    let before = now.duration_since(since);
                    before.is_ok_and(|before| before < Duration::from_micros(1))
                };
                let mut stale = 0;
                self.memory.for_each(|_, stored| {
                    stale +=
                        usize::from(matches!(of(stored), Purged::Softly(since) if is_now(since)));
                });
                stale
            }
        }
    }

    /// What it keeps.
    pub fn report(&self, flights: usize) -> Report {
        Report {
            memory: Kept {
                bytes: self.memory.used(),
                limit_bytes: self.memory.limit(),
                objects: self.memory.len() as u64,
                evictions: self.memory.evicted(),
            },
            disk: self.disk().map(|disk| DiskReport {
                on: disk.is_on(),
                error: disk.error(),
                kept: Kept {
                    bytes: disk.used(),
                    limit_bytes: disk.limit(),
                    objects: disk.len() as u64,
                    evictions: disk.evictions(),
                },
            }),
            flights,
            purges: self.purges.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_body_that_is_not_kept_any_more_takes_room_while_somebody_reads_it() {
        let cache = Cache::new(1000, SystemTime::UNIX_EPOCH);
        let mut pieces = Vec::new();
        for _ in 0..4 {
            let mut room = cache.room(500).expect("room");
            pieces.push(room.counted(Bytes::from(vec![7; 500])));
        }
        assert!(cache.room(1).is_none(), "twice what memory may take");
        pieces.pop();
        assert!(cache.room(501).is_none() && cache.room(500).is_some());
        drop(pieces);
        assert_eq!(cache.alive.bytes(), 0);
    }
}
