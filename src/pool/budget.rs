//! May one more request be sent a second time, or would that be a storm?
//!
//! What a pool was asked and what it was asked again is counted by seconds, and the last ten of them are looked at: the
//! window of Finagle's `RetryBudget`. A request costs one addition, on memory that all threads share; only who wants
//! a retry looks at all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::clock;

/// How many retries are permitted. Parameters: what was counted is in the [`Budget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Of the last ten seconds' requests, in percent.
    pub percent: u32,
    /// So many in each second at least, however few requests there are.
    pub min_per_second: u32,
}

/// How far back requests and retries count.
const WINDOW: u64 = 10;
/// A power of two above the window, so that a second is never written where one that counts is.
const SECONDS: usize = 16;

/// Requests and retries of the last seconds. Lock-free; exact but for what is counted while a second turns.
#[derive(Debug, Default)]
pub struct Budget {
    seconds: [AtomicU64; SECONDS],
}

/// One second, packed: 20 bits tell which it is, 20 count retries, 24 count requests.
#[derive(Clone, Copy)]
struct Second(u64);

impl Second {
    const RETRY: u64 = 1 << 24;
    const STAMP: u64 = 1 << 44;
    /// Twelve days: what was written so long ago is taken for new once in a while, and has no weight by then.
    const STAMPS: u64 = 1 << 20;

    fn begin(stamp: u64) -> Self {
        Self(stamp * Self::STAMP)
    }

    fn stamp(self) -> u64 {
        self.0 / Self::STAMP
    }

    fn retries(self) -> u64 {
        self.0 % Self::STAMP / Self::RETRY
    }

    fn requests(self) -> u64 {
        self.0 % Self::RETRY
    }

    /// The same second if it is this one, or this one from its beginning.
    fn or_begin(self, stamp: u64) -> Self {
        if self.stamp() == stamp {
            self
        } else {
            Self::begin(stamp)
        }
    }
}

impl Budget {
    /// Counts a request, once and not for each of its attempts.
    pub fn deposit(&self, now: Instant) {
        let stamp = stamp(now);
        let second = self.second(stamp);
        if Second(second.load(Ordering::Relaxed)).stamp() == stamp {
            second.fetch_add(1, Ordering::Relaxed);
        } else {
            let _ = second.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
                Some(Second(old).or_begin(stamp).0 + 1)
            });
        }
    }

    /// Counts a retry if one more is permitted; whether it is.
    pub fn withdraw(&self, share: &Share, now: Instant) -> bool {
        let stamp = stamp(now);
        let counted =
            self.second(stamp)
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
                    let this = Second(old).or_begin(stamp);
                    self.permits(share, stamp, this)
                        .then_some(this.0 + Second::RETRY)
                });
        counted.is_ok()
    }

    fn permits(&self, share: &Share, stamp: u64, this: Second) -> bool {
        if this.retries() < u64::from(share.min_per_second) {
            return true;
        }
        let (mut requests, mut retries) = (this.requests(), this.retries());
        for second in &self.seconds {
            let second = Second(second.load(Ordering::Relaxed));
            let age = (stamp + Second::STAMPS - second.stamp()) % Second::STAMPS;
            if (1..WINDOW).contains(&age) {
                requests += second.requests();
                retries += second.retries();
            }
        }
        (retries + 1) * 100 <= requests * u64::from(share.percent)
    }

    fn second(&self, stamp: u64) -> &AtomicU64 {
        &self.seconds[stamp as usize % SECONDS]
    }
}

fn stamp(now: Instant) -> u64 {
    clock::millis(now) / 1000 % Second::STAMPS
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TWENTY: Share = Share {
        percent: 20,
        min_per_second: 0,
    };

    /// The beginning of a second.
    fn start() -> Instant {
        let now = Instant::now();
        let into = clock::millis(now) % 1000;
        now + Duration::from_millis(1000 - into)
    }

    fn permitted(budget: &Budget, share: &Share, asked: u32, now: Instant) -> u32 {
        (0..asked)
            .map(|_| u32::from(budget.withdraw(share, now)))
            .sum()
    }

    #[test]
    fn retries_are_a_share_of_the_requests() {
        let (budget, now) = (Budget::default(), start());
        assert_eq!(permitted(&budget, &TWENTY, 10, now), 0);
        for _ in 0..4 {
            budget.deposit(now);
        }
        assert_eq!(permitted(&budget, &TWENTY, 10, now), 0);
        budget.deposit(now);
        assert_eq!(permitted(&budget, &TWENTY, 10, now), 1);
        for _ in 0..95 {
            budget.deposit(now);
        }
        assert_eq!(permitted(&budget, &TWENTY, 100, now), 19);
    }

    #[test]
    fn every_second_has_its_floor() {
        let share = Share {
            percent: 20,
            min_per_second: 3,
        };
        let (budget, start) = (Budget::default(), start());
        for second in 0..30 {
            let now = start + Duration::from_secs(second);
            assert_eq!(permitted(&budget, &share, 10, now), 3, "{second}");
        }
    }

    #[test]
    fn requests_and_retries_count_for_ten_seconds() {
        let (budget, start) = (Budget::default(), start());
        for _ in 0..100 {
            budget.deposit(start);
        }
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(permitted(&budget, &TWENTY, 5, at(3)), 5);
        assert_eq!(permitted(&budget, &TWENTY, 100, at(9)), 15);
        assert_eq!(permitted(&budget, &TWENTY, 1, at(9)), 0);
        // The requests are forgotten, and then the retries.
        assert_eq!(permitted(&budget, &TWENTY, 1, at(10)), 0);
        for _ in 0..100 {
            budget.deposit(at(12));
        }
        assert_eq!(permitted(&budget, &TWENTY, 100, at(12)), 0);
        assert_eq!(permitted(&budget, &TWENTY, 100, at(13)), 5);
        assert_eq!(permitted(&budget, &TWENTY, 100, at(19)), 15);
    }

    #[test]
    fn a_storm_gets_no_more_than_its_share_however_long_it_lasts() {
        let share = Share {
            percent: 20,
            min_per_second: 10,
        };
        let (budget, start) = (Budget::default(), start());
        let (mut requests, mut retries) = (0, 0);
        for millis in 0..60_000 {
            let now = start + Duration::from_millis(millis);
            for _ in 0..2 {
                budget.deposit(now);
                requests += 1;
                retries += permitted(&budget, &share, 1, now);
            }
        }
        assert!(retries <= requests / 5 + 10, "{retries} of {requests}");
        assert!(retries >= requests / 5 - 10, "{retries} of {requests}");
    }

    #[test]
    fn threads_together_get_no_more_than_one_would() {
        let (budget, now) = (Budget::default(), start());
        for _ in 0..1_000 {
            budget.deposit(now);
        }
        let got: u32 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| permitted(&budget, &TWENTY, 1_000, now)))
                .collect();
            threads
                .into_iter()
                .map(|one| one.join().expect("no panic"))
                .sum()
        });
        assert_eq!(got, 200);
    }

    #[test]
    fn a_second_of_long_ago_is_none_of_the_last_ten() {
        let (budget, start) = (Budget::default(), start());
        for _ in 0..100 {
            budget.deposit(start);
        }
        for seconds in [16, 32, 1 << 19] {
            let later = start + Duration::from_secs(seconds);
            assert_eq!(permitted(&budget, &TWENTY, 1, later), 0, "{seconds}");
        }
    }
}
