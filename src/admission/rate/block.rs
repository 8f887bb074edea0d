//! Which keys of one small part of the table have a debt?

use super::limit::{Limit, Taken};

/// How many keys a block holds. With half of all slots in use, one in ten thousand blocks has more keys than that.
pub(super) const SLOTS: usize = 32;

/// A few slots behind one lock. Times are nanoseconds since the table was made.
pub(super) struct Block {
    /// What one request took off when the times below were written; 0 as long as there is none.
    interval: u64,
    /// The latest time anyone came at: threads read the clock before they have the lock, and time must not go back.
    latest: u64,
    /// Whose debt it is. Apart from the times, so that a look-up reads four lines of the cache and not eight.
    keys: [u64; SLOTS],
    /// When the debt is paid off; a slot whose time is past is free.
    times: [u64; SLOTS],
}

impl Block {
    pub(super) const fn new() -> Self {
        Self {
            interval: 0,
            latest: 0,
            keys: [0; SLOTS],
            times: [0; SLOTS],
        }
    }

    /// Lets a request of `key` through, or not.
    pub(super) fn take(&mut self, key: u64, now: u64, limit: &Limit) -> Taken {
        let now = now.max(self.latest);
        self.latest = now;
        if self.interval != limit.interval() {
            self.rescale(now, limit);
        }
        let known = self.keys.iter().position(|other| *other == key);
        let slot = known.unwrap_or_else(|| self.least());
        let debt = self.times[slot].saturating_sub(now);
        match known {
            Some(_) => {
                let taken = limit.ask(debt);
                self.times[slot] = now + taken.debt();
                taken
            }
            // A key that is not known has no debt and is never refused. If no slot is free, the key with the least debt
            // is forgotten: it gets back no more than the little it had used, and one over its limit stays over it.
            None => {
                let mut taken = limit.ask(0);
                taken.forgot = debt > 0;
                self.keys[slot] = key;
                self.times[slot] = now + taken.debt();
                taken
            }
        }
    }

    /// The slot with the least debt; a free one, if there is one.
    fn least(&self) -> usize {
        let slots = self.times.iter().enumerate();
        slots.min_by_key(|(_, time)| **time).map_or(0, |(at, _)| at)
    }

    /// Turns every debt into the same number of requests at another rate; a reload has changed it. What time has paid off
    /// until then, it has at the rate before.
    #[cold]
    fn rescale(&mut self, now: u64, limit: &Limit) {
        for time in &mut self.times {
            let debt = u128::from(time.saturating_sub(now));
            if debt > 0 {
                let scaled =
                    (debt * u128::from(limit.interval())).div_ceil(u128::from(self.interval));
                let debt = u64::try_from(scaled).unwrap_or(u64::MAX);
                *time = now + debt.min(limit.full());
            }
        }
        self.interval = limit.interval();
    }
}
