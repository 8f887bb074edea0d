//! Is an endpoint given a rest because its requests keep failing?

use std::time::Instant;

use super::Outcome;

/// Opens when requests to an endpoint keep failing, and lets some through to see whether it has recovered.
pub trait Breaker: Send + Sync {
    /// Whether a request would be let through now.
    fn admits(&self, now: Instant) -> bool;

    /// Lets one request through; false if it may not. Every `true` is followed by one [`record`](Self::record).
    fn acquire(&self, now: Instant) -> bool;

    /// Learns from a request that was let through.
    fn record(&self, outcome: Outcome, now: Instant);
}

/// The breaker of a pool that has none: it lets everything through.
#[derive(Debug)]
pub struct NeverOpens;

impl Breaker for NeverOpens {
    fn admits(&self, _: Instant) -> bool {
        true
    }

    fn acquire(&self, _: Instant) -> bool {
        true
    }

    fn record(&self, _: Outcome, _: Instant) {}
}
