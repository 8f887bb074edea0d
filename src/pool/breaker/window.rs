//! How many of the requests of the last while failed, and how many were slow?

use std::time::Duration;

use crate::pool::clock;

/// How many pieces a window slides in. What is forgotten at once is a tenth of it.
const BUCKETS: usize = 10;

/// Requests, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that taught something.
    pub total: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those that took long, whether they failed or not.
    pub slow: u32,
}

impl Counts {
    /// Whether there are enough of them, and this share of them failed.
    pub fn failed_by(&self, percent: u8, least: u32) -> bool {
        self.share(self.failed, percent, least)
    }

    /// Whether there are enough of them, and this share of them was slow.
    pub fn slow_by(&self, percent: u8, least: u32) -> bool {
        self.share(self.slow, percent, least)
    }

    fn share(&self, part: u32, percent: u8, least: u32) -> bool {
        self.total >= least
            && self.total > 0
            && u64::from(part) * 100 >= u64::from(self.total) * u64::from(percent)
    }

    fn add(&mut self, failed: bool, slow: bool) {
        self.total = self.total.saturating_add(1);
        self.failed = self.failed.saturating_add(failed.into());
        self.slow = self.slow.saturating_add(slow.into());
    }
}

/// A window that slides over requests: a fixed number of buckets, however many requests there are. It covers between
/// nine and ten tenths of its length.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// How long one bucket is, in milliseconds; 0 before the first request.
    span: u64,
    /// The number of the newest bucket since the beginning of time.
    newest: u64,
    buckets: [Counts; BUCKETS],
}

impl Window {
    /// Counts a request that ended `now`, in milliseconds, and gives what is in a window of this length with it. With
    /// another length than before, it begins anew: the buckets can't be divided otherwise.
    pub fn add(&mut self, failed: bool, slow: bool, now: u64, length: Duration) -> Counts {
        let span = (clock::length(length) / BUCKETS as u64).max(1);
        if span != self.span {
            *self = Self {
                span,
                newest: now / span,
                buckets: Default::default(),
            };
        }
        self.advance(now / span);
        let newest = self.place(self.newest);
        self.buckets[newest].add(failed, slow);
        self.sum()
    }

    /// Forgets every request.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Empties the buckets that are older than the window. Time that seems to go back, because two threads asked the clock
    /// in one order and came here in the other, stands still.
    fn advance(&mut self, to: u64) {
        let steps = to.saturating_sub(self.newest);
        for step in 1..=steps.min(BUCKETS as u64) {
            let place = self.place(self.newest + step);
            self.buckets[place] = Counts::default();
        }
        self.newest += steps;
    }

    fn place(&self, bucket: u64) -> usize {
        (bucket % BUCKETS as u64) as usize
    }

    fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        for bucket in &self.buckets {
            sum.total = sum.total.saturating_add(bucket.total);
            sum.failed = sum.failed.saturating_add(bucket.failed);
            sum.slow = sum.slow.saturating_add(bucket.slow);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn what_is_older_than_the_window_is_forgotten_piece_by_piece() {
        let mut window = Window::default();
        for now in 0..10 {
            window.add(true, false, now * 1_000, TEN);
        }
        let counts = window.add(false, true, 9_999, TEN);
        assert_eq!((counts.total, counts.failed, counts.slow), (11, 10, 1));
        // The first second leaves.
        let counts = window.add(false, false, 10_000, TEN);
        assert_eq!((counts.total, counts.failed), (11, 9));
        // A silence longer than the window.
        let counts = window.add(false, false, 60_000, TEN);
        assert_eq!((counts.total, counts.failed, counts.slow), (1, 0, 0));
    }

    #[test]
    fn a_share_counts_from_the_least_number_of_requests_on() {
        let counts = Counts {
            total: 20,
            failed: 10,
            slow: 1,
        };
        assert!(counts.failed_by(50, 20));
        assert!(!counts.failed_by(51, 20) && !counts.failed_by(50, 21));
        assert!(counts.slow_by(5, 1) && !counts.slow_by(6, 1));
        assert!(!Counts::default().failed_by(1, 0));
    }

    #[test]
    fn another_length_begins_anew_and_the_same_goes_on() {
        let mut window = Window::default();
        window.add(true, false, 5_000, TEN);
        assert_eq!(window.add(true, false, 5_000, TEN).total, 2);
        assert_eq!(
            window
                .add(true, false, 5_000, Duration::from_secs(20))
                .total,
            1
        );
        window.clear();
        assert_eq!(window.add(true, false, 5_000, TEN).total, 1);
    }

    proptest! {
        #[test]
        fn a_window_holds_what_a_list_of_all_requests_says(
            steps in prop::collection::vec((0u64..4_000, any::<bool>(), any::<bool>()), 1..200),
        ) {
            let (mut window, mut all, mut now) = (Window::default(), Vec::new(), 0);
            for (step, failed, slow) in steps {
                now += step;
                all.push((now, failed, slow));
                let counts = window.add(failed, slow, now, TEN);
                let oldest = (now / 1_000).saturating_sub(9) * 1_000;
                let within = || all.iter().filter(|(then, ..)| *then >= oldest);
                prop_assert_eq!(counts.total as usize, within().count());
                prop_assert_eq!(counts.failed as usize, within().filter(|one| one.1).count());
                prop_assert_eq!(counts.slow as usize, within().filter(|one| one.2).count());
            }
        }
    }
}
