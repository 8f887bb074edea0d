//! Which of the available endpoints is next?
//!
//! One file an algorithm and one row in [`build`]; the row enrols it in the contract test below.

mod alias;
mod draw;
mod least_requests;
mod peak_ewma;
mod random;
mod round_robin;

use std::sync::Arc;
use std::time::Duration;

use super::{Ask, Endpoint};
pub use least_requests::LeastRequests;
pub use peak_ewma::PeakEwma;
pub use random::Random;
pub use round_robin::RoundRobin;

/// Chooses an endpoint. Made anew whenever the endpoints of a pool change.
pub trait Balancer: Send + Sync {
    /// The index of an endpoint that `ask` [allows](Ask::allows); `None` only if there is none. `endpoints` are those it
    /// was made for.
    fn pick(&self, endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<usize>;
}

/// By which rule an endpoint is chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Each in turn, smoothly by weight.
    RoundRobin,
    /// Any, by weight.
    Random,
    /// The one with the fewest requests in flight for its weight.
    LeastRequests {
        /// Whether all are compared, and not only two.
        all: bool,
    },
    /// The one that answers soonest.
    PeakEwma {
        /// The time constant with which past latencies fade.
        decay: Duration,
    },
}

impl Rule {
    /// How long the latency of the endpoints is remembered, as a time constant; `None` if it need not be measured.
    pub fn decay(&self) -> Option<Duration> {
        match self {
            Rule::PeakEwma { decay } => Some(*decay),
            _ => None,
        }
    }
}

/// The balancer of that rule, made for these endpoints.
pub fn build(rule: &Rule, endpoints: &[Arc<Endpoint>]) -> Box<dyn Balancer> {
    match rule {
        Rule::RoundRobin => Box::new(RoundRobin::new(endpoints)),
        Rule::Random => Box::new(Random::new(endpoints)),
        Rule::LeastRequests { all } => Box::new(LeastRequests::new(endpoints, *all)),
        Rule::PeakEwma { decay } => Box::new(PeakEwma::new(endpoints, *decay)),
    }
}

#[cfg(test)]
mod tests;
