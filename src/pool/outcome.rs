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
    /// Before anything could be learnt from it.
    Untold,
}

impl Ending {
    /// What it teaches in general; a breaker may be told to see it otherwise.
    pub const fn outcome(self) -> Outcome {
        match self {
            Ending::Answered(status) => Outcome::of_status(status),
            Ending::Failed(reason) => Outcome::of_reason(reason),
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
        match reason {
            Reason::ConnectRefused
            | Reason::ConnectFailed
            | Reason::ConnectTimeout
            | Reason::UpstreamTls
            | Reason::UpstreamReset
            | Reason::UpstreamBadResponse
            | Reason::UpstreamIncomplete
            | Reason::UpstreamFirstByteTimeout
            | Reason::UpstreamReadTimeout
            | Reason::UpstreamWriteTimeout
            | Reason::TotalTimeout => Outcome::Failure,
            Reason::BadRequest
            | Reason::AmbiguousPath
            | Reason::MethodNotAllowed
            | Reason::HeaderTimeout
            | Reason::BodyTimeout
            | Reason::BodyTooLarge
            | Reason::UriTooLong
            | Reason::HeaderTooLarge
            | Reason::ClientGone
            | Reason::NoRoute
            | Reason::NoEndpoint
            | Reason::QueueFull
            | Reason::QueueTimeout
            | Reason::BreakerOpen
            | Reason::Internal => Outcome::Neutral,
        }
    }
}
