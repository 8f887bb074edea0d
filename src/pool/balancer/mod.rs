//! Which of the available endpoints is next?
//!
//! One file an algorithm and one row in [`build`]; the row enrols it in the contract test below.

mod round_robin;

use std::sync::Arc;

use super::{Ask, Endpoint};
use crate::config::pool as config;
pub use round_robin::RoundRobin;

/// Chooses an endpoint. Made anew whenever the endpoints of a pool change.
pub trait Balancer: Send + Sync {
    /// The index of an endpoint that `ask` [allows](Ask::allows); `None` only if there is none. `endpoints` are those it
    /// was made for.
    fn pick(&self, endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<usize>;
}

/// The balancer of that name, made for these endpoints.
pub fn build(settings: &config::Balancer, endpoints: &[Arc<Endpoint>]) -> Box<dyn Balancer> {
    match settings.kind {
        config::BalancerKind::RoundRobin => Box::new(RoundRobin::new(endpoints)),
    }
}

#[cfg(test)]
mod tests;
