//! What does a request want of a pool, and what is a balancer asked?

use std::sync::Arc;
use std::time::Instant;

use super::{Endpoint, Priority, Tried, Wish};

/// What a request wants of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The endpoints it has tried already.
    pub tried: &'a Tried,
    /// What a consistent balancer goes by; `None` if the request has nothing of the kind.
    pub key: Option<u64>,
    /// Where its client was, if the pool is sticky and it says so.
    pub wish: Option<Wish>,
    /// Which requests it goes before, should it have to wait.
    pub priority: Priority,
    /// Until when it may wait at most, whatever the pool says.
    pub deadline: Option<Instant>,
}

impl<'a> Wanted<'a> {
    /// Any endpoint that was not tried, with no more to say.
    pub fn new(tried: &'a Tried) -> Self {
        Self {
            tried,
            key: None,
            wish: None,
            priority: Priority::default(),
            deadline: None,
        }
    }
}

/// What a balancer is asked.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Now.
    pub now: Instant,
    /// The endpoints the request has tried already.
    pub tried: &'a Tried,
    /// What a consistent balancer goes by; `None` if the request has nothing of the kind.
    pub key: Option<u64>,
    /// Whether health is looked past, because too few endpoints are healthy.
    pub fail_open: bool,
}

impl Ask<'_> {
    /// Whether the request may go to this endpoint. Every balancer asks this and nothing else.
    pub fn allows(&self, endpoint: &Arc<Endpoint>) -> bool {
        endpoint.weight > 0
            && endpoint.refusal(self.now, self.fail_open).is_none()
            && !self.tried.contains(endpoint)
    }
}
