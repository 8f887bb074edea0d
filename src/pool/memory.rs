//! What is remembered about a pool over reloads?

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What is remembered about a pool over reloads; what belongs to one endpoint is in
/// [`EndpointState`](super::EndpointState).
#[derive(Debug, Default)]
pub struct PoolState {
    /// Requests its endpoints are serving now.
    in_flight: AtomicU32,
    /// Whether it ever had a request to serve.
    has_served: AtomicBool,
}

impl PoolState {
    /// Requests its endpoints are serving now.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it ever had a request to serve: an endpoint that is new to it joins others that are warm.
    pub fn has_served(&self) -> bool {
        self.has_served.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self) {
        // Looked at first: a write would take the memory from the other threads each time.
        if !self.has_served() {
            self.has_served.store(true, Ordering::Relaxed);
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
