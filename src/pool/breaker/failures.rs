//! What counts as a failure for a breaker?

use std::ops::RangeInclusive;
use std::time::Duration;

use super::machine::Verdict;
use crate::error::Reason;
use crate::pool::{Blame, Ending, Lesson, Outcome};

/// What counts as a failure. What is not in it and has no answer either says nothing: it can't speak for the endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Connections that could not be opened, for whatever cause.
    pub connect: bool,
    /// Answers that did not come in time, and requests that were not taken in time.
    pub timeout: bool,
    /// Connections that broke, and answers that are no HTTP.
    pub reset: bool,
    /// Status codes of answers.
    pub statuses: Box<[RangeInclusive<u16>]>,
}

impl Failures {
    /// What an attempt taught, if calls longer than `slow_after` are slow.
    pub fn verdict(&self, lesson: Lesson, slow_after: Option<Duration>) -> Verdict {
        let outcome = match lesson.ending {
            Ending::Answered(status) => {
                if self.statuses.iter().any(|range| range.contains(&status)) {
                    Outcome::Failure
                } else {
                    Outcome::Success
                }
            }
            Ending::Failed(reason) => self.of_reason(reason),
            // Without the hedge it might have come in time, or not.
            Ending::Outrun if self.timeout => Outcome::Outrun,
            Ending::Outrun | Ending::Untold => Outcome::Neutral,
        };
        Verdict {
            outcome,
            slow: slow_after.is_some_and(|after| lesson.took > after),
        }
    }

    fn of_reason(&self, reason: Reason) -> Outcome {
        let counts = match Blame::of(reason) {
            Some(Blame::Connect) => self.connect,
            Some(Blame::Late | Blame::TooLate) => self.timeout,
            Some(Blame::Reset | Blame::Broken) => self.reset,
            None => false,
        };
        if counts {
            Outcome::Failure
        } else {
            Outcome::Neutral
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(failures: &Failures, ending: Ending) -> Outcome {
        let took = Duration::from_secs(1);
        failures.verdict(Lesson { ending, took }, None).outcome
    }

    #[test]
    fn only_what_is_in_the_list_is_a_failure_and_only_an_answer_is_a_success() {
        let failures = Failures {
            timeout: true,
            statuses: Box::new([429..=429, 500..=599]),
            ..Failures::default()
        };
        for (ending, want) in [
            (Ending::Answered(200), Outcome::Success),
            (Ending::Answered(429), Outcome::Failure),
            (Ending::Answered(499), Outcome::Success),
            (Ending::Answered(500), Outcome::Failure),
            (Ending::Answered(599), Outcome::Failure),
            (Ending::Failed(Reason::ConnectRefused), Outcome::Neutral),
            (Ending::Failed(Reason::ConnectTimeout), Outcome::Neutral),
            (Ending::Failed(Reason::UpstreamReset), Outcome::Neutral),
            (Ending::Failed(Reason::TotalTimeout), Outcome::Failure),
            (Ending::Failed(Reason::ClientGone), Outcome::Neutral),
            (Ending::Failed(Reason::BodyTimeout), Outcome::Neutral),
            (Ending::Outrun, Outcome::Outrun),
            (Ending::Untold, Outcome::Neutral),
        ] {
            assert_eq!(outcome(&failures, ending), want, "{ending:?}");
        }
        let patient = Failures {
            timeout: false,
            ..failures
        };
        assert_eq!(outcome(&patient, Ending::Outrun), Outcome::Neutral);
    }

    #[test]
    fn slow_is_what_takes_longer_whatever_comes_of_it() {
        let lesson = |millis| Lesson {
            ending: Ending::Answered(200),
            took: Duration::from_millis(millis),
        };
        let after = Some(Duration::from_millis(100));
        let failures = Failures::default();
        assert!(!failures.verdict(lesson(100), after).slow);
        assert!(failures.verdict(lesson(101), after).slow);
        assert!(!failures.verdict(lesson(101), None).slow);
    }
}
