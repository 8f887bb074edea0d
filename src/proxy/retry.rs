//! Is an attempt that failed made again? A pure decision, the same for both carriers.

use std::time::Duration;

use crate::pool::retries::{Retries, Setback};
use crate::telemetry::metrics::RetryResult;

/// What is known when an attempt has failed.
#[derive(Clone, Copy, Debug)]
pub struct Attempted {
    /// How it failed.
    pub setback: Setback,
    /// Whether the request's method may be repeated (RFC 9110 §9.2.2).
    pub idempotent: bool,
    /// Whether the endpoint has said, or the connection's fate tells, that it did nothing with the request. A connection
    /// that did not open is one of these cases.
    pub unprocessed: bool,
    /// Whether a part of the request's body was sent and not kept.
    pub body_lost: bool,
    /// Whether a part of an answer has gone to the client, an interim one (1xx) included: a client that was given hints by
    /// one endpoint would get its answer from another.
    pub answered: bool,
    /// Whether it asks for another protocol.
    pub upgrade: bool,
    /// Retries so far.
    pub made: u32,
    /// What is left of the request's time; `None` for no limit.
    pub left: Option<Duration>,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// Another attempt.
    Again(Again),
    /// None; why is counted, unless retries are off or not meant for this.
    GiveUp(Option<RetryResult>),
}

/// When the next attempt is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Again {
    /// After so long.
    pub after: Duration,
    /// At once if there is an endpoint that was not tried yet: nothing is known against it, and the one that failed is
    /// left alone.
    pub elsewhere_at_once: bool,
}

