//! What happens to a directory beside reading and writing objects? One thread looks after it.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::place::DIRECTORIES;
use super::tier::Tier;
use super::trace::Trace;
use crate::cache::purge::Marks;
use crate::telemetry::metrics::DiskOperation;

/// How often the lock is tried while another process has it.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// How often else the thread looks whether there is something to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long after it was let go this process does not try to have the lock again: another one is to take it.
const REST: Duration = Duration::from_secs(10);

/// How long the thread lets others go first who wait to give a file its name, or to save what was purged.
const LET_OTHERS: Duration = Duration::from_millis(1);

/// How many entries are looked at while nobody else can.
const AT_ONCE: usize = 256;

/// Tells whether an object is gone without its file; `None` if that does not tell.
type Glance = Box<dyn Fn(&Trace) -> Option<bool> + Send>;

/// Which objects are to go.
pub(super) struct Sweep {
    pub(super) at_a_glance: Glance,
    /// Whether one is gone, by all that stands in its file.
    pub(super) is_gone: Box<dyn Fn(&Marks) -> bool + Send>,
    /// Is told how many are gone.
    pub(super) found: oneshot::Sender<u64>,
    /// Is told when their files are.
    pub(super) removed: oneshot::Sender<()>,
}

/// Files that are to be removed, of objects that are not in the books any more.
struct Removal {
    keys: std::vec::IntoIter<u128>,
    removed: oneshot::Sender<()>,
}

/// What the thread is to do.
#[derive(Default)]
pub(super) struct Orders {
    sweeps: Mutex<Vec<Sweep>>,
    rests_until: Mutex<Option<Instant>>,
}

impl Orders {
    pub(super) fn sweep(&self, sweep: Sweep) {
        let mut sweeps = self.sweeps.lock().unwrap_or_else(PoisonError::into_inner);
        sweeps.push(sweep);
    }

    /// Whoever waits for one is told that it does not come.
    fn drop_sweeps(&self) {
        let mut sweeps = self.sweeps.lock().unwrap_or_else(PoisonError::into_inner);
        sweeps.clear();
    }

    fn next_sweep(&self) -> Option<Sweep> {
        let mut sweeps = self.sweeps.lock().unwrap_or_else(PoisonError::into_inner);
        (!sweeps.is_empty()).then(|| sweeps.remove(0))
    }

    #[cfg(test)]
    pub(super) fn end_rest(&self) {
        let until = self.rests_until.lock();
        *until.unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn rests(&self, now: Instant) -> bool {
        let until = self.rests_until.lock();
        until
            .unwrap_or_else(PoisonError::into_inner)
            .is_some_and(|until| now < until)
    }
}

/// Starts the thread. It ends some time after nobody uses the tier any more.
pub(super) fn keep(tier: &Arc<Tier>) -> io::Result<thread::Thread> {
    let weak = Arc::downgrade(tier);
    let thread = thread::Builder::new()
        .name("cache-disk".into())
        .spawn(move || rounds(&weak))?;
    Ok(thread.thread().clone())
}

fn rounds(tier: &Weak<Tier>) {
    let mut removals = VecDeque::new();
    while let Some(tier) = tier.upgrade() {
        if tier.is_over.load(Ordering::Relaxed) {
            tier.let_go();
            return;
        }
        tier.look_after(&mut removals);
        let wait = if tier.is_holding.load(Ordering::Relaxed) {
            LOOK_EVERY
        } else {
            TRY_EVERY
        };
        drop(tier);
        thread::park_timeout(wait);
    }
}

impl Tier {
    /// Lets another process have the directory. Objects that are being written don't get there any more.
    pub(super) fn hand_over(&self) {
        let rests_until = self.orders.rests_until.lock();
        *rests_until.unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
        self.let_go();
    }

    fn let_go(&self) {
        self.is_holding.store(false, Ordering::Relaxed);
        let mut holding = self.holding();
        self.books().rely_on_nothing();
        *holding = None;
        self.orders.drop_sweeps();
    }

    /// Whatever there is to do now.
    fn look_after(&self, removals: &mut VecDeque<Removal>) {
        let now = Instant::now();
        if self.health.wants_probe(now) {
            match self.place.probe() {
                Ok(()) => {
                    self.health.turn_on();
                    log::info!(
                        "the cache at {} can be used again",
                        self.place.path().display()
                    );
                }
                Err(error) => {
                    self.health.turn_off(now, error.to_string());
                }
            }
        }
        if !self.health.is_on() {
            return;
        }
        if !self.is_holding.load(Ordering::Relaxed) {
            removals.clear();
            if !self.orders.rests(now) {
                self.try_to_hold();
            }
        }
        if self.is_holding.load(Ordering::Relaxed) && !self.books().is_complete() {
            self.load();
        }
        loop {
            // Somebody waits for a sweep; for files, which nobody finds any more, nobody does.
            while self.books().is_complete()
                && let Some(sweep) = self.orders.next_sweep()
            {
                removals.extend(self.sweep(sweep));
            }
            if self.has_other_orders() {
                // Who has the directory now knows what was purged, and nobody was told that it was forgotten.
                removals.clear();
            }
            if !self.remove_one(removals) {
                return;
            }
        }
    }

