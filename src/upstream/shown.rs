//! How many idle connections are the metrics told of?
//!
//! They come and go with each request, and a gauge that all workers write to would cost each of these more than it tells. So
//! each worker counts its own where it looks after them anyway, once a second.

use prometheus::IntGauge;

use crate::telemetry::metrics::PoolMetrics;

/// What one worker has told of its connections to one endpoint. With it goes what it has told.
#[derive(Debug)]
pub(super) struct Shown {
    gauge: IntGauge,
    told: i64,
}

impl Shown {
    /// None yet, of an endpoint of the pool with these metrics.
    pub(super) fn new(pool: &PoolMetrics) -> Self {
        Self {
            gauge: pool.idle_connections.clone(),
            told: 0,
        }
    }

    /// There are so many now.
    pub(super) fn tell(&mut self, connections: usize) {
        let now = i64::try_from(connections).unwrap_or(i64::MAX);
        if now != self.told {
            self.gauge.add(now - self.told);
            self.told = now;
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.gauge.sub(self.told);
    }
}
