//! How many requests in a row failed, and is that too many?

use super::Cause;
use crate::pool::Outcome;

/// Requests in a row that failed, or were outrun by a hedge.
///
/// Who is outrun may hang, or be a little slower than another one just then. So those that were outrun count only once
/// they have gone on for a while without an answer: in a pause of its own an endpoint loses all that are under way.
#[derive(Clone, Debug, Default)]
pub struct Run {
    failed: u32,
    outrun: u32,
    /// When the first that was outrun ended, in milliseconds of the [`clock`](crate::pool::clock).
    since: u64,
}

/// How long an endpoint must have been outrun without an answer for that to count, in milliseconds.
const OUTRUN_FOR: u64 = 1_000;

impl Run {
    /// Whether the last request that taught something was a success.
    pub fn is_empty(&self) -> bool {
        self.failed == 0 && self.outrun == 0
    }

    /// Counts what a request taught that ended `now`, and says whether that makes `most` of them; `None` if
    /// that is no rule.
    pub fn add(&mut self, outcome: Outcome, now: u64, most: Option<u32>) -> Option<Cause> {
        match outcome {
            Outcome::Neutral => return None,
            Outcome::Success => {
                *self = Self::default();
                return None;
            }
            Outcome::Failure => self.failed = self.failed.saturating_add(1),
            Outcome::Outrun => {
                if self.outrun == 0 {
                    self.since = now;
                }
                self.outrun = self.outrun.saturating_add(1);
            }
        }
        let most = most?;
        if self.failed >= most {
            return Some(Cause::InARow(self.failed));
        }
        let all = self.failed.saturating_add(self.outrun);
        let lasts = self.outrun > 0 && now.saturating_sub(self.since) >= OUTRUN_FOR;
        (lasts && all >= most).then_some(Cause::Outrun(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of these, each with its time.
    fn run(steps: &[(Outcome, u64)]) -> Vec<Option<Cause>> {
        let mut run = Run::default();
        let add = |(outcome, now): &(Outcome, u64)| run.add(*outcome, *now, Some(3));
        steps.iter().map(add).collect()
    }

    #[test]
    fn failures_count_at_once_and_a_success_begins_anew() {
        use Outcome::{Failure, Neutral, Success};
        let steps = [Failure, Failure, Success, Failure, Neutral, Failure];
        let mut steps = steps.map(|outcome| (outcome, 5)).to_vec();
        assert!(run(&steps).iter().all(Option::is_none));
        steps.push((Failure, 5));
        assert_eq!(run(&steps)[6], Some(Cause::InARow(3)));
    }

    #[test]
    fn many_that_are_outrun_in_one_pause_do_not_count_and_few_over_a_second_do() {
        use Outcome::{Failure, Outrun, Success};
        let mut pause = vec![(Outrun, 7_000); 50];
        pause.push((Failure, 7_500));
        pause.push((Outrun, 7_999));
        assert!(run(&pause).iter().all(Option::is_none));
        pause.push((Outrun, 8_000));
        assert_eq!(run(&pause)[52], Some(Cause::Outrun(53)));

        let few = run(&[(Outrun, 0), (Outrun, 60_000), (Outrun, 60_000)]);
        assert_eq!(few, [None, None, Some(Cause::Outrun(3))]);
        let answers = run(&[
            (Outrun, 0),
            (Outrun, 1),
            (Success, 500),
            (Outrun, 600),
            (Outrun, 1_200),
            (Outrun, 1_599),
        ]);
        assert!(answers.iter().all(Option::is_none), "{answers:?}");
    }
}
