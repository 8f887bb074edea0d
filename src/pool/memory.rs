//! What is remembered about a pool over reloads?

use std::sync::atomic::{AtomicBool, Ordering};

use super::limits::Term;
use super::queue::Queue;
use super::slots::Slots;

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

    pub(super) fn end(&self) {
        self.slots.give_back();
    }
}
