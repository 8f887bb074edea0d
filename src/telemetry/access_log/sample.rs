//! Which requests have a line, if not all of them have?

use std::time::Duration;

/// Which requests have a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How many of a million; those apart that always have one.
    pub of_a_million: u32,
    /// What takes as long always has one.
    pub slow: Option<Duration>,
}

/// How a request ended, as far as that decides whether it has a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status code of the response.
    pub status: u16,
    /// Whether there is a reason to tell.
    pub failed: bool,
    /// How often it was tried again.
    pub retries: u32,
    /// How long it took.
    pub duration: Duration,
}

impl Sample {
    /// Every request.
    pub const ALL: Self = Self {
        of_a_million: MILLION,
        slow: None,
    };

    /// Whether not all requests have a line.
    pub const fn is_partial(self) -> bool {
        self.of_a_million < MILLION
    }

    /// How many of a million requests that ended so have a line, if this one has.
    pub(super) fn take(self, outcome: &Outcome) -> Option<u32> {
        if !self.is_partial() || self.is_always_logged(outcome) {
            Some(MILLION)
        } else if fastrand::u32(..MILLION) < self.of_a_million {
            Some(self.of_a_million)
        } else {
            None
        }
    }

    /// Whether somebody will look for it: it failed, was tried again, or was slow.
    fn is_always_logged(self, outcome: &Outcome) -> bool {
        outcome.status >= 400
            || outcome.failed
            || outcome.retries > 0
            || self.slow.is_some_and(|slow| outcome.duration >= slow)
    }
}

/// All of a million.
pub(super) const MILLION: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Outcome {
        Outcome {
            status: 200,
            failed: false,
            retries: 0,
            duration: Duration::from_millis(10),
        }
    }

    #[test]
    fn without_sampling_every_request_has_a_line() {
        assert_eq!(Sample::ALL.take(&plain()), Some(MILLION));
    }

    #[test]
    fn what_failed_was_repeated_or_took_long_always_has_a_line() {
        let sample = Sample {
            of_a_million: 0,
            slow: Some(Duration::from_secs(1)),
        };
        assert_eq!(sample.take(&plain()), None);
        for status in [400, 404, 499, 500, 503] {
            let failed = Outcome { status, ..plain() };
            assert_eq!(sample.take(&failed), Some(MILLION), "{status}");
        }
        // The header had gone to the client before it failed.
        let broken = Outcome {
            failed: true,
            ..plain()
        };
        assert_eq!(sample.take(&broken), Some(MILLION));
        let repeated = Outcome {
            retries: 1,
            ..plain()
        };
        assert_eq!(sample.take(&repeated), Some(MILLION));
        let slow = Outcome {
            duration: Duration::from_secs(1),
            ..plain()
        };
        assert_eq!(sample.take(&slow), Some(MILLION));
    }

    #[test]
    fn of_the_others_the_share_is_taken_that_was_asked_for() {
        for of_a_million in [1_000, 100_000, 500_000] {
            let sample = Sample {
                of_a_million,
                slow: None,
            };
            let taken = (0..200_000).filter_map(|_| sample.take(&plain())).count();
            let wanted = of_a_million as usize / 5;
            // Ten standard deviations: 200 of 200,000 vary by 14.
            let most = 10.0 * (wanted as f64).sqrt();
            assert!(
                (taken as f64 - wanted as f64).abs() < most,
                "{taken} of {wanted}"
            );
        }
    }
}
