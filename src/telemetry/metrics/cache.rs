//! What is told of the cache?

use std::sync::Mutex;
use std::sync::PoisonError;

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::families::{counter, remove_counter};
use super::labels::{DiskOperation, Fetch, PurgeKind};
use super::live::{Family, Handle};
use super::signed;
use crate::cache::CacheResult;
use crate::cache::report::{Kept, Report, Tier};

/// The metrics of a route that answers from the cache.
pub type CachedRouteMetrics = Handle<CachedRoutes>;

/// The metrics labelled by route and result.
pub struct CachedRoutes {
    pub(super) requests: IntCounterVec,
}

/// What a [`CachedRouteMetrics`] gives access to.
pub struct CachedRouteSeries {
    requests: [IntCounter; CacheResult::ALL.len()],
}

impl CachedRouteSeries {
    /// Counts a request that was served in this way.
    pub fn served(&self, result: CacheResult) {
        self.requests[result as usize].inc();
    }

    /// How many were, in the order of [`CacheResult::ALL`].
    pub fn so_far(&self) -> [u64; CacheResult::ALL.len()] {
        std::array::from_fn(|number| self.requests[number].get())
    }
}

impl Family for CachedRoutes {
    type Series = CachedRouteSeries;

    fn resolve(&self, labels: &[&str]) -> CachedRouteSeries {
        CachedRouteSeries {
            requests: CacheResult::ALL
                .map(|result| counter(&self.requests, labels, result.as_str())),
        }
    }

    fn remove(&self, labels: &[&str]) {
        for result in CacheResult::ALL {
            remove_counter(&self.requests, labels, result.as_str());
        }
    }
}

/// The metrics of the one cache of the process.
#[derive(Debug)]
pub struct CacheMetrics {
    pub(super) bytes: [IntGauge; Tier::ALL.len()],
    pub(super) objects: [IntGauge; Tier::ALL.len()],
    pub(super) limit: [IntGauge; Tier::ALL.len()],
    pub(super) stored: [IntCounter; Tier::ALL.len()],
    pub(super) evictions: [IntCounter; Tier::ALL.len()],
    /// How many evictions each tier had told of when it was read last.
    pub(super) evicted: Mutex<[u64; Tier::ALL.len()]>,
    pub(super) fetches: [IntCounter; Fetch::ALL.len()],
    /// Requests that had their answer from another's fetch.
    pub followers: IntCounter,
    pub(super) purges: [IntCounter; PurgeKind::ALL.len()],
    pub(super) purged: IntCounter,
    pub(super) disk_errors: [IntCounter; DiskOperation::ALL.len()],
    pub(super) disk_on: IntGauge,
}

impl CacheMetrics {
    /// Counts an object that was stored.
    pub fn stored(&self, tier: Tier) {
        self.stored[tier as usize].inc();
    }

    /// Counts a fetch that was begun, by what it was needed for.
    pub fn fetched(&self, fetch: Fetch) {
        self.fetches[fetch as usize].inc();
    }

    /// Counts so many orders to purge.
    pub fn purged(&self, kind: PurgeKind, orders: usize) {
        self.purges[kind as usize].inc_by(orders as u64);
    }

    /// Counts the objects that orders to purge have removed, or made stale.
    pub fn removed(&self, objects: usize) {
        self.purged.inc_by(objects as u64);
    }

    /// Counts a failure of the disk.
    pub fn disk_failed(&self, operation: DiskOperation) {
        self.disk_errors[operation as usize].inc();
    }

    /// Takes over what the cache says of itself; called before the metrics are rendered.
    pub fn read(&self, report: &Report) {
        let disk = report.disk.as_ref();
        self.disk_on.set(disk.is_some_and(|disk| disk.on).into());
        self.kept(Tier::Memory, report.memory);
        self.kept(Tier::Disk, disk.map_or(Kept::default(), |disk| disk.kept));
    }

    fn kept(&self, tier: Tier, kept: Kept) {
        let tier = tier as usize;
        self.bytes[tier].set(signed(kept.bytes));
        self.objects[tier].set(signed(kept.objects));
        self.limit[tier].set(signed(kept.limit_bytes));
        // Two may read at once, and one that was begun before may end after the other.
        let mut evicted = self.evicted.lock().unwrap_or_else(PoisonError::into_inner);
        let more = kept.evictions.saturating_sub(evicted[tier]);
        evicted[tier] += more;
        self.evictions[tier].inc_by(more);
    }
}
