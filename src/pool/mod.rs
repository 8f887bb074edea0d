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
pub mod fail_open;
pub mod health;
pub mod hedging;
pub mod key;
pub mod latency;
pub mod lease;
pub mod limits;
pub mod members;
pub mod memory;
pub mod outcome;
pub mod priority;
pub mod quantile;
pub mod queue;
pub mod retries;
pub mod slots;
#[cfg(test)]
pub(crate) mod staged;
pub mod sticky;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::HeaderValue;
use tokio::sync::Notify;

use crate::config::pool as config;
use crate::telemetry::metrics::PoolMetrics;
pub use address::Address;
pub use ask::{Ask, Wanted};
pub use endpoint::{Endpoint, EndpointState, Refusal};
pub use fail_open::FailOpen;
pub use key::KeyRule;
pub use lease::{Lease, Tried};
pub use limits::Limits;
pub use members::Members;
pub use memory::PoolState;
pub use outcome::{Blame, Ending, Lesson, Outcome};
pub use priority::Priority;
pub use sticky::{Sticky, Wish};

/// A named set of endpoints, as one generation sees it.
pub struct Pool {
    /// Its name.
    pub name: Arc<str>,
    /// What is spoken with its endpoints.
    pub protocol: Protocol,
    /// The `Host` its endpoints see.
    pub host: HostRule,
    /// What its balancer goes by, if it goes by the request.
    pub key: Option<KeyRule>,
    /// How long its endpoints may take.
    pub timeouts: Timeouts,
    /// How many unused connections a worker keeps for one endpoint, and how long.
    pub keepalive: Keepalive,
    /// How many requests it may serve at once, if there is a limit.
    pub limits: Option<Limits>,
    /// How an endpoint is chosen.
    pub balancer: config::Balancer,
    /// What its clients are known by when they come back.
    pub sticky: Option<Arc<Sticky>>,
    /// How its endpoints are asked whether they are well.
    pub check: Option<health::Check>,
    /// Told when it has other members.
    pub members_changed: Arc<Notify>,
    /// When an attempt that failed is made again, unless the route says otherwise.
    pub retries: retries::Retries,
    /// When a second endpoint is asked while the first has not answered yet.
    pub hedging: Option<hedging::Hedging>,
    /// Its metrics.
    pub metrics: PoolMetrics,
    /// What is remembered about it.
    pub state: Arc<PoolState>,
    /// When health is looked past; `None` for never.
    pub fail_open: Option<FailOpen>,
    /// Its endpoints as they are now.
    pub(crate) members: ArcSwap<Members>,
    /// When it was put in force.
    pub(crate) term: limits::Term,
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

/// How often a request that lost a race for an endpoint's last place within the balancer's bound keeps to the bound. After
/// that it may exceed it by one, so that all who lose together exceed it by one.
const BOUNDED: usize = 3;

/// Why no lease was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEndpoint {
    /// The pool has no endpoint at all now: no host name has been resolved yet, or every weight is 0.
    #[error("the pool has no endpoint")]
    Empty,
    /// There are endpoints, and none of them may be used.
    #[error("no endpoint is available")]
    Unavailable {
        /// How long until one of them may be, if that is known.
        retry_after: Option<Duration>,
    },
    /// There are endpoints that are well otherwise, and their breakers are open.
    #[error("the breakers of all endpoints that are left are open")]
    Open {
        /// How long until one of them may be tried at the latest; while trials are under way, which may end at any time, a
        /// second at most.
        retry_after: Option<Duration>,
    },
    /// As many requests are served as may be, or others wait already.
    #[error("no slot is free")]
    Full,
    /// It would have to wait, and the queue has no place.
    #[error("the queue is full")]
    QueueFull,
    /// It waited, and a request of a higher priority took its place in the queue.
    #[error("its place in the queue went to a request of a higher priority")]
    Displaced,
    /// It waited as long as it may.
    #[error("no slot came free in time")]
    QueueTimeout,
}

impl NoEndpoint {
    /// How long until there may be one, if that is known.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            NoEndpoint::Empty
            | NoEndpoint::Full
            | NoEndpoint::QueueFull
            | NoEndpoint::Displaced
            | NoEndpoint::QueueTimeout => None,
            NoEndpoint::Unavailable { retry_after } | NoEndpoint::Open { retry_after } => {
                retry_after
            }
        }
    }
}

