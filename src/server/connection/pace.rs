//! Does the other side move bytes as fast as it must?
//!
//! Who must move so many bytes a second has some time, spends it while it is waited for, and earns it back with every byte,
//! up to a bound. So over any stretch of waiting, however it is cut, it has moved at least what the rate asks for, less what
//! fits in the bound; and a pause is forgiven to who has moved enough before. Only what is waited for counts: whoever waits
//! for somebody else says so with [`rest`](Pace::rest).

use std::time::{Duration, Instant};

/// The time everybody has to begin with, unless the bound is less.
const GRACE: Duration = Duration::from_secs(5);

/// No pause is longer, so that every moment can be told.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A least rate, and how somebody keeps to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes a second; not 0.
    rate: u64,
    /// The time that is left.
    left: Duration,
    /// What it can be at most.
    most: Duration,
    /// Since when it is waited for.
    since: Option<Instant>,
}

impl Pace {
    /// The pace of somebody who must move `rate` bytes a second, and may pause for up to `most`; `None` for a rate of 0.
    pub fn new(rate: u64, most: Duration) -> Option<Self> {
        let most = most.min(DAY);
        (rate > 0).then_some(Self {
            rate,
            left: GRACE.min(most),
            most,
            since: None,
        })
    }

    /// It is waited for, from now on or since an earlier moment. Gives when it will have been too slow.
    pub fn wait(&mut self, now: Instant) -> Instant {
        *self.since.get_or_insert(now) + self.left
    }

    /// It has moved so many bytes; it is not waited for now.
    pub fn moved(&mut self, bytes: u64, now: Instant) {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate);
        let earned = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        // What is earned late pays for what it took.
        self.left = self.left.saturating_add(earned);
        self.rest(now);
        self.left = self.left.min(self.most);
    }

    /// It is not waited for now.
    pub fn rest(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            let spent = now.saturating_duration_since(since);
            self.left = self.left.saturating_sub(spent);
        }
    }

    /// It was not waited for at all since it last was said to be.
    pub const fn forget(&mut self) {
        self.since = None;
    }

    /// Whether it is waited for.
    pub const fn is_waited_for(&self) -> bool {
        self.since.is_some()
    }

    /// Whether it is waited for, and has no time left.
    pub fn is_over(&self, now: Instant) -> bool {
        self.since
            .is_some_and(|since| now.saturating_duration_since(since) >= self.left)
    }

    /// It may pause for up to `most`, if that is more than before; what is more it has at once.
    pub fn allow(&mut self, most: Duration) {
        let most = most.min(DAY);
        self.left += most.saturating_sub(self.most);
        self.most = self.most.max(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(rate: u64, most: u32) -> Pace {
        Pace::new(rate, SECOND * most).expect("a rate")
    }

    #[test]
    fn there_is_a_grace_and_after_it_who_moves_nothing_is_too_slow() {
        let start = Instant::now();
        let mut pace = pace(240, 30);
        assert_eq!(pace.wait(start), start + GRACE);
        assert_eq!(pace.wait(start + SECOND), start + GRACE, "since the start");
        assert!(!pace.is_over(start + GRACE - SECOND));
        assert!(pace.is_over(start + GRACE));
        assert_eq!(Pace::new(0, SECOND), None);
        assert_eq!(
            Pace::new(1, SECOND).map(|mut pace| pace.wait(start)),
            Some(start + SECOND)
        );
    }

    #[test]
    fn a_pause_is_forgiven_to_who_moved_enough_before_and_only_up_to_the_bound() {
        let start = Instant::now();
        let mut pace = pace(240, 30);
        pace.moved(240 * 10, start);
        assert_eq!(pace.wait(start), start + SECOND * 15);
        pace.moved(1 << 40, start + SECOND);
        assert_eq!(pace.wait(start + SECOND), start + SECOND * 31);
    }

    #[test]
    fn what_is_not_waited_for_does_not_count() {
        let start = Instant::now();
        let mut pace = pace(100, 30);
        pace.wait(start);
        pace.rest(start + SECOND * 4);
        assert!(!pace.is_over(start + SECOND * 1000));
        let later = start + SECOND * 1000;
        assert_eq!(pace.wait(later), later + SECOND);
        pace.allow(SECOND * 40);
        pace.allow(SECOND * 40);
        assert_eq!(pace.wait(later), later + SECOND * 11);
    }

    #[test]
    fn no_number_is_too_large() {
        let start = Instant::now();
        let mut pace = Pace::new(1, Duration::MAX).expect("a rate");
        pace.moved(u64::MAX, start);
        pace.moved(u64::MAX, start);
        pace.allow(Duration::MAX);
        assert_eq!(pace.wait(start), start + DAY);
    }

    proptest! {
        #[test]
        fn who_is_never_too_slow_has_moved_what_the_rate_asks_for_less_the_bound(
            steps in proptest::collection::vec((0u64..5_000, 0u64..2_000), 1..100),
        ) {
            const RATE: u64 = 100;
            let mut pace = pace(RATE, 10);
            let mut now = Instant::now();
            // Waited milliseconds and moved bytes of every stretch that is still in time.
            let mut stretches: Vec<(u64, u64)> = Vec::new();
            for (waited, bytes) in steps {
                pace.wait(now);
                now += Duration::from_millis(waited);
                if pace.is_over(now) {
                    break;
                }
                stretches.iter_mut().for_each(|stretch| stretch.0 += waited);
                stretches.push((waited, 0));
                for (waited, moved) in &stretches {
                    prop_assert!(*moved + RATE * 10 >= RATE * waited / 1000);
                }
                pace.moved(bytes, now);
                stretches.iter_mut().for_each(|stretch| stretch.1 += bytes);
            }
        }
    }
}
