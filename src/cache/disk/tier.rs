//! What do all parts of a disk tier share, and how does a file come to be there or to go?

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;

use super::books::{Books, Ticket};
use super::health::{Health, Ill};
use super::keeper::Orders;
use super::line::Line;
use super::place::Place;
use super::trace::Trace;
use crate::telemetry::metrics::{DiskMetrics, DiskOperation, DiskWrite};

/// How much leaves at once where the disk is full although the tier may take more.
const GIVE_BACK: u64 = 20;

/// What all parts of a disk tier share.
pub(super) struct Tier {
    pub(super) place: Place,
    /// What is known. Held for a few memory accesses at a time.
    books: Mutex<Books>,
    /// The lock on the directory, if this process has it. Whoever gives a file its name or takes it away holds this
    /// meanwhile; only on threads that wait for the disk anyway.
    holding: Mutex<Option<File>>,
    /// How many wait for that.
    awaiting: AtomicUsize,
    /// Whether it has it: only a hint.
    pub(super) is_holding: AtomicBool,
    pub(super) health: Health,
    pub(super) orders: Orders,
    pub(super) metrics: DiskMetrics,
    /// Those who read, and those who write.
    pub(super) readers: Line,
    pub(super) writers: Line,
    /// How many bytes it may take.
    pub(super) limit: AtomicU64,
    /// How many files are open that somebody reads from.
    pub(super) open: AtomicUsize,
    /// How many objects are being written piece by piece.
    pub(super) streams: AtomicUsize,
    /// Whether nobody uses it any more.
    pub(super) is_over: AtomicBool,
    /// How many objects went to make room.
    pub(super) evictions: AtomicU64,
}

impl Tier {
    pub(super) fn new(place: Place, limit: u64, lines: (Line, Line), metrics: DiskMetrics) -> Self {
        Self {
            place,
            books: Mutex::default(),
            holding: Mutex::default(),
            awaiting: AtomicUsize::new(0),
            is_holding: AtomicBool::new(false),
            health: Health::default(),
            orders: Orders::default(),
            metrics,
            readers: lines.0,
            writers: lines.1,
            limit: AtomicU64::new(limit),
            open: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            evictions: AtomicU64::new(0),
        }
    }

    /// What is known.
    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock on the directory.
    pub(super) fn holding(&self) -> MutexGuard<'_, Option<File>> {
        match self.holding.try_lock() {
            Ok(holding) => holding,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.awaiting.fetch_add(1, Ordering::Relaxed);
                let holding = self.holding.lock();
                self.awaiting.fetch_sub(1, Ordering::Relaxed);
                holding.unwrap_or_else(PoisonError::into_inner)
            }
        }
    }

    /// Whether somebody waits for the lock on the directory. Who takes it again and again is to let them.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaiting.load(Ordering::Relaxed) > 0
    }

    /// Whether something may be written now.
    pub(super) fn takes(&self) -> bool {
        self.health.takes() && self.is_holding.load(Ordering::Relaxed)
    }

    /// How many bytes it may take.
    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Gives a file that is ready its name, if it still counts.
    pub(super) fn commit(
        &self,
        ticket: &Ticket,
        from: &Path,
        bytes: u64,
        trace: Trace,
    ) -> io::Result<DiskWrite> {
        let holding = self.holding();
        if holding.is_none() || !self.books().counts(ticket) {
            return Ok(DiskWrite::Left);
        }
        self.place.rename(from, ticket.key)?;
        let displaced = self.books().written(ticket.key, bytes, trace);
        if let Some(displaced) = displaced {
            self.unlink(displaced);
        }
        self.make_room(&holding, 0);
        Ok(DiskWrite::Stored)
    }

    /// Makes room for so many bytes more; if there can't be, why.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), DiskWrite> {
        let holding = self.holding();
        if holding.is_none() {
            return Err(DiskWrite::Left);
        }
        if !self.make_room(&holding, bytes) {
            return Err(DiskWrite::NoRoom);
        }
        self.books().reserved += bytes;
        Ok(())
    }

    /// What was reserved is not needed any more.
    pub(super) fn release(&self, bytes: u64) {
        self.books().reserved -= bytes;
    }

    /// Removes what goes first until so many bytes more may come; whether they may.
    pub(super) fn make_room(&self, holding: &MutexGuard<'_, Option<File>>, bytes: u64) -> bool {
        let limit = self.limit();
        loop {
            let evicted = {
                let mut books = self.books();
                if holding.is_none() || books.bytes().saturating_add(bytes) <= limit {
                    return holding.is_some();
                }
                books.evict()
            };
            let Some(evicted) = evicted else {
                return false;
            };
            self.evictions.fetch_add(1, Ordering::Relaxed);
            self.unlink(evicted);
        }
    }

    /// Removes the file of an object that is not in the books any more.
    fn unlink(&self, key: u128) {
        if let Err(error) = fs::remove_file(self.place.file(key)) {
            self.failed(DiskOperation::Remove, &error);
        }
    }

    /// Removes an object's file, unless another one was written under its key.
    pub(super) fn remove_file(&self, key: u128) {
        let _holding = self.holding();
        let is_another = self.books().index.contains(key);
        if !is_another {
            self.unlink(key);
        }
    }

    /// Removes a file that is not what it should be, or is not there.
    pub(super) fn remove_bad(&self, key: u128) {
        let _holding = self.holding();
        self.books().forget(key);
        self.unlink(key);
    }

    /// An object was looked for in vain.
    pub(super) fn missed(&self, key: u128) {
        let _holding = self.holding();
        // Another one may have come meanwhile.
        if fs::symlink_metadata(self.place.file(key))
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            self.books().forget(key);
        }
    }

    /// Something could not be done: draws the conclusions.
    pub(super) fn failed(&self, operation: DiskOperation, error: &io::Error) {
        if error.kind() == ErrorKind::NotFound {
            return;
        }
        self.metrics.failed(operation);
        let path = self.place.path().display();
        match Ill::of(error) {
            Ill::No => {}
            Ill::Full => {
                if self.health.fill(Instant::now()) {
                    log::warn!(
                        "the disk of the cache at {path} is full ({error}); nothing is written for a while"
                    );
                    self.give_back();
                }
            }
            Ill::Off => {
                let what = operation.as_str();
                if self
                    .health
                    .turn_off(Instant::now(), format!("can't {what}: {error}"))
                {
                    log::error!(
                        "the cache at {path} is off until it can be used again: can't {what}: {error}"
                    );
                }
            }
        }
    }

    /// Leaves some room to others on the same disk.
    fn give_back(&self) {
        let mut to_go = self.books().index.bytes() / GIVE_BACK;
        loop {
            let evicted = {
                let mut books = self.books();
                let before = books.index.bytes();
                let evicted = books.evict();
                to_go = to_go.saturating_sub(before - books.index.bytes());
                evicted
            };
            let Some(evicted) = evicted else {
                return;
            };
            self.evictions.fetch_add(1, Ordering::Relaxed);
            // Not by `unlink`: an error here would lead here again.
            let _ = fs::remove_file(self.place.file(evicted));
            if to_go == 0 {
                return;
            }
        }
    }
}

/// What a file takes on disk.
pub(super) fn taken(file: &File) -> io::Result<u64> {
    let about = file.metadata()?;
    // Some filesystems count blocks only when they have written them.
    Ok((about.blocks() * 512).max(about.len()))
}
