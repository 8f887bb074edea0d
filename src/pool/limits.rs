//! How many requests may a pool serve at once, and what becomes of those that are too many?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::queue::Called;
use super::{Ask, Endpoint, Lease, Members, NoEndpoint, Pool, Wanted};
use crate::telemetry::metrics::Counted;

/// How many requests a pool, or each of its endpoints, may serve at once. A pool without any limit has none of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attempts under way in the whole pool; `None` for no limit but those of its endpoints.
    pub requests: Option<u32>,
    /// How many requests may wait for a slot.
    pub queue: usize,
    /// How long a request may wait.
    pub queue_timeout: Duration,
    /// How often the first in line looks by itself: [`LOOK_EVERY`].
    pub look_every: Duration,
}

/// How often the first in line looks by itself. A slot that comes free wakes it at once; this is for what nobody calls
/// out: a breaker that lets requests through again, an endpoint that has recovered, a limit that was raised.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Which generation of a pool is in force.
#[derive(Debug, Default)]
pub struct Term(AtomicU64);

impl Pool {
    /// Takes note that this generation of the pool is in force now: its limits hold, also for requests of former
    /// generations, whose in-flight requests count as well.
    pub fn put_in_force(&self) {
        let term = self.state.term.0.fetch_add(1, Ordering::Relaxed) + 1;
        self.term.0.store(term, Ordering::Relaxed);
        self.set_limits();
    }

    pub(super) fn is_in_force(&self) -> bool {
        let term = self.term.0.load(Ordering::Relaxed);
        term > 0 && term == self.state.term.0.load(Ordering::Relaxed)
    }

    /// Puts the limits beside the counts.
    pub(super) fn set_limits(&self) {
        let requests = self.limits.and_then(|limits| limits.requests);
        self.state.slots.set_most(requests);
        for endpoint in &self.members.load().endpoints {
            endpoint.state.set_most(endpoint.max_requests);
        }
    }

    /// Gets a lease as soon as those who came before have theirs, and there is a slot.
    ///
    /// Dropping the future leaves the queue at any point; a slot that was about to be its own goes to the next.
    pub(super) async fn lease_in_turn(
        &self,
        wanted: &Wanted<'_>,
        limits: &Limits,
    ) -> Result<Lease, NoEndpoint> {
        let started = Instant::now();
        let in_time = started.checked_add(limits.queue_timeout);
        let limit = match (in_time, wanted.deadline) {
            (Some(one), Some(other)) => one.min(other),
            (one, other) => one.or(other).unwrap_or(started),
        };
        let queue = &self.state.queue;
        let entered = queue.enter(wanted.priority, limits.queue);
        let mut waiter = entered.ok_or(NoEndpoint::QueueFull)?;
        let _waiting = Counted::new(&self.metrics.queue_length);
        let mut timer = std::pin::pin!(tokio::time::sleep_until(limit.into()));
        loop {
            let refused = match waiter
                .called(limit, limits.look_every, timer.as_mut())
                .await
            {
                Called::Turn => None,
                Called::Displaced => Some(NoEndpoint::Displaced),
                Called::Late => Some(NoEndpoint::QueueTimeout),
            };
            let now = Instant::now();
            let waited = now.saturating_duration_since(started);
            if let Some(refused) = refused {
                self.metrics.queued(waited);
                return Err(refused);
            }
            match self.choose(wanted, now) {
                Ok(mut lease) => {
                    waiter.got_in(self.has_room(wanted, now));
                    self.metrics.queued(waited);
                    lease.waited = Some(waited);
                    return Ok(lease);
                }
                Err(NoEndpoint::Full) => {
                    waiter.failed(self.has_room(wanted, now));
                    // It may have a turn again already; however often, others on this thread go on.
                    tokio::task::coop::consume_budget().await;
                }
                Err(other) => {
                    self.metrics.queued(waited);
                    return Err(other);
                }
            }
        }
    }

    /// Why none of these endpoints was given: [`NoEndpoint::Full`] if a request that waits may get one.
    pub(super) fn why_none(&self, members: &Members, ask: &Ask<'_>) -> NoEndpoint {
        let may_be_full = self.limits.is_some() || self.state.slots.is_full();
        members.why_none(ask, may_be_full)
    }

    /// Whether a request that has tried nothing yet may find a slot. Of a former generation's pool that is not known:
    /// others may know other endpoints.
    fn has_room(&self, wanted: &Wanted<'_>, now: Instant) -> bool {
        if !self.is_in_force() {
            return true;
        }
        let members = self.members.load();
        let ask = self.ask(&members, wanted, now);
        let is_free = |endpoint: &Arc<Endpoint>| {
            endpoint.weight > 0 && endpoint.refusal(ask.now, ask.fail_open).is_none()
        };
        !self.state.slots.is_full() && members.endpoints.iter().any(is_free)
    }
}
