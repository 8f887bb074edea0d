//! Which objects are on disk, and which of them goes first?
//!
//! Entries are kept in the order in which they came. A look-up only marks its entry as used; a hand that goes from the
//! oldest to the newest looks for room: it takes the mark from one that was used, and takes out one that was not (SIEVE,
//! Zhang et al., NSDI 2024). What nobody asks for again leaves soon, and a look-up moves nothing.

use rustc_hash::FxHashMap;

use super::trace::Trace;
use crate::cache::purge::Marks;

/// No entry.
const NONE: u32 = u32::MAX;

/// What an entry's size is counted in: what `st_blocks` counts in.
const UNIT: u64 = 512;

/// How many entries are allocated at once: one allocation that doubles would be half empty at times, and copied.
const PART: usize = 4096;

/// How many maps there are: when one grows, all that is in it is moved, while nobody can look anything up.
const MAPS: usize = 64;

/// How many that were used are passed over before one of them goes nevertheless: nobody can look anything up meanwhile.
const PASSED_OVER: usize = 1024;

struct Entry {
    /// Both halves, because a `u128` wants more room than it needs.
    key: [u64; 2],
    trace: Trace,
    units: u32,
    newer: u32,
    older: u32,
    is_used: bool,
    is_known: bool,
}

/// Everything on disk. An entry takes 56 bytes and its place in the map 26 on average, beside its tags.
pub(super) struct Index {
    /// By the lower half of their keys: of two with the same the newer one stays.
    places: Vec<FxHashMap<u64, u32>>,
    len: usize,
    parts: Vec<Vec<Entry>>,
    /// The first of those that are free; they are linked by `older`.
    free: u32,
    newest: u32,
    oldest: u32,
    hand: u32,
    units: u64,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            places: vec![FxHashMap::default(); MAPS],
            len: 0,
            parts: Vec::new(),
            free: NONE,
            newest: NONE,
            oldest: NONE,
            hand: NONE,
            units: 0,
        }
    }
}

/// Where a new entry stands among the others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// It is the newest.
    Newest,
    /// It is the oldest: it was there before this process was.
    Oldest,
}

impl Index {
    /// How many objects there are.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// How many bytes they take on disk.
    pub(super) const fn bytes(&self) -> u64 {
        self.units * UNIT
    }

    /// Whether there is one.
    pub(super) fn contains(&self, key: u128) -> bool {
        self.place(key).is_some()
    }

    /// Marks one as used; whether it is there.
    pub(super) fn touch(&mut self, key: u128) -> bool {
        let Some(place) = self.place(key) else {
            return false;
        };
        self.at(place).is_used = true;
        true
    }

    /// Another object, or another file for one that is there. What had to leave for it because nobody could tell the two
    /// apart is told: its file is to be removed.
    pub(super) fn insert(
        &mut self,
        key: u128,
        bytes: u64,
        trace: Option<Trace>,
        age: Age,
    ) -> Option<u128> {
        let before = self.map(low(key)).get(&low(key)).copied();
        let mut displaced = None;
        let mut was_used = false;
        if let Some(place) = before {
            was_used = self.at(place).is_used;
            let other = self.take(place);
            displaced = (other != key).then_some(other);
        }
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let entry = Entry {
            key: [low(key), high(key)],
            is_known: trace.is_some(),
            trace: trace.unwrap_or_default(),
            units,
            newer: NONE,
            older: NONE,
            is_used: was_used && displaced.is_none(),
        };
        let Some(place) = self.room(entry) else {
            // Four thousand million objects.
            return Some(key);
        };
        match age {
            Age::Newest => {
                self.at(place).older = self.newest;
                match self.newest {
                    NONE => self.oldest = place,
                    newest => self.at(newest).newer = place,
                }
                self.newest = place;
            }
            Age::Oldest => {
                self.at(place).newer = self.oldest;
                match self.oldest {
                    NONE => self.newest = place,
                    oldest => self.at(oldest).older = place,
                }
                self.oldest = place;
            }
        }
        self.units += u64::from(units);
        self.map_mut(low(key)).insert(low(key), place);
        self.len += 1;
        displaced
    }

    /// Takes one out; whether it was there.
    pub(super) fn remove(&mut self, key: u128) -> bool {
        let place = self.place(key);
        if let Some(place) = place {
            self.take(place);
        }
        place.is_some()
    }