/// Decides. `random` (0 to 1) spreads the wait, `permit` takes one retry out of the pool's budget and is asked last.
pub fn decide(
    attempted: &Attempted,
    rules: &Retries,
    random: f64,
    permit: impl FnOnce() -> bool,
) -> Decision {
    let setback = attempted.setback;
    if rules.limit == 0 || !rules.on.has(setback) {
        return Decision::GiveUp(None);
    }
    let give_up = |result| Decision::GiveUp(Some(result));
    let unprocessed = attempted.unprocessed || setback == Setback::Connect;
    if attempted.answered {
        return give_up(RetryResult::Answered);
    }
    if !unprocessed && (attempted.upgrade || !(attempted.idempotent || rules.non_idempotent)) {
        return give_up(RetryResult::Method);
    }
    if attempted.body_lost {
        return give_up(RetryResult::Body);
    }
    if attempted.made >= rules.limit {
        return give_up(RetryResult::Limit);
    }
    let after = rules.backoff.before(attempted.made, random);
    if attempted.left.is_some_and(|left| left <= after) {
        return give_up(RetryResult::Deadline);
    }
    if !permit() {
        return give_up(RetryResult::Budget);
    }
    Decision::Again(Again {
        after,
        elsewhere_at_once: setback == Setback::Connect && attempted.made == 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::budget::Share;
    use crate::pool::retries::{Backoff, On, Statuses};

    fn rules() -> Retries {
        let mut statuses = Statuses::default();
        statuses.insert(503);
        Retries {
            limit: 2,
            on: On {
                connect: true,
                reset: true,
                timeout: true,
                statuses,
            },
            per_try: None,
            backoff: Backoff {
                base: Duration::from_millis(20),
                max: Duration::from_millis(30),
            },
            budget: Share {
                percent: 20,
                min_per_second: 10,
            },
            non_idempotent: false,
        }
    }

    fn get(setback: Setback) -> Attempted {
        Attempted {
            setback,
            idempotent: true,
            unprocessed: false,
            body_lost: false,
            answered: false,
            upgrade: false,
            made: 0,
            left: None,
        }
    }

    fn decided(attempted: &Attempted, rules: &Retries) -> Result<Again, Option<RetryResult>> {
        match decide(attempted, rules, 1.0, || true) {
            Decision::Again(again) => Ok(again),
            Decision::GiveUp(why) => Err(why),
        }
    }

    const SETBACKS: [Setback; 4] = [
        Setback::Connect,
        Setback::Reset,
        Setback::Timeout,
        Setback::Status(503),
    ];

    #[test]
    fn an_idempotent_request_is_repeated_after_what_is_listed_and_nothing_else() {
        for setback in SETBACKS {
            assert!(decided(&get(setback), &rules()).is_ok(), "{setback:?}");
            let none = Retries {
                on: On::default(),
                ..rules()
            };
            assert_eq!(decided(&get(setback), &none), Err(None), "{setback:?}");
            let off = Retries {
                limit: 0,
                ..rules()
            };
            assert_eq!(decided(&get(setback), &off), Err(None), "{setback:?}");
        }
        assert_eq!(decided(&get(Setback::Status(500)), &rules()), Err(None));
    }

    #[test]
    fn rfc9110_9_2_2_other_methods_are_repeated_only_if_nothing_was_done() {
        for setback in SETBACKS {
            let post = Attempted {
                idempotent: false,
                ..get(setback)
            };
            let wanted = setback == Setback::Connect;
            assert_eq!(decided(&post, &rules()).is_ok(), wanted, "{setback:?}");
            if !wanted {
                assert_eq!(decided(&post, &rules()), Err(Some(RetryResult::Method)));
            }
            let refused = Attempted {
                unprocessed: true,
                ..post
            };
            assert!(decided(&refused, &rules()).is_ok(), "{setback:?}");
            let trusting = Retries {
                non_idempotent: true,
                ..rules()
            };
            assert!(decided(&post, &trusting).is_ok(), "{setback:?}");
        }
    }

    #[test]
    fn an_upgrade_is_repeated_only_if_there_was_no_connection() {
        for setback in SETBACKS {
            let upgrade = Attempted {
                upgrade: true,
                ..get(setback)
            };
            let wanted = setback == Setback::Connect;
            for non_idempotent in [false, true] {
                let rules = Retries {
                    non_idempotent,
                    ..rules()
                };
                assert_eq!(decided(&upgrade, &rules).is_ok(), wanted, "{setback:?}");
            }
        }
    }

    #[test]
    fn nothing_is_repeated_once_a_part_of_an_answer_or_of_the_body_is_gone() {
        for setback in SETBACKS {
            let answered = Attempted {
                answered: true,
                ..get(setback)
            };
            assert_eq!(
                decided(&answered, &rules()),
                Err(Some(RetryResult::Answered))
            );
            let lost = Attempted {
                body_lost: true,
                ..get(setback)
            };
            assert_eq!(decided(&lost, &rules()), Err(Some(RetryResult::Body)));
        }
    }

    #[test]
    fn the_limit_counts_retries_and_the_budget_is_asked_last() {
        for (made, wanted) in [(0, true), (1, true), (2, false), (3, false)] {
            let attempted = Attempted {
                made,
                ..get(Setback::Reset)
            };
            assert_eq!(decided(&attempted, &rules()).is_ok(), wanted, "{made}");
        }
        let poor = decide(&get(Setback::Reset), &rules(), 1.0, || false);
        assert_eq!(poor, Decision::GiveUp(Some(RetryResult::Budget)));
        let late = Attempted {
            made: 2,
            ..get(Setback::Reset)
        };
        let unasked = decide(&late, &rules(), 1.0, || panic!("asked for nothing"));
        assert_eq!(unasked, Decision::GiveUp(Some(RetryResult::Limit)));
    }

    #[test]
    fn no_attempt_begins_that_could_not_end_in_time() {
        for (left, wanted) in [(19, false), (20, false), (21, true)] {
            let attempted = Attempted {
                left: Some(Duration::from_millis(left)),
                ..get(Setback::Reset)
            };
            assert_eq!(decided(&attempted, &rules()).is_ok(), wanted, "{left} ms");
        }
    }

    #[test]
    fn the_first_retry_after_a_failed_connect_goes_elsewhere_at_once() {
        for (setback, made, at_once, after) in [
            (Setback::Connect, 0, true, 20),
            (Setback::Connect, 1, false, 30),
            (Setback::Reset, 0, false, 20),
        ] {
            let attempted = Attempted {
                made,
                ..get(setback)
            };
            let again = Again {
                after: Duration::from_millis(after),
                elsewhere_at_once: at_once,
            };
            assert_eq!(decided(&attempted, &rules()), Ok(again), "{attempted:?}");
        }
    }
}
