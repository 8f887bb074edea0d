//! What is remembered about a pool over reloads?

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use super::budget::Budget;
use super::latency::Latency;

/// What is remembered about a pool over reloads; what belongs to one endpoint is in
/// [`EndpointState`](super::EndpointState).
#[derive(Debug, Default)]
pub struct PoolState {
    /// Requests its endpoints are serving now.
    in_flight: AtomicU32,
    /// What it was asked, and what it was asked again.
    pub retries: Budget,
    /// What could be asked of two endpoints, and what was.
    pub hedges: Budget,
    /// How long its answers take; only there if someone wants to know.
    latency: OnceLock<Arc<Latency>>,
}

impl PoolState {
    /// Requests its endpoints are serving now.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How long its answers take.
    pub fn latency(&self) -> Arc<Latency> {
        Arc::clone(self.latency.get_or_init(Arc::default))
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
