//! Is an endpoint given a rest because its requests keep failing?

use std::time::Instant;

use super::{Endpoint, Lesson};

/// Opens when requests to an endpoint keep failing, and lets some through to see whether it has recovered.
///
/// The rule and its numbers belong to the generation; what happened is in the memory of the endpoint that is the argument. So
/// a reload changes numbers and forgets nothing.
pub trait Breaker: Send + Sync {
    /// Whether a request would be let through now.
    fn admits(&self, endpoint: &Endpoint, now: Instant) -> bool;

    /// Lets one request through; false if it may not. Every `true` is followed by one [`record`](Self::record).
    fn acquire(&self, endpoint: &Endpoint, now: Instant) -> bool;

    /// Learns from a request that was let through.
    fn record(&self, endpoint: &Endpoint, lesson: Lesson, now: Instant);
}

/// The breaker of a pool that has none: it lets everything through.
#[derive(Debug)]
pub struct NeverOpens;

impl Breaker for NeverOpens {
    fn admits(&self, _: &Endpoint, _: Instant) -> bool {
        true
    }

    fn acquire(&self, _: &Endpoint, _: Instant) -> bool {
        true
    }

    fn record(&self, _: &Endpoint, _: Lesson, _: Instant) {}
}
