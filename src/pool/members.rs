//! Which endpoints does a pool have now, and which of them come first?

use std::sync::Arc;

use super::balancer::Balancer;
use super::sticky::Marks;
use super::{Ask, Endpoint};

/// The endpoints of a pool and the balancers made for just these.
pub struct Members {
    /// The endpoints, in the order of the configuration.
    pub endpoints: Box<[Arc<Endpoint>]>,
    /// What they are known by to clients that come back.
    pub marks: Marks,
    tiers: Box<[Tier]>,
}

/// Endpoints of one priority.
struct Tier {
    endpoints: Box<[Arc<Endpoint>]>,
    balancer: Box<dyn Balancer>,
}

impl Members {
    /// Endpoints with a balancer for each priority among them.
    pub fn new(
        endpoints: Box<[Arc<Endpoint>]>,
        balancer: impl Fn(&[Arc<Endpoint>]) -> Box<dyn Balancer>,
    ) -> Self {
        let mut priorities: Vec<u8> = endpoints.iter().map(|one| one.priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let tier = |priority| {
            let endpoints: Box<[Arc<Endpoint>]> = endpoints
                .iter()
                .filter(|one| one.priority == priority)
                .cloned()
                .collect();
            Tier {
                balancer: balancer(&endpoints),
                endpoints,
            }
        };
        let tiers = priorities.into_iter().map(tier).collect();
        Self {
            marks: Marks::of(&endpoints),
            endpoints,
            tiers,
        }
    }

    /// An endpoint of the lowest priority number that has one to give, and how many requests it may serve by its
    /// [balancer](Balancer::most).
    pub fn pick(&self, ask: &Ask<'_>) -> Option<(&Arc<Endpoint>, u32)> {
        self.tiers.iter().find_map(|tier| {
            let index = tier.balancer.pick(&tier.endpoints, ask)?;
            let endpoint = tier.endpoints.get(index)?;
            Some((endpoint, tier.balancer.most(endpoint, ask)))
        })
    }
}

#[cfg(test)]
mod tests;
