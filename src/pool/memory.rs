//! What is remembered about a pool over reloads?

use std::sync::atomic::{AtomicU32, Ordering};

use super::health::ejection::Ejected;
use super::{breaker, fail_open};

/// What is remembered about a pool over reloads; what belongs to one endpoint is in
/// [`EndpointState`](super::EndpointState).
#[derive(Debug, Default)]
pub struct PoolState {
    /// Requests its endpoints are serving now.
    in_flight: AtomicU32,
    /// How many endpoints a request may choose among.
    endpoints: AtomicU32,
    /// Of the breaker for all of them together.
    pub(super) breaker: breaker::Memory,
    /// Which of them are ejected.
    pub(super) ejected: Ejected,
    /// Of their health as a whole.
    pub(super) fail_open: fail_open::Memory,
}

impl PoolState {
    /// Requests its endpoints are serving now.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// What is remembered of the breaker for all endpoints together (`breaker: { scope: pool }`).
    pub fn breaker(&self) -> &breaker::Memory {
        &self.breaker
    }

    /// How many endpoints a request may choose among, as the last request found it.
    pub(super) fn endpoints(&self) -> u32 {
        self.endpoints.load(Ordering::Relaxed)
    }

    /// Notes among how many endpoints a request chooses. Written only when that changes, for all threads read it.
    pub(super) fn chooses_among(&self, endpoints: u32) {
        if self.endpoints() != endpoints {
            self.endpoints.store(endpoints, Ordering::Relaxed);
        }
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
