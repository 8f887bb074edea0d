//! What is remembered about a pool over reloads?

use std::sync::atomic::{AtomicU32, Ordering};

use super::budget::Budget;

/// What is remembered about a pool over reloads; what belongs to one endpoint is in
/// [`EndpointState`](super::EndpointState).
#[derive(Debug, Default)]
pub struct PoolState {
    /// Requests its endpoints are serving now.
    in_flight: AtomicU32,
    /// What it was asked, and what it was asked again.
    pub retries: Budget,
}

impl PoolState {
    /// Requests its endpoints are serving now.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
