//! What is one endpoint: its address and weight in this generation, and what outlives the generation?

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use prometheus::IntGauge;

use super::breaker::{self, Breaker};
use super::clock;
use super::health::{Health, ejection, verdict};
use super::latency;
use super::slots::Slots;
use super::sticky::Mark;
use super::{Address, PoolState};
use crate::telemetry::metrics::{BreakerMetrics, EjectionMetrics, EndpointMetrics, PoolMetrics};
use crate::upstream::Peer;

/// The share of an endpoint that has been there long enough.
pub const WHOLE: u32 = 1024;
/// The share with which a slow start begins.
const FLOOR: u32 = WHOLE / 10;

/// One address in a pool, as one generation sees it.
pub struct Endpoint {
    /// The address as text, for logs and metrics.
    pub name: Arc<str>,
    /// Its share of the requests, against the other weights.
    pub weight: u16,
    /// It is used when no endpoint of a lower number is available.
    pub priority: u8,
    /// Requests it may serve at once; `None` for no limit. What holds is the number of the generation in force.
    pub max_requests: Option<u32>,
    /// How long its share grows after it has joined or recovered.
    pub slow_start: Option<Duration>,
    /// How long its latency is remembered, as a time constant; `None` where the balancer does not go by it.
    pub decay: Option<Duration>,
    /// What it is known by to clients that come back, if the pool is sticky.
    pub mark: Option<Mark>,
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
    /// The metrics of its pool.
    pub pool_metrics: PoolMetrics,
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

impl Refusal {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::Unhealthy => "unhealthy",
            Self::Open => "open",
            Self::Full => "full",
        }
    }
}

impl Endpoint {
    /// Why it may not be used now, if so: measured health, the operator's drain, the breaker and the limits in one
    /// answer. `fail_open` looks past health.
    pub fn refusal(&self, now: Instant, fail_open: bool) -> Option<Refusal> {
        if self.state.is_drained() {
            Some(Refusal::Drained)
        } else {
            self.fault(now, fail_open)
        }
    }

    /// The same, whatever the operator's drain says: for clients that may stay at a drained endpoint.
    pub fn fault(&self, now: Instant, fail_open: bool) -> Option<Refusal> {
        if !fail_open && !self.health.is_usable(self, now) {
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
        self.state.slots.is_full()
    }

    /// Its part of [`WHOLE`] of what its weight gives it, now: all of it, unless it has joined or recovered within the
    /// time of slow start. Then it grows evenly from a tenth, as with Envoy's `slow_start_config`: with less it would not
    /// warm up.
    pub fn share(&self, now: Instant) -> u32 {
        let Some(window) = self.slow_start else {
            return WHOLE;
        };
        match self.state.risen_for(now) {
            Some(risen) if risen < window => {
                let done = risen.as_secs_f64() / window.as_secs_f64();
                FLOOR + (f64::from(WHOLE - FLOOR) * done) as u32
            }
            _ => WHOLE,
        }
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
    slots: Slots,
    drained: AtomicBool,
    /// When it joined or recovered, by the [`clock`]; 0 if it was there from the beginning.
    risen: AtomicU64,
    /// What its checks have said.
    pub verdict: verdict::Memory,
    /// When its failing was last told, in seconds of the wall clock.
    told: AtomicU64,
    /// How long its answers take.
    pub latency: latency::Memory,
    /// Of its breaker.
    pub breaker: breaker::Memory,
    /// Of its ejections.
    pub ejection: ejection::Memory,
}

impl EndpointState {
    /// Of an endpoint that may serve so many requests at once; `None` for no limit.
    pub fn limited(max_requests: Option<u32>) -> Self {
        Self {
            slots: Slots::new(max_requests),
            ..Self::default()
        }
    }

    /// Changes how many requests it may serve at once; `None` for no limit.
    pub(super) fn set_most(&self, max_requests: Option<u32>) {
        self.slots.set_most(max_requests);
    }

    /// Requests it is serving now.
    pub fn in_flight(&self) -> u32 {
        self.slots.taken()
    }

    /// Whether the operator wants no new request to go there.
    pub fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }

    /// Says whether new requests may go there; true if it was otherwise before.
    pub fn set_drained(&self, drained: bool) -> bool {
        self.drained.swap(drained, Ordering::SeqCst) != drained
    }

    /// Shows in a gauge whether it is drained.
    pub fn show_drained(&self, gauge: &IntGauge) {
        // Whoever sets it last looks again after that, so it stays at what is true.
        loop {
            let drained = self.drained.load(Ordering::SeqCst);
            gauge.set(i64::from(drained));
            if self.drained.load(Ordering::SeqCst) == drained {
                return;
            }
        }
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

    /// Counts one more; false if it serves as many as it may, or would serve more than `most` then.
    pub(super) fn begin_within(&self, most: u32) -> bool {
        self.slots.take_within(most)
    }

    pub(super) fn end(&self) {
        self.slots.give_back();
    }
}