impl Pool {
    /// The right to use an endpoint, as soon as there is a slot for it: in a pool with limits it waits behind those that
    /// came before. Dropping the future leaves the queue.
    ///
    /// # Errors
    ///
    /// [`NoEndpoint`] when there is none to wait for, no place to wait in, or the time is over.
    pub async fn lease(&self, wanted: &Wanted<'_>) -> Result<Lease, NoEndpoint> {
        match self.try_lease(wanted, Instant::now()) {
            Err(NoEndpoint::Full) => match &self.limits {
                Some(limits) => self.lease_in_turn(wanted, limits).await,
                // Its own generation has no limits; the one in force has.
                None => Err(NoEndpoint::QueueFull),
            },
            leased => leased,
        }
    }

    /// Chooses an endpoint that is available and not among those tried, and gives the right to use it once. It never
    /// overtakes requests that wait.
    ///
    /// # Errors
    ///
    /// [`NoEndpoint`] when there is none now.
    pub fn try_lease(&self, wanted: &Wanted<'_>, now: Instant) -> Result<Lease, NoEndpoint> {
        if self.limits.is_some() && !self.state.queue.is_empty() {
            let members = self.members.load();
            // Who can't be served anyway need not wait to hear it.
            return Err(self.why_none(&members, &self.ask(&members, wanted, now)));
        }
        self.choose(wanted, now)
    }

    /// Chooses as [`try_lease`](Self::try_lease), whoever waits.
    fn choose(&self, wanted: &Wanted<'_>, now: Instant) -> Result<Lease, NoEndpoint> {
        let members = self.members.load();
        if members.endpoints.is_empty() {
            return Err(NoEndpoint::Empty);
        }
        self.state.chooses_among(members.choices());
        let mut ask = self.ask(&members, wanted, now);
        let mut lease = self.take(&members, wanted, &ask);
        if lease.is_none() && !ask.fail_open && !self.state.slots.is_full() {
            // Endpoints may have become ill since they were counted.
            let rule = self.fail_open.as_ref();
            ask.fail_open =
                rule.is_some_and(|rule| rule.count(&self.state.fail_open, &members, now));
            if ask.fail_open {
                lease = self.take(&members, wanted, &ask);
            }
        }
        lease.ok_or_else(|| self.why_none(&members, &ask))
    }

    /// Takes the right to use the endpoint its client belongs to, or else one the balancer chooses.
    fn take(&self, members: &Members, wanted: &Wanted<'_>, ask: &Ask<'_>) -> Option<Lease> {
        let mut strays = false;
        if let (Some(sticky), Some(wish)) = (&self.sticky, wanted.wish) {
            match sticky.find(wish, members, ask) {
                sticky::Found::Endpoint(endpoint) => {
                    let lease = Lease::take(endpoint, u32::MAX, ask.now);
                    if lease.is_some() {
                        return lease;
                    }
                }
                sticky::Found::Full => strays = true,
                sticky::Found::Nowhere => {}
            }
        }
        // Between the choice and the permit another request may have taken a breaker's last trial, the last slot, or the
        // last place within the balancer's bound; then choose again. The last attempt knows no bound: it must not be in
        // the way of an answer.
        let last = members.endpoints.len() + 2 * BOUNDED;
        for attempt in 0..=last {
            if self.state.slots.is_full() {
                break;
            }
            let (endpoint, most) = members.pick(ask)?;
            let most = match attempt {
                _ if attempt == last => u32::MAX,
                ..BOUNDED => most,
                _ => most.saturating_add(1),
            };
            if let Some(mut lease) = Lease::take(endpoint, most, ask.now) {
                lease.strays = strays;
                return Some(lease);
            }
        }
        None
    }

    /// What is asked of these endpoints for such a request.
    fn ask<'a>(&self, members: &Members, wanted: &Wanted<'a>, now: Instant) -> Ask<'a> {
        let rule = self.fail_open.as_ref();
        Ask {
            now,
            tried: wanted.tried,
            key: wanted.key,
            fail_open: rule.is_some_and(|rule| rule.is_open(&self.state.fail_open, members, now)),
        }
    }

    /// Counts the healthy endpoints anew, for requests and the metric as well, and says whether health is looked past from
    /// now on; `None` where it never is.
    pub fn recount_health(&self, now: Instant) -> Option<bool> {
        let rule = self.fail_open.as_ref()?;
        Some(rule.count(&self.state.fail_open, &self.members.load(), now))
    }

    /// The endpoints as they are now.
    pub fn members(&self) -> Arc<Members> {
        self.members.load_full()
    }

    /// Puts other endpoints into the pool; leases that were given stay good.
    pub fn replace_members(&self, members: Members) {
        self.members.store(Arc::new(members));
        if self.is_in_force() {
            self.set_limits();
        }
        self.members_changed.notify_one();
    }
}
