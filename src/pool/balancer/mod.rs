//! Which of the available endpoints is next?
//!
//! One file an algorithm and one row in [`build`]; the row enrols it in the contract test below.

mod round_robin;

use std::sync::Arc;
use std::time::Instant;

use super::{Endpoint, Tried};
use crate::config::pool as config;
pub use round_robin::RoundRobin;

/// Chooses an endpoint. Made anew whenever the endpoints of a pool change.
pub trait Balancer: Send + Sync {
    /// The index of an endpoint that is available and not tried; `None` only if there is none.
    fn pick(&self, endpoints: &[Arc<Endpoint>], tried: &Tried, now: Instant) -> Option<usize>;
}

/// The balancer of that name, made for these endpoints.
pub fn build(kind: config::Balancer, endpoints: &[Arc<Endpoint>]) -> Box<dyn Balancer> {
    match kind {
        config::Balancer::RoundRobin => Box::new(RoundRobin::new(endpoints)),
    }
}

#[cfg(test)]
mod tests;
