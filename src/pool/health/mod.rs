//! What was measured about an endpoint?

use std::time::Instant;

use super::{EndpointState, Outcome};

/// What was measured about an endpoint, by asking it or by watching its answers. As with the breaker, the rule belongs to
/// the generation and the memory is an argument.
pub trait Health: Send + Sync {
    /// Whether requests may go there.
    fn is_usable(&self, memory: &EndpointState, now: Instant) -> bool;

    /// Learns from an attempt.
    fn observe(&self, memory: &EndpointState, outcome: Outcome, now: Instant);
}

/// The health of a pool without checks: nothing is measured, and every endpoint may be used.
#[derive(Debug)]
pub struct Unchecked;

impl Health for Unchecked {
    fn is_usable(&self, _: &EndpointState, _: Instant) -> bool {
        true
    }

    fn observe(&self, _: &EndpointState, _: Outcome, _: Instant) {}
}
