//! What is one endpoint: its address and weight in this generation, and what outlives the generation?

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use super::breaker::{self, Breaker};
use super::clock;
use super::health::{Health, ejection};
use super::{Address, PoolState};
use crate::telemetry::metrics::{BreakerMetrics, EjectionMetrics, EndpointMetrics};
use crate::upstream::Peer;

/// One address in a pool, as one generation sees it.
pub struct Endpoint {
    /// The address as text, for logs and metrics.
    pub name: Arc<str>,
    /// Its share of the requests, against the other weights.
    pub weight: u16,
    /// It is used when no endpoint of a lower number is available.
    pub priority: u8,
    /// Requests it may serve at once; `None` for no limit.
    pub max_requests: Option<u32>,
    /// How long its share grows after it has joined or recovered.
    pub slow_start: Option<Duration>,
    /// How it is connected to.
    pub peer: Peer,
    /// The `Host` of requests to it where the pool says `host: endpoint`.
    pub host: HeaderValue,
    /// What is made of what was measured.
    pub health: Arc<dyn Health>,
    /// When it is given a rest.
    pub breaker: Arc<dyn Breaker>,
    /// What outlives the generation.
    pub state: Arc<EndpointState>,
    /// What is remembered about its pool.
    pub pool: Arc<PoolState>,
    /// Its metrics.
    pub metrics: EndpointMetrics,
    /// The metrics of what may keep requests from it.
    pub guards: GuardMetrics,
}

/// The metrics of what may keep requests from an endpoint, where its pool has it.
#[derive(Clone, Debug, Default)]
pub struct GuardMetrics {
    /// Of its breaker, or of its pool's.
    pub breaker: Option<BreakerMetrics>,
    /// Of its ejections.
    pub ejection: Option<EjectionMetrics>,
}

/// Why an endpoint may not be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The operator wants no new request to go there.
    Drained,
    /// It is known to be ill.
    Unhealthy,
    /// Its breaker is open.
    Open,
    /// It serves as many requests as it may.
    Full,
}

impl Endpoint {
    /// Why it may not be used now, if so: measured health, the operator's drain, the breaker and the limits in one
    /// answer. `fail_open` looks past health.
    pub fn refusal(&self, now: Instant, fail_open: bool) -> Option<Refusal> {
        if self.state.is_drained() {
            Some(Refusal::Drained)
        } else if !fail_open && !self.health.is_usable(self, now) {
            Some(Refusal::Unhealthy)
        } else if !self.breaker.admits(self, now) {
            Some(Refusal::Open)
        } else if self.is_full() {
            Some(Refusal::Full)
        } else {
            None
        }
    }

    /// Whether it serves as many requests as it may.
    pub fn is_full(&self) -> bool {
        self.max_requests
            .is_some_and(|most| self.state.in_flight() >= most)
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
    /// When it joined or recovered, by the [`clock`]; 0 if it was there from the beginning.
    risen: AtomicU64,
    /// When its failing was last told, in seconds of the wall clock.
    told: AtomicU64,
    /// Of its breaker.
    pub breaker: breaker::Memory,
    /// Of its ejections.
    pub ejection: ejection::Memory,
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

    /// Notes that it has joined a pool that serves already, or has recovered: its share grows from now.
    pub fn rises(&self, now: Instant) {
        self.risen
            .store(clock::millis(now).max(1), Ordering::Relaxed);
    }

    /// How long ago it joined or recovered; `None` if it was there from the beginning.
    pub fn risen_for(&self, now: Instant) -> Option<Duration> {
        let risen = self.risen.load(Ordering::Relaxed);
        (risen > 0).then(|| Duration::from_millis(clock::millis(now).saturating_sub(risen)))
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
