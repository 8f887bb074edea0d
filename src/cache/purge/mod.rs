//! What was purged, and when?

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use xxhash_rust::xxh3::xxh3_64;

pub use begun::Begun;
pub use tags::{tag, tags};

mod ban;
mod begun;
mod file;
mod table;
mod tags;

use begun::UnderWay;
use table::Table;

/// A place in the order of purges and fetches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// What a purge finds an object by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// When its fetch began: a purge after that is one of it.
    pub since: Seq,
    /// Host, path and query, as far as its key goes by them.
    pub url: Box<str>,
    /// The hashes of its tags: see [`tags`].
    pub tags: Box<[u64]>,
}

/// What is purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Everything.
    All,
    /// What has this URL, as [`Marks::url`] has it.
    Url(String),
    /// What has a URL that begins so, at any byte: `a.example/new` is also about `a.example/news`, and
    /// `a.example/new/` is not. One `*` at the end says no more than its absence.
    Prefix(String),
    /// What has this tag, in upper or lower case.
    Tag(String),
}

/// How it is purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is gone.
    Hard,
    /// It is stale from then on.
    Soft,
}

/// What a purge has done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purged {
    /// Nothing.
    No,
    /// It is stale since then.
    Softly(SystemTime),
    /// It must not be used.
    Gone,
}

/// What was purged, as far as objects that it concerns may still be there.
///
/// An object that is fetched after a purge has nothing to do with it: both are numbered in one order, by a [`Seq`] that
/// each purge counts up. It begins with the time, so that it goes on where a former process of the same disk ended even
/// if that could not [save](Self::save) it.
#[derive(Debug)]
pub struct Purges {
    /// The [`Seq`] of the latest purge there was.
    now: AtomicU64,
    /// That of the latest that is still remembered. What is not older has not been purged.
    latest: AtomicU64,
    table: RwLock<Table>,
    under_way: UnderWay,
}

impl Purges {
    /// Nothing was purged so far.
    pub fn new(now: SystemTime) -> Self {
        Self::with(micros(now), Table::default())
    }

    /// Everything that was stored up to now was purged: where what had been purged is not known any more.
    pub fn everything(now: SystemTime) -> Self {
        let purges = Self::new(now);
        purges.add(&What::All, Mode::Hard, now);
        purges
    }

    fn with(now: u64, table: Table) -> Self {
        Self {
            now: AtomicU64::new(now),
            latest: AtomicU64::new(table.latest()),
            table: RwLock::new(table),
            under_way: UnderWay::default(),
        }
    }

    /// Something that may store what is not of today any more begins: a fetch, or a look at what is on disk. Until this is
    /// dropped no purge is forgotten that came after it. Its number goes into [`Marks::since`].
    pub fn begin(&self) -> Begun {
        self.under_way.begin(|| self.now())
    }

    /// The place of the latest purge.
    pub fn now(&self) -> Seq {
        Seq(self.now.load(Ordering::Acquire))
    }

    /// Purges what is stored or being fetched now. Once this returns, [`Self::of`] says so.
    pub fn add(&self, what: &What, mode: Mode, now: SystemTime) -> Seq {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let seq = self.now().0.saturating_add(1).max(micros(now));
        table.add(what, mode, Seq(seq), now);
        // A fetch that begins between the two is taken for an older one, which is the safe side.
        self.latest.store(seq, Ordering::Release);
        self.now.store(seq, Ordering::Release);
        Seq(seq)
    }

    /// Whether an object with these marks has been purged.
    ///
    /// One that was stored in an order that is not known, by a process whose purges are lost, is gone.
    pub fn of(&self, marks: &Marks) -> Purged {
        let since = marks.since.0;
        if self.latest.load(Ordering::Relaxed) <= since {
            let known = since <= self.now.load(Ordering::Acquire);
            return if known { Purged::No } else { Purged::Gone };
        }
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.of(marks)
    }

    /// Whether an object of this time, with a URL and tags of these hashes, is gone; `None` if only the URL can tell.
    pub fn at_a_glance(&self, since: Seq, url: u64, tags: &[u64]) -> Option<bool> {
        if self.latest.load(Ordering::Acquire) <= since.0 {
            return Some(since > self.now());
        }
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.at_a_glance(since, url, tags)
    }

    /// Takes over what a former process has [saved](Self::save), or another directory had.
    pub fn absorb(&self, saved: &[u8], now: SystemTime) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let other = match table.len() {
            0 => Self::load(saved, now),
            // What was purged here in the meantime says nothing of what is stored there.
            _ => Self::everything(now),
        };
        let seq = other.now().max(self.now());
        let theirs = other.table.into_inner();
        *table = theirs.unwrap_or_else(PoisonError::into_inner);
        self.latest.store(table.latest(), Ordering::Release);
        self.now.store(seq.0, Ordering::Release);
    }

    /// The latest purge that concerns nothing that is [under way](Self::begin): up to here all can be
    /// [forgotten](Self::forget) that was looked for from now on.
    pub fn settled(&self) -> Seq {
        let now = self.now();
        let oldest = self.under_way.oldest();
        oldest.map_or(now, |oldest| oldest.min(now))
    }

    /// Forgets the hard purges up to this one: nothing that they concern is stored any more. Those that concern what is
    /// [under way](Self::begin) stay.
    pub fn forget(&self, up_to: Seq) {
        let up_to = self
            .under_way
            .oldest()
            .map_or(up_to, |oldest| oldest.min(up_to));
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.forget_hard(up_to);
        self.latest.store(table.latest(), Ordering::Release);
    }

    /// How many purges are remembered.
    pub fn len(&self) -> usize {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What [`Self::load`] reads: to be written after each purge of a cache with a disk.
    pub fn save(&self) -> Vec<u8> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        file::write(self.now(), &table)
    }

    /// Those of a file that [`Self::save`] made. From one that is torn or no such file: [`Self::everything`].
    pub fn load(bytes: &[u8], now: SystemTime) -> Self {
        match file::read(bytes) {
            Some((seq, table)) => Self::with(seq.0.max(micros(now)), table),
            None => Self::everything(now),
        }
    }
}

/// The hash by which what was purged by its URL is known, given [`Marks::url`].
pub fn url_hash(url: &str) -> u64 {
    xxh3_64(url.as_bytes())
}

fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests;
