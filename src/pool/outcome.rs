//! What did an attempt teach us about the endpoint?

use std::time::Duration;

use crate::error::Reason;

/// How an attempt ended, up to the response's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a response of this status code.
    Answered(u16),
    /// With a failure.
    Failed(Reason),
    /// Without an answer, when another endpoint that was asked later had one: it was a first attempt, and hedged.
    Outrun,
    /// Before anything could be learnt from it.
    Untold,
}

impl Ending {
    /// What it teaches in general; a breaker may be told to see it otherwise.
    pub const fn outcome(self) -> Outcome {
        match self {
            Ending::Answered(status) => Outcome::of_status(status),
            Ending::Failed(reason) => Outcome::of_reason(reason),
            Ending::Outrun => Outcome::Outrun,
            Ending::Untold => Outcome::Neutral,
        }
    }
}

/// What health, breaker and latency learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// How the attempt ended.
    pub ending: Ending,
    /// How long that took, connecting included, without the time the client took to send its request.
    pub took: Duration,
}

/// What an attempt taught us about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Success,
    /// It refused, broke off, took too long, or said itself that it can't (502, 503, 504).
    Failure,
    /// Nothing by itself, for any endpoint is the slower one now and then. One that does nothing else hangs.
    Outrun,
    /// Nothing: the client went away, or the fault was not the endpoint's.
    Neutral,
}

impl Outcome {
    /// What a response's status code teaches.
    pub const fn of_status(status: u16) -> Self {
        match status {
            502..=504 => Outcome::Failure,
            _ => Outcome::Success,
        }
    }

    /// What a failed attempt teaches.
    pub const fn of_reason(reason: Reason) -> Self {
        match Blame::of(reason) {
            Some(_) => Outcome::Failure,
            None => Outcome::Neutral,
        }
    }
}

/// What an endpoint is to blame for when an attempt failed. Outcome, breaker and retries all go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// There was no connection, TLS included, so nothing of the request was sent.
    Connect,
    /// The connection was lost before the answer's header was there.
    Reset,
    /// The answer was no HTTP, or broke off.
    Broken,
    /// The request was not taken, or its answer did not begin, in time.
    Late,
    /// Time was over when another attempt could not help any more: the answer had begun, or it was the time of the
    /// whole request.
    TooLate,
}

impl Blame {
    /// What the endpoint is to blame for if an attempt failed for this reason; `None` if it was not its fault.
    pub const fn of(reason: Reason) -> Option<Self> {
        match reason {
            Reason::ConnectRefused
            | Reason::ConnectFailed
            | Reason::ConnectTimeout
            | Reason::UpstreamTls => Some(Blame::Connect),
            Reason::UpstreamReset => Some(Blame::Reset),
            Reason::UpstreamBadResponse | Reason::UpstreamIncomplete => Some(Blame::Broken),
            Reason::UpstreamFirstByteTimeout | Reason::UpstreamWriteTimeout => Some(Blame::Late),
            Reason::UpstreamReadTimeout | Reason::TotalTimeout => Some(Blame::TooLate),
            // All by name: a new reason is to be given its place here.
            Reason::BadRequest
            | Reason::AmbiguousPath
            | Reason::MethodNotAllowed
            | Reason::HeaderTimeout
            | Reason::BodyTimeout
            | Reason::BodyTooLarge
            | Reason::UriTooLong
            | Reason::HeaderTooLarge
            | Reason::ClientGone
            | Reason::ClientTooSlow
            | Reason::BodyTooSlow
            | Reason::IpDenied
            | Reason::RateLimited
            | Reason::Unauthenticated
            | Reason::Forbidden
            | Reason::AuthUnavailable
            | Reason::AuthUnavailableForbidden
            | Reason::Overloaded
            | Reason::NoRoute
            | Reason::NoEndpoint
            | Reason::QueueFull
            | Reason::QueueTimeout
            | Reason::BreakerOpen
            | Reason::NotCached
            | Reason::ProcessEnded
            | Reason::Internal => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pool::breaker::Failures;
    use crate::pool::retries::Setback;

    /// What the three who learn from a failed attempt make of its reason: the outcome, the words of a breaker's list
    /// under which it is a failure, and the setback.
    fn lessons(reason: Reason) -> (Outcome, Vec<&'static str>, Option<Setback>) {
        let none = Failures::default();
        let words = [
            (
                "connect",
                Failures {
                    connect: true,
                    ..none.clone()
                },
            ),
            (
                "timeout",
                Failures {
                    timeout: true,
                    ..none.clone()
                },
            ),
            (
                "reset",
                Failures {
                    reset: true,
                    ..none
                },
            ),
        ];
        let lesson = Lesson {
            ending: Ending::Failed(reason),
            took: Duration::ZERO,
        };
        let failed = words.iter().filter(|(_, list)| {
            let outcome = list.verdict(lesson, None).outcome;
            assert_ne!(outcome, Outcome::Success, "{reason}");
            outcome == Outcome::Failure
        });
        let words = failed.map(|(word, _)| *word).collect();
        (lesson.ending.outcome(), words, Setback::of(reason))
    }

    #[test]
    fn every_reason_teaches_outcome_breaker_and_retries_what_belongs_together() {
        for reason in Reason::ALL {
            let (words, setback) = match reason.as_str() {
                "connect_refused" | "connect_failed" | "connect_timeout" | "upstream_tls" => {
                    (vec!["connect"], Some(Setback::Connect))
                }
                "upstream_reset" => (vec!["reset"], Some(Setback::Reset)),
                "upstream_bad_response" | "upstream_incomplete" => (vec!["reset"], None),
                "upstream_first_byte_timeout" | "upstream_write_timeout" => {
                    (vec!["timeout"], Some(Setback::Timeout))
                }
                "upstream_read_timeout" | "total_timeout" => (vec!["timeout"], None),
                _ => (vec![], None),
            };
            let outcome = match words.is_empty() {
                true => Outcome::Neutral,
                false => Outcome::Failure,
            };
            assert_eq!(lessons(*reason), (outcome, words, setback), "{reason}");
        }
    }
}
