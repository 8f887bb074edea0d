//! Which endpoints does a pool have now, and which of them come first?

use std::sync::Arc;
use std::time::Duration;

use super::balancer::Balancer;
use super::sticky::Marks;
use super::{Ask, Endpoint, NoEndpoint, Refusal};

/// The endpoints of a pool and the balancers made for just these.
pub struct Members {
    /// The endpoints, in the order of the configuration.
    pub endpoints: Box<[Arc<Endpoint>]>,
    /// What they are known by to clients that come back.
    pub marks: Marks,
    /// How many of them have a weight over 0.
    choices: u32,
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
        let choices = endpoints.iter().filter(|one| one.weight > 0).count();
        Self {
            marks: Marks::of(&endpoints),
            choices: u32::try_from(choices).unwrap_or(u32::MAX),
            endpoints,
            tiers,
        }
    }

    /// The endpoints by their priority, those of the lowest number first.
    pub fn tiers(&self) -> impl Iterator<Item = &[Arc<Endpoint>]> {
        self.tiers.iter().map(|tier| &*tier.endpoints)
    }

    /// How many endpoints a request may choose among, if all are available.
    pub fn choices(&self) -> u32 {
        self.choices
    }

    /// An endpoint of the lowest priority number that has one to give, and how many requests it may serve by its
    /// [balancer](Balancer::most).
    pub fn pick(&self, ask: &Ask<'_>) -> Option<(&Arc<Endpoint>, u32)> {
        self.tiers.iter().find_map(|tier| {
            let index = tier.balancer.pick(&tier.endpoints, ask)?;
            let endpoint = tier.endpoints.get(index)?;
            Some((endpoint, tier.balancer.most(&tier.endpoints, index, ask)))
        })
    }

    /// Why there is no endpoint for such a request; `pool_full` says whether the pool itself may have had no slot.
    ///
    /// Endpoints are asked one after the other, up to the first without a fault but that it is full: at once where requests
    /// only wait, and all of them where all are ill. That is some atomic loads for each, as in the balancer's search that
    /// found none before: of 1,000 endpoints less than a tenth of a millisecond. Only a request pays it that fails, or has to
    /// wait; a count of those that are well would have to be kept by everything that may change one, time among it.
    pub fn why_none(&self, ask: &Ask<'_>, pool_full: bool) -> NoEndpoint {
        if self.choices == 0 {
            return NoEndpoint::Empty;
        }
        let mut open = false;
        let mut retry_after: Option<Duration> = None;
        for endpoint in &self.endpoints {
            if endpoint.weight == 0 || ask.tried.contains(endpoint) {
                continue;
            }
            let due = match endpoint.refusal(ask.now, ask.fail_open) {
                Some(Refusal::Unhealthy) => endpoint.health.due_in(endpoint, ask.now),
                Some(Refusal::Open) => {
                    open = true;
                    Some(endpoint.breaker.retry_after(endpoint, ask.now))
                }
                // The others don't matter then; under overload many ask.
                Some(Refusal::Full) => return NoEndpoint::Full,
                // Nothing is in its way: it is the pool that is full, or it has become available a moment ago.
                None if pool_full => return NoEndpoint::Full,
                None => Some(Duration::ZERO),
                Some(Refusal::Drained) => None,
            };
            retry_after = match (retry_after, due) {
                (Some(soonest), Some(due)) => Some(soonest.min(due)),
                (soonest, due) => soonest.or(due),
            };
        }
        if open {
            NoEndpoint::Open { retry_after }
        } else {
            NoEndpoint::Unavailable { retry_after }
        }
    }
}

#[cfg(test)]
mod tests;