    /// Removes the next file; whether there was one. In the order of the sweeps: when the files of one are removed, those of
    /// the ones before it are.
    fn remove_one(&self, removals: &mut VecDeque<Removal>) -> bool {
        let Some(removal) = removals.front_mut() else {
            return false;
        };
        match removal.keys.next() {
            Some(key) => {
                self.remove_file(key);
                if self.is_awaited() {
                    // Or they would hardly ever be in time to have it before the next file.
                    thread::sleep(LET_OTHERS);
                }
            }
            None => {
                if let Some(removal) = removals.pop_front() {
                    // Nobody may wait any more.
                    let _ = removal.removed.send(());
                }
            }
        }
        true
    }

    pub(super) fn try_to_hold(&self) {
        match self.place.lock() {
            Ok(Some(lock)) => {
                if let Err(error) = self.place.clean() {
                    self.failed(DiskOperation::Read, &error);
                }
                let mut holding = self.holding();
                self.books().begin();
                *holding = Some(lock);
                self.is_holding.store(true, Ordering::Relaxed);
            }
            Ok(None) => {}
            Err(error) => self.failed(DiskOperation::Open, &error),
        }
    }

    /// Reads which files there are: the newest of them becomes the newest in the index.
    fn load(&self) {
        let mut found = Vec::new();
        for number in 0..DIRECTORIES {
            if self.has_other_orders() {
                return;
            }
            let before = found.len();
            match self.list(number, &mut found) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    self.failed(DiskOperation::Read, &error);
                    return;
                }
                _ => {}
            }
            let bytes: u64 = found[before..].iter().map(Listed::bytes).sum();
            self.books().found += bytes;
        }
        found.sort_unstable_by_key(|listed| std::cmp::Reverse(listed.modified));
        for some in found.chunks(AT_ONCE) {
            let mut books = self.books();
            for listed in some {
                books.learn_of(listed.key(), listed.bytes());
            }
        }
        drop(found);
        let holding = self.holding();
        if holding.is_some() {
            self.books().complete();
            self.make_room(&holding, 0);
        }
    }

    fn has_other_orders(&self) -> bool {
        self.is_over.load(Ordering::Relaxed) || !self.is_holding.load(Ordering::Relaxed)
    }

    fn list(&self, number: u32, found: &mut Vec<Listed>) -> io::Result<()> {
        for entry in fs::read_dir(self.place.directory(number))? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(key) = name
                .to_str()
                .filter(|name| name.len() == 32)
                .and_then(|name| u128::from_str_radix(name, 16).ok())
            else {
                continue;
            };
            match entry.metadata() {
                Ok(about) => found.push(Listed {
                    key: [(key >> 64) as u64, key as u64],
                    units: u32::try_from(about.blocks().max(about.len().div_ceil(512)))
                        .unwrap_or(u32::MAX),
                    modified: u32::try_from(about.mtime()).unwrap_or(0),
                }),
                // It went meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes the books forget what is gone; the files are still to be removed.
    fn sweep(&self, sweep: Sweep) -> Option<Removal> {
        // Those that are being written first: they may be in the index when that was looked at.
        let coming = self.books().coming();
        for (key, number, marks) in coming {
            if (sweep.is_gone)(&marks) {
                self.books().cancel(key, number);
            }
        }
        let mut all = Vec::new();
        let mut place = Some(0);
        while let Some(from) = place {
            let (mut gone, mut unsure) = (Vec::new(), Vec::new());
            place = self.books().index.walk(from, AT_ONCE, |key, trace| {
                match trace.and_then(|trace| (sweep.at_a_glance)(trace)) {
                    Some(true) => gone.push(key),
                    Some(false) => {}
                    None => unsure.push(key),
                }
            });
            for key in unsure {
                if self.has_other_orders() {
                    return None;
                }
                if let Some(marks) = self.marks(key) {
                    if (sweep.is_gone)(&marks) {
                        gone.push(key);
                    } else {
                        self.books().index.learn_if_unknown(key, &marks);
                    }
                }
            }
            let mut books = self.books();
            for key in &gone {
                books.forget(*key);
            }
            drop(books);
            all.extend(gone);
        }
        // Nobody may wait any more.
        let _ = sweep.found.send(all.len() as u64);
        Some(Removal {
            keys: all.into_iter(),
            removed: sweep.removed,
        })
    }
}

/// A file that was found.
struct Listed {
    key: [u64; 2],
    units: u32,
    modified: u32,
}

impl Listed {
    fn key(&self) -> u128 {
        u128::from(self.key[0]) << 64 | u128::from(self.key[1])
    }

    fn bytes(&self) -> u64 {
        u64::from(self.units) * 512
    }
}
