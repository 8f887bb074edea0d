//! When is a second endpoint asked while the first has not answered yet?

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::PoolState;
use super::budget::Share;
use super::quantile::FirstBytes;

/// When a second endpoint is asked while the first has not answered yet.
#[derive(Clone, Debug)]
pub struct Hedging {
    /// After how long.
    pub after: After,
    /// How many requests may be asked twice.
    pub budget: Share,
}

/// After how long a second endpoint is asked.
#[derive(Clone, Debug)]
pub enum After {
    /// When the answer takes longer than 95 of 100 did lately; this is where they are counted.
    P95(Arc<FirstBytes>),
    /// Always after so long.
    Fixed(Duration),
}

impl Hedging {
    /// How long to wait for the first endpoint; `None` while too little is known about the pool.
    pub fn delay(&self, now: Instant) -> Option<Duration> {
        match &self.after {
            After::P95(times) => times.p95(now),
            After::Fixed(after) => Some(*after),
        }
    }

    /// Counts how long an answer took, or how long it had taken when it was not waited for any more.
    pub fn took(&self, took: Duration, now: Instant) {
        if let After::P95(times) = &self.after {
            times.record(took, now);
        }
    }

    /// Counts a request that could be asked twice.
    pub fn deposit(&self, pool: &PoolState, now: Instant) {
        pool.hedges.deposit(now);
    }

    /// Whether it may be now.
    pub fn withdraw(&self, pool: &PoolState, now: Instant) -> bool {
        pool.hedges.withdraw(&self.budget, now)
    }
}
