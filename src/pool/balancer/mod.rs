//! Which of the available endpoints is next?
//!
//! One file an algorithm and one row in [`build`]; the row enrols it in the contract test below.

mod bound;
mod consistent;
pub mod maglev;
mod ring_hash;
mod round_robin;

use std::sync::Arc;

use super::{Ask, Endpoint};
pub use bound::MaxLoad;
pub use maglev::Maglev;
pub use ring_hash::RingHash;
pub use round_robin::RoundRobin;

/// Chooses an endpoint. Made anew whenever the endpoints of a pool change.
pub trait Balancer: Send + Sync {
    /// The index of an endpoint that `ask` [allows](Ask::allows); `None` only if there is none. `endpoints` are those it
    /// was made for.
    fn pick(&self, endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<usize>;

    /// How many requests the endpoint may serve at once, the one that was just picked for it included: between the
    /// choice and the lease others may be faster. Most balancers have no bound.
    fn most(&self, _: &Endpoint, _: &Ask<'_>) -> u32 {
        u32::MAX
    }
}

/// Which balancer, with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// [`RoundRobin`].
    RoundRobin,
    /// [`RingHash`].
    RingHash {
        /// Points on the ring for each unit of weight.
        points: u32,
        /// How much more than its share an endpoint may serve; `None` for no bound.
        max_load: Option<MaxLoad>,
    },
    /// [`Maglev`].
    Maglev {
        /// The places of its table, a prime.
        table_size: u32,
        /// How much more than its share an endpoint may serve; `None` for no bound.
        max_load: Option<MaxLoad>,
    },
}

/// The balancer, made for these endpoints.
pub fn build(rule: &Rule, endpoints: &[Arc<Endpoint>]) -> Box<dyn Balancer> {
    match *rule {
        Rule::RoundRobin => Box::new(RoundRobin::new(endpoints)),
        Rule::RingHash { points, max_load } => Box::new(RingHash::new(points, max_load, endpoints)),
        Rule::Maglev {
            table_size,
            max_load,
        } => Box::new(Maglev::new(table_size, max_load, endpoints)),
    }
}

#[cfg(test)]
mod tests;
