//! Which endpoint has the fewest requests in flight for its weight?
//!
//! By default the better of two that are drawn by weight: nearly as even as the best of all (Mitzenmacher 2001, "The power
//! of two choices in randomized load balancing"), at a cost that does not grow with the pool, and without many threads
//! running to the same endpoint at once.
//!
//! `r` requests on a weight of `w` count as `(2r + 1) / w`, the order in which Sainte-Laguë gives seats: while few requests
//! run, `r / w` would favour the small and `(r + 1) / w` the large. Among those with nothing to do chance decides, by weight.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Balancer;
use super::draw::{Draw, weight};
use crate::pool::{Ask, Endpoint};

/// Fewest requests in flight.
#[derive(Debug)]
pub struct LeastRequests {
    /// What is drawn from; `None` to compare all.
    two: Option<Draw>,
}

impl LeastRequests {
    /// The better of two of these endpoints, or the best of `all`.
    pub fn new(endpoints: &[Arc<Endpoint>], all: bool) -> Self {
        Self {
            two: (!all).then(|| Draw::new(endpoints)),
        }
    }
}

impl Balancer for LeastRequests {
    fn pick(&self, endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<usize> {
        let Some(draw) = &self.two else {
            return best_of_all(endpoints, ask);
        };
        let (first, second) = draw.two(endpoints, ask)?;
        let Some(second) = second else {
            return Some(first);
        };
        let [one, other] = [first, second].map(|index| Load::of(&endpoints[index], ask));
        let idle = one.is_idle() && other.is_idle();
        Some(if !idle && other.cmp(one).is_lt() {
            second
        } else {
            first
        })
    }
}

/// What an endpoint has to do.
#[derive(Clone, Copy, Debug)]
struct Load {
    in_flight: u32,
    weight: u64,
}

impl Load {
    fn of(endpoint: &Endpoint, ask: &Ask<'_>) -> Self {
        Self {
            in_flight: endpoint.state.in_flight(),
            weight: weight(endpoint, ask.now),
        }
    }

    const fn is_idle(self) -> bool {
        self.in_flight == 0
    }

    /// Compares as fractions, without dividing: 33 bits times 26.
    fn cmp(self, other: Self) -> Ordering {
        let count = |load: Self| 2 * u64::from(load.in_flight) + 1;
        (count(self) * other.weight).cmp(&(count(other) * self.weight))
    }
}

/// Goes through all. Among equals each has the same chance; among those with nothing to do, by weight.
fn best_of_all(endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<usize> {
    let mut best: Option<(usize, Load)> = None;
    let (mut equals, mut idle_weight) = (0, 0);
    let mut idle = None;
    for (index, endpoint) in endpoints.iter().enumerate() {
        if !ask.allows(endpoint) {
            continue;
        }
        let load = Load::of(endpoint, ask);
        if load.is_idle() {
            idle_weight += load.weight;
            if fastrand::u64(..idle_weight) < load.weight {
                idle = Some(index);
            }
        }
        match best.map_or(Ordering::Less, |(_, best)| load.cmp(best)) {
            Ordering::Less => equals = 1,
            Ordering::Equal => {
                equals += 1;
                if fastrand::u32(..equals) > 0 {
                    continue;
                }
            }
            Ordering::Greater => continue,
        }
        best = Some((index, load));
    }
    let (index, load) = best?;
    idle.filter(|_| load.is_idle()).or(Some(index))
}

#[cfg(test)]
mod tests;
