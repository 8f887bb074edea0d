//! What was measured about an endpoint?

use std::time::Instant;

use super::{Endpoint, Lesson};

/// What was measured about an endpoint, by asking it or by watching its answers. As with the breaker, the rule belongs to
/// the generation, and the memory to the endpoint that is the argument.
pub trait Health: Send + Sync {
    /// Whether requests may go there.
    fn is_usable(&self, endpoint: &Endpoint, now: Instant) -> bool;

    /// Learns from an attempt.
    fn observe(&self, endpoint: &Endpoint, lesson: Lesson, now: Instant);
}

/// The health of a pool without checks: nothing is measured, and every endpoint may be used.
#[derive(Debug)]
pub struct Unchecked;

impl Health for Unchecked {
    fn is_usable(&self, _: &Endpoint, _: Instant) -> bool {
        true
    }

    fn observe(&self, _: &Endpoint, _: Lesson, _: Instant) {}
}
