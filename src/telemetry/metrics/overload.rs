//! What is told when the process has too much to do or to hold?

use prometheus::{IntCounter, IntGauge};

use super::signed;
use crate::admission::overload::Resource;
use crate::pool::Priority;

/// The metrics of overload, each by resource.
pub struct OverloadMetrics {
    pub(super) shed: [[IntCounter; Priority::ALL.len()]; Resource::ALL.len()],
    pub(super) level: [IntGauge; Resource::ALL.len()],
    pub(super) usage: [IntGauge; Resource::ALL.len()],
    pub(super) limit: [IntGauge; Resource::ALL.len()],
}

impl OverloadMetrics {
    /// Counts a request that was shed.
    pub fn shed(&self, resource: Resource, priority: Priority) {
        self.shed[resource as usize][priority as usize].inc();
    }

    /// How many requests were shed so far.
    pub fn shed_so_far(&self, resource: Resource) -> u64 {
        self.shed[resource as usize]
            .iter()
            .map(IntCounter::get)
            .sum()
    }

    /// Tells how much is used of a limit, and what is shed because of that; `None` if there is no limit.
    pub fn used(&self, resource: Resource, of: Option<(u64, u64)>, level: u8) {
        let (usage, limit) = of.unwrap_or_default();
        self.usage[resource as usize].set(signed(usage));
        self.limit[resource as usize].set(signed(limit));
        self.level[resource as usize].set(level.into());
    }
}
