//! When was one thing purged, and how?

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Mode, Purged, Seq, micros};

/// How many soft purges of one thing are told apart.
pub(super) const SOFT: usize = 4;

/// The purges of one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ban {
    /// The latest hard one, 0 without any.
    hard: u64,
    /// The soft ones and when they were, in microseconds since 1970; in order.
    soft: Vec<(u64, u64)>,
}

impl Ban {
    pub(super) fn new(mode: Mode, seq: Seq, now: SystemTime) -> Self {
        match mode {
            Mode::Hard => Self::of_parts(seq.0, Vec::new()),
            Mode::Soft => Self::of_parts(0, vec![(seq.0, micros(now))]),
        }
    }

    pub(super) fn of_parts(hard: u64, soft: Vec<(u64, u64)>) -> Self {
        let mut ban = Self { hard, soft };
        ban.tidy();
        ban
    }

    pub(super) fn hard(&self) -> u64 {
        self.hard
    }

    pub(super) fn soft(&self) -> &[(u64, u64)] {
        &self.soft
    }

    pub(super) fn is_over(&self) -> bool {
        self.hard == 0 && self.soft.is_empty()
    }

    pub(super) fn latest(&self) -> u64 {
        self.soft.last().map_or(0, |(seq, _)| *seq).max(self.hard)
    }

    /// What it has done to an object of this age: the first soft purge after its fetch began made it stale.
    pub(super) fn of(&self, since: u64) -> Purged {
        if self.hard > since {
            return Purged::Gone;
        }
        let later = self.soft.iter().filter(|(seq, _)| *seq > since);
        match later.map(|(_, at)| *at).min() {
            Some(at) => Purged::Softly(UNIX_EPOCH + Duration::from_micros(at)),
            None => Purged::No,
        }
    }

    /// Adds those of another.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.hard = self.hard.max(other.hard);
        self.soft.extend(&other.soft);
        self.tidy();
    }

    pub(super) fn forget_hard(&mut self, up_to: u64) {
        if self.hard <= up_to {
            self.hard = 0;
        }
    }

    /// What a hard purge was after is gone anyway. Of more soft ones than are told apart the oldest two become one that
    /// concerns all that either did and is as old as the older.
    fn tidy(&mut self) {
        self.soft.retain(|(seq, _)| *seq > self.hard);
        self.soft.sort_unstable();
        while let [(_, first), (seq, second), ..] = *self.soft
            && self.soft.len() > SOFT
        {
            self.soft[1] = (seq, first.min(second));
            self.soft.remove(0);
        }
    }
}
