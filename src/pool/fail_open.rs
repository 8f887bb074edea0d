//! When are so few endpoints healthy that it is better to look past health?
//!
//! A pool most of whose endpoints look ill is either lost anyway, or what looks at them is wrong. Either way the few that
//! are left would fall over under the load of all. So below a threshold every endpoint is tried again, as if nobody had
//! measured anything. The operator's drain, breakers and limits still hold.
//!
//! Counted is the whole pool, endpoints of every priority with a weight over 0: while backups are healthy they serve.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::{Members, clock};
use crate::telemetry::metrics::FailOpenMetrics;

/// How often the healthy endpoints are counted while requests come, in milliseconds. One request counts for all others.
const COUNT_EVERY: u64 = 100;

/// The rule of a pool that fails open.
pub struct FailOpen {
    /// Health is looked past when less than this percentage of the endpoints is healthy; 1 to 100.
    pub threshold: u8,
    /// The pool's name, for the log.
    pub pool: Arc<str>,
    /// Its metrics.
    pub metrics: FailOpenMetrics,
}

/// What is remembered of a pool.
#[derive(Debug, Default)]
pub struct Memory {
    open: AtomicBool,
    /// When the endpoints are to be counted again, in milliseconds of the [`clock`].
    next: AtomicU64,
}

/// Healthy endpoints among all.
struct Healthy {
    healthy: usize,
    all: usize,
}

impl FailOpen {
    /// Whether health is looked past now.
    pub fn is_open(&self, memory: &Memory, members: &Members, now: Instant) -> bool {
        let millis = clock::millis(now);
        let next = memory.next.load(Ordering::Relaxed);
        if millis >= next {
            let later = millis.saturating_add(COUNT_EVERY);
            let mine =
                memory
                    .next
                    .compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed);
            if mine.is_ok() {
                return self.count(memory, members, now);
            }
        }
        memory.open.load(Ordering::Relaxed)
    }

    /// Counts the endpoints, whenever that was done last. A change is told.
    pub fn count(&self, memory: &Memory, members: &Members, now: Instant) -> bool {
        let mut count = Healthy { healthy: 0, all: 0 };
        for endpoint in members.endpoints.iter().filter(|one| one.weight > 0) {
            count.all += 1;
            count.healthy += usize::from(endpoint.health.is_usable(endpoint, now));
        }
        let open = count.healthy * 100 < count.all * usize::from(self.threshold);
        let was_open = memory.open.swap(open, Ordering::Relaxed);
        self.metrics.open.set(open.into());
        let (pool, threshold) = (&self.pool, self.threshold);
        match (was_open, open) {
            (false, true) => log::warn!(
                "pool {pool}: {count}, less than {threshold} %: requests go to all of them"
            ),
            (true, false) => log::info!("pool {pool}: {count}: requests go to these only"),
            _ => {}
        }
        open
    }
}

impl fmt::Display for Healthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} endpoints are healthy", self.healthy, self.all)
    }
}
