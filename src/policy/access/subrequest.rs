//! What does a policy ask another service, and who reads its answer?
//!
//! A policy knows no connections. It says what is to be asked, and of which pool; `proxy/subrequest.rs` asks, and hands the
//! answer back to whoever the policy has named.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};

use super::{Granted, Reply, Ruling};
use crate::error::Reason;
use crate::pool::Pool;

/// A question to a service, without body. `Host`, `X-Forwarded-Host` and `X-Request-ID` are added when it is asked.
pub struct Subrequest {
    /// Its pool, which speaks HTTP/1.1.
    pub pool: Arc<Pool>,
    /// The method: an idempotent one, for a lost connection is tried again.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Everything else it is told.
    pub fields: HeaderMap,
    /// What a consistent balancer of the pool goes by.
    pub key: Option<u64>,
    /// How long it may take, all attempts together.
    pub timeout: Duration,
    /// Who reads the answer.
    pub judge: Arc<dyn Judge>,
}

/// Who reads a service's answer.
pub trait Judge: Send + Sync {
    /// What follows from it.
    fn judge(&self, answered: Result<Reply, Unanswered>, granted: &mut Granted) -> Ruling;
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// As it is counted for the service's pool.
    pub reason: Reason,
    /// How long until there may be an endpoint, if there is none now and that is known.
    pub retry_after: Option<Duration>,
}

impl From<Reason> for Unanswered {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            retry_after: None,
        }
    }
}
