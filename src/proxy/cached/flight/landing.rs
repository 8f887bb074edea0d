//! What came of asking an endpoint?

use std::sync::Arc;

use http::{HeaderMap, StatusCode, Version};

use crate::cache::Object;
use crate::cache::rules::{Refusal, Terms};
use crate::error::{ProxyError, Reason};
use crate::proxy::fetch::Told;

/// What came of asking.
#[derive(Clone)]
pub enum Landing {
    /// An answer.
    Answer(Arc<Answer>),
    /// The stored object was found to be good again.
    Good {
        /// The object, as it is now.
        object: Arc<Object>,
        /// How that was found out.
        told: Box<Told>,
        /// Whether what was said of it is for others as well.
        shared: bool,
    },
    /// No answer.
    Failed(ProxyError, Box<Told>),
}

impl Landing {
    /// Whether another who asks may fare better: the endpoint has failed with this one request.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Good { .. } => false,
            Self::Answer(answer) => match answer.kept {
                Err(NotKept::Refused(refusal)) => {
                    answer.status.is_server_error() && !refusal.lasting()
                }
                _ => false,
            },
            Self::Failed(error, _) => !shared(error.reason),
        }
    }
}

/// Whether a failure is that of all who waited: the pool could not be reached, whoever asks.
fn shared(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NoEndpoint
            | Reason::BreakerOpen
            | Reason::QueueFull
            | Reason::QueueTimeout
            | Reason::ConnectTimeout
            | Reason::UpstreamFirstByteTimeout
            | Reason::TotalTimeout
    )
}

/// An endpoint's answer, without its body.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its fields, without those of the connection.
    pub fields: HeaderMap,
    /// Those that only the request has that led to it.
    pub unshared: HeaderMap,
    /// Whether it said how old it is.
    pub aged: bool,
    /// The version of HTTP it came in.
    pub version: Version,
    /// How long its body is, if that is said.
    pub length: Option<u64>,
    /// How it is stored, or why not.
    pub kept: Result<Kept, NotKept>,
    /// How it was fetched.
    pub told: Told,
}

/// How an answer is stored.
pub struct Kept {
    /// On which terms.
    pub terms: Terms,
    /// The key of this variant.
    pub key: Box<[u8]>,
    /// Its hash.
    pub hash: u128,
    /// By which fields of the request it varies.
    pub varies: Box<[http::HeaderName]>,
}

/// Why an answer is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// By the rules.
    Refused(Refusal),
    /// It is larger than the route allows, or than there is room for.
    TooLarge,
    /// It is a part, kept with others of its kind if it may be.
    Part,
}

impl NotKept {
    /// The word for it in `Cache-Status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.as_str(),
            Self::TooLarge => "too-large",
            Self::Part => "partial",
        }
    }
}
