//! Which of the available endpoints is next?
//!
//! One file an algorithm, one row in [`build`] and one kind in the configuration; every kind that a configuration may name
//! goes through the contract test below.

mod alias;
mod bound;
mod consistent;
mod draw;
mod least_requests;
pub mod maglev;
mod peak_ewma;
mod random;
mod ring_hash;
mod round_robin;

use std::sync::Arc;
use std::time::Duration;

use super::{Ask, Endpoint};
pub use bound::MaxLoad;
pub use least_requests::LeastRequests;
pub use maglev::Maglev;
pub use peak_ewma::PeakEwma;
pub use random::Random;
pub use ring_hash::RingHash;
pub use round_robin::RoundRobin;

/// Chooses an endpoint. Made anew whenever the endpoints of a pool change.
pub trait Balancer: Send + Sync {
    /// The index of an endpoint that `ask` [allows](Ask::allows); `None` only if there is none. `endpoints` are those it
    /// was made for.
    fn pick(&self, endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<usize>;

    /// How many requests the endpoint at an index may serve at once, the one it was just picked for included: between
    /// the choice and the lease others may be faster. Most balancers have no bound.
    fn most(&self, _: &[Arc<Endpoint>], _: usize, _: &Ask<'_>) -> u32 {
        u32::MAX
    }
}

/// By which rule an endpoint is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// Each key to one endpoint, by a ketama ring.
    RingHash {
        /// Points on the ring for each unit of weight.
        points: u32,
        /// How much more than its share an endpoint may serve; `None` for no bound.
        max_load: Option<MaxLoad>,
    },
    /// Each key to one endpoint, by the table of Maglev.
    Maglev {
        /// The places of its table, a prime.
        table_size: u32,
        /// How much more than its share an endpoint may serve; `None` for no bound.
        max_load: Option<MaxLoad>,
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
    match *rule {
        Rule::RoundRobin => Box::new(RoundRobin::new(endpoints)),
        Rule::Random => Box::new(Random::new(endpoints)),
        Rule::LeastRequests { all } => Box::new(LeastRequests::new(endpoints, all)),
        Rule::PeakEwma { decay } => Box::new(PeakEwma::new(endpoints, decay)),
        Rule::RingHash { points, max_load } => Box::new(RingHash::new(points, max_load, endpoints)),
        Rule::Maglev {
            table_size,
            max_load,
        } => Box::new(Maglev::new(table_size, max_load, endpoints)),
    }
}

#[cfg(test)]
mod tests;
