//! What was measured about an endpoint?

use std::time::Instant;

use super::Outcome;

/// What was measured about an endpoint, by asking it or by watching its answers.
pub trait Health: Send + Sync {
    /// Whether requests may go there.
    fn is_usable(&self) -> bool;

    /// Learns from an attempt.
    fn observe(&self, outcome: Outcome, now: Instant);
}

/// The health of a pool without checks: nothing is measured, and every endpoint may be used.
#[derive(Debug)]
pub struct Unchecked;

impl Health for Unchecked {
    fn is_usable(&self) -> bool {
        true
    }

    fn observe(&self, _: Outcome, _: Instant) {}
}