    /// Takes out the one that goes first.
    pub(super) fn evict(&mut self) -> Option<u128> {
        let mut passed = 0;
        loop {
            let place = if self.hand == NONE {
                self.oldest
            } else {
                self.hand
            };
            if place == NONE {
                return None;
            }
            let entry = self.at(place);
            passed += 1;
            if !entry.is_used || passed > PASSED_OVER {
                // Moves the hand on as well.
                self.hand = place;
                return Some(self.take(place));
            }
            entry.is_used = false;
            self.hand = entry.newer;
        }
    }

    /// What is known of an object is that from now on; nothing, if it has to be read from its file.
    pub(super) fn learn(&mut self, key: u128, trace: Option<Trace>) {
        if let Some(place) = self.place(key) {
            let entry = self.at(place);
            entry.is_known = trace.is_some();
            entry.trace = trace.unwrap_or_default();
        }
    }

    /// What is known of an object is that, if nothing was known.
    pub(super) fn learn_if_unknown(&mut self, key: u128, marks: &Marks) {
        if let Some(place) = self.place(key)
            && !self.at(place).is_known
        {
            let entry = self.at(place);
            entry.trace = Trace::of(marks);
            entry.is_known = true;
        }
    }

    /// Goes on with the entries of this many places from `place` on: `each` is given their keys, and what is known of
    /// them. Where to go on next; nothing when there is no more. Those that come or go meanwhile may be left out.
    pub(super) fn walk(
        &self,
        place: usize,
        most: usize,
        mut each: impl FnMut(u128, Option<&Trace>),
    ) -> Option<usize> {
        let end = place + most;
        for place in place..end {
            let entry = self.parts.get(place / PART)?.get(place % PART)?;
            if self.map(entry.key[0]).get(&entry.key[0]).copied() == u32::try_from(place).ok() {
                each(entry.key(), entry.is_known.then_some(&entry.trace));
            }
        }
        Some(end)
    }

    /// The map with this half of a key.
    fn map(&self, low: u64) -> &FxHashMap<u64, u32> {
        &self.places[(low >> 58) as usize % MAPS]
    }

    fn map_mut(&mut self, low: u64) -> &mut FxHashMap<u64, u32> {
        &mut self.places[(low >> 58) as usize % MAPS]
    }

    fn place(&self, key: u128) -> Option<u32> {
        let place = *self.map(low(key)).get(&low(key))?;
        let entry = &self.parts[place as usize / PART][place as usize % PART];
        (entry.key() == key).then_some(place)
    }

    fn at(&mut self, place: u32) -> &mut Entry {
        &mut self.parts[place as usize / PART][place as usize % PART]
    }

    /// Puts an entry where there is room.
    fn room(&mut self, entry: Entry) -> Option<u32> {
        if self.free != NONE {
            let place = self.free;
            self.free = std::mem::replace(self.at(place), entry).older;
            return Some(place);
        }
        if self.parts.last().is_none_or(|part| part.len() == PART) {
            self.parts.push(Vec::with_capacity(PART));
        }
        let before = (self.parts.len() - 1) * PART;
        let part = self.parts.last_mut()?;
        let place = u32::try_from(before + part.len()).ok()?;
        if place == NONE {
            return None;
        }
        part.push(entry);
        Some(place)
    }

    fn take(&mut self, place: u32) -> u128 {
        let entry = self.at(place);
        let (key, newer, older, units) = (entry.key(), entry.newer, entry.older, entry.units);
        entry.trace = Trace::default();
        if self.hand == place {
            self.hand = newer;
        }
        match newer {
            NONE => self.newest = older,
            newer => self.at(newer).older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.at(older).newer = newer,
        }
        self.units -= u64::from(units);
        self.map_mut(low(key)).remove(&low(key));
        self.len -= 1;
        self.at(place).older = self.free;
        self.free = place;
        key
    }
}

impl Entry {
    fn key(&self) -> u128 {
        u128::from(self.key[1]) << 64 | u128::from(self.key[0])
    }
}

const fn low(key: u128) -> u64 {
    key as u64
}

const fn high(key: u128) -> u64 {
    (key >> 64) as u64
}

#[cfg(test)]
mod tests;
