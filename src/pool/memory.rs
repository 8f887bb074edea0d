//! What is remembered about a pool over reloads?

use super::limits::Term;
use super::queue::Queue;
use super::slots::Slots;

/// What is remembered about a pool over reloads; what belongs to one endpoint is in
/// [`EndpointState`](super::EndpointState).
#[derive(Debug, Default)]
pub struct PoolState {
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

    /// Requests its endpoints are serving now.
    pub fn in_flight(&self) -> u32 {
        self.slots.taken()
    }

    /// Counts one more; false if it serves as many as it may.
    pub(super) fn begin(&self) -> bool {
        self.slots.take()
    }

    pub(super) fn end(&self) {
        self.slots.give_back();
    }
}
