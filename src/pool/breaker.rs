//! Is an endpoint given a rest because its requests keep failing?

use std::time::Instant;

use super::{EndpointState, Outcome};

/// Opens when requests to an endpoint keep failing, and lets some through to see whether it has recovered.
///
/// The rule and its numbers belong to the generation; what happened is in the endpoint's memory, which is an argument. So
/// a reload changes numbers and forgets nothing.
pub trait Breaker: Send + Sync {
    /// Whether a request would be let through now.
    fn admits(&self, memory: &EndpointState, now: Instant) -> bool;

    /// Lets one request through; false if it may not. Every `true` is followed by one [`record`](Self::record).
    fn acquire(&self, memory: &EndpointState, now: Instant) -> bool;

    /// Learns from a request that was let through.
    fn record(&self, memory: &EndpointState, outcome: Outcome, now: Instant);
}

/// The breaker of a pool that has none: it lets everything through.
#[derive(Debug)]
pub struct NeverOpens;

impl Breaker for NeverOpens {
    fn admits(&self, _: &EndpointState, _: Instant) -> bool {
        true
    }

    fn acquire(&self, _: &EndpointState, _: Instant) -> bool {
        true
    }

    fn record(&self, _: &EndpointState, _: Outcome, _: Instant) {}
}
