//! Who may use an endpoint, and how is that right given back whatever happens?

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::breaker::Permit;
use super::{Ending, Endpoint, Lesson, Outcome};

/// The right to use one endpoint for one attempt: a slot among its in-flight requests, a permit of its breaker, a clock.
/// Given back by drop, so that a panic, a time-out or a lost client gives it back as well.
#[derive(Debug)]
pub struct Lease {
    endpoint: Arc<Endpoint>,
    permit: Permit,
    taken: Instant,
    /// From when on its answer was waited for, as far as the endpoint could give one.
    asked: Instant,
    /// Whether it is known what the attempt taught.
    settled: bool,
    /// Whether the client belongs to another endpoint, which only had no room for it now.
    pub(super) strays: bool,
    /// How long the request waited for it in the queue of the pool, if it had to.
    pub(super) waited: Option<Duration>,
}

/// A slot of an endpoint and one of its pool, given back by drop unless they are kept.
struct Reserved<'e> {
    endpoint: &'e Endpoint,
    kept: bool,
}

impl<'e> Reserved<'e> {
    fn take(endpoint: &'e Endpoint, most: u32) -> Option<Self> {
        // The pool first: what is bounded by its count must never be ahead of it.
        if !endpoint.pool.begin() {
            return None;
        }
        if !endpoint.state.begin_within(most) {
            endpoint.pool.end();
            endpoint.pool.queue.call();
            return None;
        }
        Some(Self {
            endpoint,
            kept: false,
        })
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.kept {
            give_back(self.endpoint);
            // For this moment somebody else may have found no slot.
            self.endpoint.pool.queue.call();
        }
    }
}

fn give_back(endpoint: &Endpoint) {
    endpoint.state.end();
    endpoint.pool.end();
}

impl Lease {
    /// Takes the right if there is still a slot, the endpoint serves at most `most` requests with this one, and the
    /// breaker still permits it.
    pub(super) fn take(endpoint: &Arc<Endpoint>, most: u32, now: Instant) -> Option<Self> {
        let mut reserved = Reserved::take(endpoint, most)?;
        let permit = endpoint.breaker.acquire(endpoint, now)?;
        reserved.kept = true;
        if endpoint.decay.is_some() {
            endpoint.state.latency.asked();
        }
        endpoint.metrics.in_flight.inc();
        Some(Self {
            endpoint: Arc::clone(endpoint),
            permit,
            taken: now,
            asked: now,
            settled: false,
            waited: None,
            strays: false,
        })
    }

    /// How long the request waited for it in the queue of the pool, if it had to.
    pub fn waited(&self) -> Option<Duration> {
        self.waited
    }

    /// Whether the client belongs to another endpoint, which only had no room for it now: it is to go there again.
    pub fn strays(&self) -> bool {
        self.strays
    }

    /// The endpoint it is for.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// When it was taken.
    pub fn taken(&self) -> Instant {
        self.taken
    }

    /// Says that a piece of the request has come from the client only now. What came before was no waiting for the
    /// endpoint, but for `worked`, which is what connecting to it took.
    pub fn asked_at(&mut self, now: Instant, worked: Duration) {
        let asked = now.checked_sub(worked);
        self.asked = asked.map_or(self.asked, |asked| asked.max(self.asked));
    }

    /// Says what the attempt taught; the first word counts. Called at the response's header, before the body: a client
    /// that reads slowly must not make the endpoint look slow, and one that sends slowly must not either.
    pub fn settle(&mut self, ending: Ending, now: Instant) {
        if !self.settled {
            self.settled = true;
            let lesson = Lesson {
                ending,
                took: now.saturating_duration_since(self.asked),
            };
            let endpoint = &self.endpoint;
            // The breaker first: a rule of health that panics must not keep its permit.
            endpoint.breaker.record(endpoint, self.permit, lesson, now);
            if let Some(decay) = endpoint.decay {
                endpoint.state.latency.learn(lesson, decay, now);
            }
            endpoint.health.observe(endpoint, lesson, now);
            let metrics = &self.endpoint.metrics;
            match ending.outcome() {
                Outcome::Success => metrics.success.inc(),
                Outcome::Failure => metrics.failure.inc(),
                // Among failures it would be an alarm wherever hedging does what it should.
                Outcome::Neutral | Outcome::Outrun => metrics.neutral.inc(),
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // First, so that no rule of health or breaker that panics can keep the slot.
        self.endpoint.metrics.in_flight.dec();
        give_back(&self.endpoint);
        if !self.settled {
            // Nobody learnt anything, for instance because the client went away: neutral.
            self.settle(Ending::Untold, Instant::now());
        }
        // Last, so that whoever is next finds the breaker's permit as well.
        self.endpoint.pool.queue.call();
    }
}

/// The endpoints a request has tried already.
#[derive(Debug, Default)]
pub struct Tried {
    endpoints: Vec<Arc<Endpoint>>,
}

impl Tried {
    /// Remembers one, if it is not there yet.
    pub fn insert(&mut self, endpoint: &Arc<Endpoint>) {
        if !self.contains(endpoint) {
            self.endpoints.push(Arc::clone(endpoint));
        }
    }

    /// Whether it was tried.
    pub fn contains(&self, endpoint: &Arc<Endpoint>) -> bool {
        self.endpoints
            .iter()
            .any(|tried| Arc::ptr_eq(tried, endpoint))
    }

    /// How many were tried.
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether none was tried.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }
}
