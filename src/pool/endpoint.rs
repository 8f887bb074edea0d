//! What is one endpoint: its address and weight in this generation, and what outlives the generation?

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use super::Address;
use super::breaker::Breaker;
use super::health::Health;
use crate::telemetry::metrics::EndpointMetrics;
use crate::upstream::Peer;

/// One address in a pool, as one generation sees it.
pub struct Endpoint {
    /// The address as text, for logs and metrics.
    pub name: Arc<str>,
    /// Its share of the requests, against the other weights.
    pub weight: u16,
    /// How it is connected to.
    pub peer: Peer,
    /// The `Host` of requests to it where the pool says `host: endpoint`.
    pub host: HeaderValue,
    /// What is made of what was measured.
    pub health: Box<dyn Health>,
    /// When it is given a rest.
    pub breaker: Box<dyn Breaker>,
    /// What outlives the generation.
    pub state: Arc<EndpointState>,
    /// Its metrics.
    pub metrics: EndpointMetrics,
}

impl Endpoint {
    /// Whether a request may go there now: measured health, the operator's drain and the breaker in one answer. Every
    /// balancer asks this and nothing else.
    pub fn available(&self, now: Instant) -> bool {
        self.health.is_usable(&self.state, now)
            && !self.state.is_drained()
            && self.breaker.admits(&self.state, now)
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.peer.address
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("weight", &self.weight)
            .finish_non_exhaustive()
    }
}

/// Which endpoint a memory belongs to. The weight is not part of it: an endpoint keeps its memory when it changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointKey {
    /// The pool's name: two pools may disagree about one address.
    pub pool: Arc<str>,
    /// The address.
    pub address: Address,
}

/// How often the failing of one endpoint is told.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What is remembered about an endpoint over reloads.
#[derive(Debug, Default)]
pub struct EndpointState {
    /// Requests it is serving now.
    in_flight: AtomicU32,
    drained: AtomicBool,
    /// When its failing was last told, in seconds of the wall clock.
    told: AtomicU64,
}

impl EndpointState {
    /// Requests it is serving now.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether the operator wants no new request to go there.
    pub fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }

    /// Says whether new requests may go there.
    pub fn set_drained(&self, drained: bool) {
        self.drained.store(drained, Ordering::Relaxed);
    }

    /// Whether its failing should be told: not within a minute after it was told before.
    pub fn tell_failing(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let last = self.told.load(Ordering::Relaxed);
        now.saturating_sub(last) >= TELL_EVERY.as_secs()
            && self
                .told
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
