//! Which endpoint serves this request, and what did we learn from it?
//!
//! A [`Pool`] hands out a [`Lease`]: the right to use one endpoint for one attempt. The balancer chooses among the
//! endpoints that are [available](Endpoint::refusal); the lease's [`Outcome`] teaches health and breaker.

pub mod address;
pub mod ask;
pub mod balancer;
pub mod breaker;
pub mod budget;
pub mod clock;
pub mod discovery;
pub mod endpoint;
pub mod health;
pub mod hedging;
pub mod latency;
pub mod lease;
pub mod members;
pub mod memory;
pub mod outcome;
pub mod retries;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::HeaderValue;

use crate::telemetry::metrics::PoolMetrics;
pub use address::Address;
pub use ask::{Ask, Wanted};
pub use endpoint::{Endpoint, EndpointState, Refusal};
pub use lease::{Lease, Tried};
pub use members::Members;
pub use memory::PoolState;
pub use outcome::{Ending, Lesson, Outcome};

/// A named set of endpoints, as one generation sees it.
pub struct Pool {
    /// Its name.
    pub name: Arc<str>,
    /// What is spoken with its endpoints.
    pub protocol: Protocol,
    /// The `Host` its endpoints see.
    pub host: HostRule,
    /// How long its endpoints may take.
    pub timeouts: Timeouts,
    /// How many unused connections a worker keeps for one endpoint, and how long.
    pub keepalive: Keepalive,
    /// When an attempt that failed is made again, unless the route says otherwise.
    pub retries: retries::Retries,
    /// When a second endpoint is asked while the first has not answered yet.
    pub hedging: Option<hedging::Hedging>,
    /// Its metrics.
    pub metrics: PoolMetrics,
    /// What is remembered about it.
    pub state: Arc<PoolState>,
    /// Its endpoints as they are now.
    pub(crate) members: ArcSwap<Members>,
}

/// What is spoken with the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The `Host` the endpoints see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// The client's.
    Keep,
    /// The address of the endpoint.
    Endpoint,
    /// This one.
    Fixed(HeaderValue),
}

/// How long an endpoint may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Opening a connection, TLS included.
    pub connect: Duration,
    /// From the sent request to the response's header.
    pub first_byte: Duration,
    /// Between two pieces of the response's body.
    pub read: Duration,
    /// How long it may take no byte of the request.
    pub write: Duration,
    /// The whole request; `None` for no limit.
    pub total: Option<Duration>,
}

/// Connections kept open between requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// How long an unused connection is kept; `None` to keep none.
    pub idle: Option<Duration>,
    /// Unused connections kept for one endpoint by one worker.
    pub connections: usize,
}

/// Why no lease was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEndpoint {
    /// The pool has no endpoint at all now: no host name has been resolved yet, or every weight is 0.
    #[error("the pool has no endpoint")]
    Empty,
    /// There are endpoints, and none of them may be used.
    #[error("no endpoint is available")]
    Unavailable,
}

impl Pool {
    /// The right to use an endpoint, as soon as there is one.
    ///
    /// # Errors
    ///
    /// [`NoEndpoint`] when there is none to wait for.
    pub async fn lease(&self, wanted: &Wanted<'_>) -> Result<Lease, NoEndpoint> {
        self.try_lease(wanted, Instant::now())
    }

    /// Chooses an endpoint that is available and not among those tried, and gives the right to use it once.
    ///
    /// # Errors
    ///
    /// [`NoEndpoint`] when there is none now.
    pub fn try_lease(&self, wanted: &Wanted<'_>, now: Instant) -> Result<Lease, NoEndpoint> {
        let members = self.members.load();
        if members.endpoints.is_empty() {
            return Err(NoEndpoint::Empty);
        }
        let ask = Ask {
            now,
            tried: wanted.tried,
            key: wanted.key,
            fail_open: false,
        };
        // Between the choice and the permit another request may have taken a breaker's last trial; then choose again.
        for _ in 0..members.endpoints.len() {
            let endpoint = members.pick(&ask).ok_or(NoEndpoint::Unavailable)?;
            if let Some(lease) = Lease::take(endpoint, now) {
                return Ok(lease);
            }
        }
        Err(NoEndpoint::Unavailable)
    }

    /// The endpoints as they are now.
    pub fn members(&self) -> Arc<Members> {
        self.members.load_full()
    }

    /// Puts other endpoints into the pool; leases that were given stay good.
    pub fn replace_members(&self, members: Members) {
        self.members.store(Arc::new(members));
    }
}
