//! What is remembered about a pool over reloads?

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use super::budget::Budget;
use super::health::ejection::Ejected;
use super::limits::Term;
use super::quantile::FirstBytes;
use super::queue::Queue;
use super::slots::Slots;
use super::{breaker, fail_open};

/// What is remembered about a pool over reloads; what belongs to one endpoint is in
/// [`EndpointState`](super::EndpointState).
#[derive(Debug, Default)]
pub struct PoolState {
    /// Whether it ever had a request to serve.
    has_served: AtomicBool,
    /// Requests its endpoints are serving now.
    pub(super) slots: Slots,
    /// Those that wait for a slot.
    pub(super) queue: Queue,
    /// The generation in force.
    pub(super) term: Term,
    /// How many endpoints a request may choose among.
    endpoints: AtomicU32,
    /// Of the breaker for all of them together.
    pub(super) breaker: breaker::Memory,
    /// Which of them are ejected.
    pub(super) ejected: Ejected,
    /// Of their health as a whole.
    pub(super) fail_open: fail_open::Memory,
    /// What it was asked, and what it was asked again.
    pub retry_budget: Budget,
    /// What could be asked of two endpoints, and what was.
    pub hedges: Budget,
    /// How long its answers take; only there if someone wants to know.
    first_bytes: OnceLock<Arc<FirstBytes>>,
}

impl PoolState {
    /// Of a pool that may serve so many requests at once; `None` for no limit.
    pub fn limited(requests: Option<u32>) -> Self {
        Self {
            slots: Slots::new(requests),
            ..Self::default()
        }
    }

    /// Whether it ever had a request to serve: an endpoint that is new to it joins others that are warm.
    pub fn has_served(&self) -> bool {
        self.has_served.load(Ordering::Relaxed)
    }

    /// Requests its endpoints are serving now.
    pub fn in_flight(&self) -> u32 {
        self.slots.taken()
    }

    /// Counts one more; false if it serves as many as it may.
    pub(super) fn begin(&self) -> bool {
        // Looked at first: a write would take the memory from the other threads each time.
        if !self.has_served() {
            self.has_served.store(true, Ordering::Relaxed);
        }
        self.slots.take()
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

    /// How long its answers take.
    pub fn first_bytes(&self) -> Arc<FirstBytes> {
        Arc::clone(self.first_bytes.get_or_init(Arc::default))
    }

    pub(super) fn end(&self) {
        self.slots.give_back();
    }
}
