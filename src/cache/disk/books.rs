//! What does the process know of the directory, and which of the writes under way still counts?

use rustc_hash::{FxHashMap, FxHashSet};

use super::index::{Age, Index};
use super::trace::Trace;
use crate::cache::purge::Marks;

/// The index, and how far it can be relied on.
#[derive(Default)]
pub(super) struct Books {
    pub(super) index: Index,
    /// Whether what is not in the index is not on disk. Until then, what came or went since the directory began to be
    /// read: that says more than what is read there.
    met: Option<FxHashSet<u128>>,
    is_complete: bool,
    /// Bytes of files that were found in the directory and are not in the index yet.
    pub(super) found: u64,
    /// Bytes of files that are being written.
    pub(super) reserved: u64,
    /// The writes under way, by key.
    writes: FxHashMap<u128, Writes>,
    last: u64,
}

/// The writes under way of one key.
struct Writes {
    /// The number of the only one that counts; 0 if none does.
    counts: u64,
    /// What a purge finds its object by.
    marks: Marks,
    how_many: u32,
}

/// The right to put an object under its key, as long as no newer one is given and the key is not removed.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) key: u128,
    number: u64,
}

impl Books {
    /// Whether there might be something under this key.
    pub(super) fn might_have(&self, key: u128) -> bool {
        if self.is_complete || self.index.contains(key) {
            return self.index.contains(key);
        }
        self.met.as_ref().is_none_or(|met| !met.contains(&key))
    }

    /// As [`Books::might_have`], and what is there is marked as used.
    pub(super) fn touch(&mut self, key: u128) -> bool {
        self.index.touch(key) || self.might_have(key)
    }

    /// Bytes that are taken, or are going to be.
    pub(super) fn bytes(&self) -> u64 {
        self.index.bytes() + self.found + self.reserved
    }

    /// The directory begins to be read, by the one that writes to it: nothing is known.
    pub(super) fn begin(&mut self) {
        self.index = Index::default();
        self.found = 0;
        self.is_complete = false;
        self.met = Some(FxHashSet::default());
    }

    /// It was read whole.
    pub(super) fn complete(&mut self) {
        self.found = 0;
        self.met = None;
        self.is_complete = true;
    }

    /// Another process writes from now on.
    pub(super) fn rely_on_nothing(&mut self) {
        self.met = None;
        self.is_complete = false;
    }

    /// Whether what is not in the index is not on disk.
    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// A file that was found, with what it takes.
    pub(super) fn learn_of(&mut self, key: u128, bytes: u64) {
        self.found = self.found.saturating_sub(bytes);
        if self.might_have(key) && !self.index.contains(key) {
            // What it would displace is as good as never there, and so rare that its file may stay for the next start.
            self.index.insert(key, bytes, None, Age::Oldest);
        }
    }

    /// An object is to be written.
    pub(super) fn ticket(&mut self, key: u128, marks: &Marks) -> Ticket {
        self.last += 1;
        let before = self.writes.get(&key).map_or(0, |writes| writes.how_many);
        let writes = Writes {
            counts: self.last,
            marks: marks.clone(),
            how_many: before + 1,
        };
        self.writes.insert(key, writes);
        Ticket {
            key,
            number: self.last,
        }
    }

    /// Whether it still counts.
    pub(super) fn counts(&self, ticket: &Ticket) -> bool {
        self.writes
            .get(&ticket.key)
            .is_some_and(|writes| writes.counts == ticket.number)
    }

    /// It was written, or is not going to be.
    pub(super) fn give_back(&mut self, ticket: &Ticket) {
        if let Some(writes) = self.writes.get_mut(&ticket.key) {
            writes.how_many -= 1;
            if writes.how_many == 0 {
                self.writes.remove(&ticket.key);
            }
        }
    }

    /// The writes under way that count: their keys and numbers, and what a purge finds their objects by.
    pub(super) fn coming(&self) -> Vec<(u128, u64, Marks)> {
        let writes = self.writes.iter();
        writes
            .map(|(key, writes)| (*key, writes.counts, writes.marks.clone()))
            .collect()
    }

    /// A write does not count any more; a later one of its key does.
    pub(super) fn cancel(&mut self, key: u128, number: u64) {
        if let Some(writes) = self.writes.get_mut(&key)
            && writes.counts == number
        {
            writes.counts = 0;
        }
    }

    /// It is on disk. What had to leave the index for it is told.
    pub(super) fn written(&mut self, key: u128, bytes: u64, trace: Trace) -> Option<u128> {
        self.meet(key);
        self.index.insert(key, bytes, Some(trace), Age::Newest)
    }

    /// What is under this key does not count any more, nor do writes that are under way. Whether there may be a file.
    pub(super) fn remove(&mut self, key: u128) -> bool {
        let might_have = self.might_have(key);
        if let Some(writes) = self.writes.get_mut(&key) {
            writes.counts = 0;
        }
        self.forget(key);
        might_have
    }

    /// Takes out what goes first.
    pub(super) fn evict(&mut self) -> Option<u128> {
        let evicted = self.index.evict()?;
        self.meet(evicted);
        Some(evicted)
    }

    /// The file is gone.
    pub(super) fn forget(&mut self, key: u128) {
        self.index.remove(key);
        self.meet(key);
    }

    fn meet(&mut self, key: u128) {
        if let Some(met) = &mut self.met {
            met.insert(key);
        }
    }

    #[cfg(test)]
    pub(super) fn has_no_writes(&self) -> bool {
        self.writes.is_empty()
    }
}
