//! When is a name looked up again?

use std::time::Duration;

/// The shortest time between two look-ups of a name.
const SOONEST: Duration = Duration::from_secs(1);
/// A part of each time, by which those of names that were asked together drift apart.
const SPREAD: f64 = 0.1;

/// How long to wait after an answer that is good for `ttl`: until then and a little longer, but at least a second and at
/// most `every`. `chance` is from 0 to 1.
pub(super) fn after_answer(ttl: Duration, every: Duration, chance: f64) -> Duration {
    let over = ttl.max(SOONEST).min(every);
    let wanted = over.saturating_add(over.mul_f64(SPREAD * chance));
    if wanted <= every {
        return wanted;
    }
    every.mul_f64(1.0 - SPREAD * chance).max(SOONEST)
}

/// How long to wait after so many failures in a row, of which there is at least one: a second, then twice as long each
/// time, but at most `every`.
pub(super) fn after_failure(failures: u32, every: Duration, chance: f64) -> Duration {
    let doubled = SOONEST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    after_answer(doubled, every, chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_name_is_asked_for_when_its_time_is_over_and_a_little_later() {
        let every = seconds(30);
        assert_eq!(after_answer(seconds(10), every, 0.0), seconds(10));
        assert_eq!(after_answer(seconds(10), every, 1.0), seconds(11));
        for chance in [0.0, 0.5, 1.0] {
            let after = after_answer(seconds(10), every, chance);
            assert!(after >= seconds(10) && after <= every, "{after:?}");
        }
    }

    #[test]
    fn a_time_of_nothing_is_a_second() {
        assert_eq!(after_answer(seconds(0), seconds(30), 0.0), seconds(1));
        assert!(after_answer(seconds(0), seconds(1), 1.0) >= seconds(1));
    }

    #[test]
    fn nobody_waits_longer_than_asked_for() {
        for (ttl, chance) in [(seconds(31), 0.0), (seconds(29), 1.0), (Duration::MAX, 0.3)] {
            let after = after_answer(ttl, seconds(30), chance);
            assert!(after >= seconds(27) && after <= seconds(30), "{after:?}");
        }
    }

    #[test]
    fn failures_are_tried_again_later_each_time() {
        let every = seconds(30);
        let waits: Vec<Duration> = [1, 2, 3, 4, 5, 6, 7, u32::MAX]
            .map(|failures| after_failure(failures, every, 0.0))
            .to_vec();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30].map(seconds));
    }
}
