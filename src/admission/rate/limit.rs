//! How fast may the requests of one key come, and what became of one?

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::units::Rate;

/// The rates that can be told apart: an interval is rounded up to a nanosecond, which makes a rate of 10,000,000 a second
/// one percent slower than written, at most, and one of 100,000 by a ten-thousandth.
const FASTEST: u64 = 10_000_000;

/// The longest time in which a burst may come back: nobody waits for it, and sums of times stay far from their limit.
const LONGEST: u64 = 366 * 24 * 60 * 60 * 1_000_000_000;

/// The longest interval, of a share of a limit: some 78 hours, in the 48 bits that buckets keep of it.
const SLOWEST: u64 = (1 << 48) - 1;

/// So many requests in a time, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The time one request takes off, in nanoseconds; at least 1. Rounded up: never faster than written.
    interval: u64,
    /// So many may come at once; at least 1.
    burst: u32,
}

/// Why a limit can't be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMuch {
    /// The rate is too high.
    Rate,
    /// The burst takes too long to come back at this rate.
    Burst,
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether it may go on.
    pub allowed: bool,
    /// Whether another key was forgotten for it.
    pub forgot: bool,
    /// The debt of its key after it, in nanoseconds.
    debt: u64,
}

impl Limit {
    /// A limit of this rate, with so many at once.
    ///
    /// # Errors
    ///
    /// The rate is over 10,000,000 a second, or the burst would take over a year to come back.
    pub fn new(rate: Rate, burst: NonZeroU32) -> Result<Self, TooMuch> {
        let seconds = rate.per().as_duration().as_secs();
        if u64::from(rate.count().get()) > FASTEST * seconds {
            return Err(TooMuch::Rate);
        }
        // An hour at most.
        let interval = u64::try_from(rate.interval().as_nanos()).unwrap_or(u64::MAX);
        let limit = Self {
            interval,
            burst: burst.get(),
        };
        match limit.interval.checked_mul(u64::from(limit.burst)) {
            Some(full) if full <= LONGEST => Ok(limit),
            _ => Err(TooMuch::Burst),
        }
    }

    /// A part of this limit, in percent: of the rate, rounded down, and of the burst, but for one request at least. 0 is
    /// taken for 1.
    #[must_use]
    pub fn share(&self, percent: u8) -> Self {
        let percent = u64::from(percent.clamp(1, 100));
        let burst = u64::from(self.burst) * percent / 100;
        Self {
            interval: (self.interval * 100).div_ceil(percent).min(SLOWEST),
            // A share of 32 bits has no more.
            burst: u32::try_from(burst).unwrap_or(self.burst).max(1),
        }
    }

    /// What became of a request that was decided elsewhere, with this debt after it, in nanoseconds.
    pub fn told(&self, allowed: bool, debt: u64) -> Taken {
        Taken {
            allowed,
            forgot: false,
            debt: debt.min(self.full()),
        }
    }

    /// How many may come at once.
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// The time in which the whole burst comes back.
    pub const fn refills_in(&self) -> Duration {
        Duration::from_nanos(self.full())
    }

    /// One request, in nanoseconds of debt.
    pub const fn interval(&self) -> u64 {
        self.interval
    }

    /// The debt of a key that has had its whole burst, in nanoseconds.
    pub const fn full(&self) -> u64 {
        self.interval * self.burst as u64
    }

    /// The largest debt with which one more request is let through.
    const fn tolerance(&self) -> u64 {
        self.full() - self.interval
    }

    /// What becomes of a request whose key has this debt.
    pub(super) fn ask(&self, debt: u64) -> Taken {
        // After a reload that made the burst smaller, it may be deeper than anyone can get now.
        let debt = debt.min(self.full());
        let allowed = debt <= self.tolerance();
        Taken {
            allowed,
            forgot: false,
            debt: if allowed { debt + self.interval } else { debt },
        }
    }
}

impl Taken {
    /// The debt of its key after it, in nanoseconds.
    pub(super) const fn debt(&self) -> u64 {
        self.debt
    }

    /// How many more of the key may come at once.
    pub fn remaining(&self, limit: &Limit) -> u32 {
        let room = limit.full().saturating_sub(self.debt) / limit.interval;
        // No more than the burst, which is of this size.
        u32::try_from(room).unwrap_or(limit.burst)
    }

    /// In which time one more than the [remaining](Self::remaining) may come: for a request that was refused, when it may
    /// come again.
    pub fn more_in(&self, limit: &Limit) -> Duration {
        let more = u64::from(self.remaining(limit)) + 1;
        let debt_then = limit.full().saturating_sub(more * limit.interval);
        Duration::from_nanos(self.debt.saturating_sub(debt_then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(rate: &str, burst: u32) -> Result<Limit, TooMuch> {
        let burst = NonZeroU32::new(burst).expect("one at least");
        Limit::new(rate.parse().expect("a rate"), burst)
    }

    #[test]
    fn an_interval_is_never_shorter_than_the_rate_says() {
        for (rate, interval) in [
            ("1/s", 1_000_000_000),
            ("3/s", 333_333_334),
            ("60/m", 1_000_000_000),
            ("7/h", 514_285_714_286),
            ("10000000/s", 100),
            ("9999999/s", 101),
        ] {
            let limit = limit(rate, 1).expect(rate);
            assert_eq!(limit.interval(), interval, "{rate}");
        }
    }

    #[test]
    fn what_can_not_be_counted_is_refused() {
        assert_eq!(limit("10000001/s", 1), Err(TooMuch::Rate));
        assert!(limit("4294967295/h", 1).is_ok());
        assert!(limit("1/h", 8_784).is_ok());
        assert_eq!(limit("1/h", 8_785), Err(TooMuch::Burst));
        assert_eq!(limit("1/h", u32::MAX), Err(TooMuch::Burst));
    }

    #[test]
    fn a_share_is_never_more_than_its_part_but_for_one_request() {
        let limit = limit("10/s", 5).expect("a limit");
        for (percent, interval, burst) in [
            (100, 100_000_000, 5),
            (50, 200_000_000, 2),
            (30, 333_333_334, 1),
            (1, 10_000_000_000, 1),
            (0, 10_000_000_000, 1),
        ] {
            let share = limit.share(percent);
            assert_eq!((share.interval(), share.burst()), (interval, burst));
        }
    }

    #[test]
    fn what_remains_and_when_there_is_more_is_told() {
        let limit = limit("10/s", 3).expect("a limit");
        let ms = |ms: u64| ms * 1_000_000;
        for (debt, allowed, remaining, more) in [
            (0, true, 2, 100),
            (ms(50), true, 1, 50),
            (ms(200), true, 0, 100),
            (ms(200) + 1, false, 0, 1),
            (ms(300), false, 0, 100),
            (ms(9_000), false, 0, 100),
        ] {
            let taken = limit.ask(debt);
            assert_eq!(taken.allowed, allowed, "{debt}");
            assert_eq!(taken.remaining(&limit), remaining, "{debt}");
            let more = match more {
                1 => Duration::from_nanos(1),
                more => Duration::from_millis(more),
            };
            assert_eq!(taken.more_in(&limit), more, "{debt}");
        }
        assert_eq!(limit.refills_in(), Duration::from_millis(300));
    }
}
