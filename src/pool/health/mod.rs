//! What was measured about an endpoint?

pub mod ejection;

use std::time::{Duration, Instant};

use super::{Endpoint, Lesson};

/// What was measured about an endpoint, by asking it or by watching its answers. As with the breaker, the rule belongs to
/// the generation, and the memory to the endpoint that is the argument.
pub trait Health: Send + Sync {
    /// Whether requests may go there.
    fn is_usable(&self, endpoint: &Endpoint, now: Instant) -> bool;

    /// Learns from an attempt.
    fn observe(&self, endpoint: &Endpoint, lesson: Lesson, now: Instant);

    /// How long until requests may go there again, if that is known.
    fn due_in(&self, _: &Endpoint, _: Instant) -> Option<Duration> {
        None
    }
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

/// The health of a pool that measures.
#[derive(Debug)]
pub struct Measured {
    /// By watching answers; `None` if nobody is ejected.
    pub ejection: Option<ejection::Params>,
}

impl Health for Measured {
    fn is_usable(&self, endpoint: &Endpoint, now: Instant) -> bool {
        !self
            .ejection
            .as_ref()
            .is_some_and(|params| ejection::is_ejected(params, endpoint, now))
    }

    fn observe(&self, endpoint: &Endpoint, lesson: Lesson, now: Instant) {
        if let Some(params) = &self.ejection {
            ejection::observe(params, endpoint, lesson, now);
        }
    }

    fn due_in(&self, endpoint: &Endpoint, now: Instant) -> Option<Duration> {
        self.ejection.as_ref()?;
        endpoint.state.ejection.due_in(now)
    }
}
