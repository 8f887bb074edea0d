//! Which keys of one small part of the table have a debt?
//!
//! A block is eight groups of four cells behind one lock. A key has a home, one group that lies in one line of the cache:
//! as long as its home has room, a question reads that line, and nothing else of the table. Only when a home is full are
//! its keys put elsewhere in their block, and looked for there.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::limit::{Limit, Taken};

/// Groups of a block. With half of all cells in use, one in ten thousand blocks has more keys than cells.
pub(super) const GROUPS: usize = 8;
/// Cells of a group: as many as a line of the cache has room for.
const CELLS: usize = 4;
/// Cells of a block.
pub(super) const CELLS_OF_BLOCK: usize = GROUPS * CELLS;

/// Four cells. They are written only under the lock of their block; they are atomic so that their line can be fetched
/// before.
#[repr(align(64))]
#[derive(Default)]
pub(super) struct Group {
    /// Whose debt it is.
    keys: [AtomicU64; CELLS],
    /// When the debt is paid off, in nanoseconds since the table was made; a cell whose time is past is free.
    times: [AtomicU64; CELLS],
}

/// What stands behind the lock of a block beside its cells.
#[derive(Default)]
pub(super) struct Header {
    /// The latest time anyone came at: threads read the clock before they have the lock, and time must not go back.
    latest: u64,
    /// What one request took off when the times were written, in nanoseconds; an hour at most, so that 48 bits are enough.
    interval_low: u32,
    interval_high: u16,
    /// A bit for each group: whether keys whose home it is may be in others.
    spilled: u8,
}

/// The group of a block that a key is in as long as it has room.
pub(super) const fn home(key: u64) -> usize {
    key as usize % GROUPS
}

impl Group {
    /// The cell of a key, which may be free by now.
    pub(super) fn find(&self, key: u64) -> Option<usize> {
        let mut keys = self.keys.iter();
        keys.position(|other| other.load(Relaxed) == key)
    }

    fn free(&self, now: u64) -> Option<usize> {
        let mut times = self.times.iter();
        times.position(|time| time.load(Relaxed) <= now)
    }

    fn debt(&self, cell: usize, now: u64) -> u64 {
        self.times[cell].load(Relaxed).saturating_sub(now)
    }

    /// Asks for the key in this cell.
    fn ask(&self, cell: usize, now: u64, answer: impl Fn(u64) -> Taken) -> Taken {
        let taken = answer(self.debt(cell, now));
        self.times[cell].store(now + taken.debt(), Relaxed);
        taken
    }

    /// Puts a key that has no debt in this cell: its request is never refused.
    fn begin(&self, cell: usize, key: u64, now: u64, answer: impl Fn(u64) -> Taken) -> Taken {
        let taken = answer(0);
        self.keys[cell].store(key, Relaxed);
        self.times[cell].store(now + taken.debt(), Relaxed);
        taken
    }
}

impl Header {
    /// Lets a request of `key` through, or not. The groups are those of its block.
    pub(super) fn take(&mut self, groups: &[Group], key: u64, now: u64, limit: &Limit) -> Taken {
        let now = self.at(groups, now, limit);
        self.ask(groups, key, now, |debt| limit.ask(debt))
    }

    /// What a request of `key` is told if it is refused; nothing is taken.
    pub(super) fn refused(
        &mut self,
        groups: &[Group],
        key: u64,
        now: u64,
        limit: &Limit,
    ) -> Option<Taken> {
        let now = self.at(groups, now, limit);
        let at_home = groups[home(key)].find(key);
        let debt = match at_home {
            Some(cell) => groups[home(key)].debt(cell, now),
            None if self.spilled & (1 << home(key)) == 0 => 0,
            None => {
                let found = groups
                    .iter()
                    .filter_map(|group| Some(group.debt(group.find(key)?, now)));
                found.max().unwrap_or(0)
            }
        };
        let told = limit.ask(debt);
        (!told.allowed).then_some(told)
    }

    /// Takes note of what a request of `key` was told elsewhere at the time `then`, or a little later: it has that debt,
    /// unless it has a deeper one. Returns whether another key was forgotten for it.
    pub(super) fn note(
        &mut self,
        groups: &[Group],
        key: u64,
        then: u64,
        told: &Taken,
        limit: &Limit,
    ) -> bool {
        let now = self.at(groups, then, limit);
        let debt = (then + told.debt()).saturating_sub(now);
        // What is paid off already takes nobody's place.
        debt > 0 && {
            let deeper = |own: u64| limit.told(told.allowed, own.max(debt));
            self.ask(groups, key, now, deeper).forgot
        }
    }

    /// What time it is, once all debts are at the limit's rate.
    fn at(&mut self, groups: &[Group], now: u64, limit: &Limit) -> u64 {
        let now = now.max(self.latest);
        self.latest = now;
        if self.interval() != limit.interval() {
            self.rescale(groups, now, limit);
        }
        now
    }

    /// Gives a key the debt that `answer` makes of the one it has.
    fn ask(
        &mut self,
        groups: &[Group],
        key: u64,
        now: u64,
        answer: impl Fn(u64) -> Taken,
    ) -> Taken {
        let group = &groups[home(key)];
        if let Some(cell) = group.find(key) {
            return group.ask(cell, now, answer);
        }
        match group.free(now) {
            Some(cell) if self.spilled & (1 << home(key)) == 0 => {
                group.begin(cell, key, now, answer)
            }
            _ => self.ask_elsewhere(groups, key, now, answer),
        }
    }

    /// For a key that is not at home: looks at the whole block. If no cell is free, the key with the least debt is
    /// forgotten: it gets back no more than the little it had used, and one over its limit stays over it.
    #[cold]
    fn ask_elsewhere(
        &mut self,
        groups: &[Group],
        key: u64,
        now: u64,
        answer: impl Fn(u64) -> Taken,
    ) -> Taken {
        let mut least = (u64::MAX, 0, 0);
        let mut spilled = 0;
        for (at, group) in groups.iter().enumerate() {
            for cell in 0..CELLS {
                let time = group.times[cell].load(Relaxed);
                least = least.min((time, at, cell));
                if time <= now {
                    continue;
                }
                let other = group.keys[cell].load(Relaxed);
                if other == key {
                    return group.ask(cell, now, answer);
                }
                if home(other) != at {
                    spilled |= 1 << home(other);
                }
            }
        }
        let (time, at, cell) = least;
        if home(key) != at {
            spilled |= 1 << home(key);
        }
        self.spilled = spilled;
        let mut taken = groups[at].begin(cell, key, now, answer);
        taken.forgot = time > now;
        taken
    }

    /// Turns every debt into the same number of requests at another rate; a reload has changed it. What time has paid off
    /// until then, it has at the rate before.
    #[cold]
    fn rescale(&mut self, groups: &[Group], now: u64, limit: &Limit) {
        let (before, after) = (u128::from(self.interval()), u128::from(limit.interval()));
        for time in groups.iter().flat_map(|group| &group.times) {
            let debt = u128::from(time.load(Relaxed).saturating_sub(now));
            if debt > 0 {
                let debt = u64::try_from((debt * after).div_ceil(before)).unwrap_or(u64::MAX);
                time.store(now + debt.min(limit.full()), Relaxed);
            }
        }
        self.interval_low = limit.interval() as u32;
        self.interval_high = (limit.interval() >> 32) as u16;
    }

    /// 0 as long as there is no time.
    fn interval(&self) -> u64 {
        u64::from(self.interval_high) << 32 | u64::from(self.interval_low)
    }
}
