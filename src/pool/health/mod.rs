//! What was measured about an endpoint?
//!
//! Whether it is asked at all, and what, says a [`Check`]; what becomes of its answers is decided in [`verdict`], what is
//! told about those that fail is kept in [`illness`], and when the next one is due is in [`schedule`]. Asking itself is done by [`crate::upstream::probe`].

pub mod check;
pub mod ejection;
pub mod illness;
pub mod schedule;
pub mod verdict;

use std::time::{Duration, Instant};

use super::{Endpoint, Lesson};
pub use check::Check;

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

/// The health of a pool whose endpoints are measured.
#[derive(Debug)]
pub struct Measured {
    /// Whether its endpoints are asked; without that, what they once answered does not count.
    pub checked: bool,
    /// Whether an endpoint may be used that no check has decided about yet.
    pub trusted: bool,
    /// What its answers to requests make of it; `None` if nobody is ejected.
    pub ejection: Option<ejection::Params>,
}

impl Health for Measured {
    fn is_usable(&self, endpoint: &Endpoint, now: Instant) -> bool {
        (!self.checked || endpoint.state.verdict.is_healthy(self.trusted))
            && !self
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
