//! What is told of rate limits that machines share? Only where there are such.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::families::{counter, remove_counter};
use super::histograms::Histograms;
use super::labels::Missed;
use super::live::{Family, Handle};

/// The metrics of one Redis.
pub type SharedLimitMetrics = Handle<SharedLimits>;

/// The metrics labelled by the address of a Redis.
pub struct SharedLimits {
    pub(super) reachable: IntGaugeVec,
    pub(super) fallbacks: IntCounterVec,
    pub(super) duration: Histograms,
}

/// What a [`SharedLimitMetrics`] gives access to.
pub struct SharedLimitSeries {
    reachable: IntGauge,
    fallbacks: [IntCounter; Missed::ALL.len()],
    duration: Histogram,
}

impl SharedLimitSeries {
    /// Whether it answers.
    pub fn reachable(&self, is: bool) {
        self.reachable.set(is.into());
    }

    /// Counts an answer that took so long.
    pub fn answered(&self, took: Duration) {
        self.duration.observe(took.as_secs_f64());
    }

    /// Counts a request that was decided without it.
    pub fn missed(&self, cause: Missed) {
        self.fallbacks[cause as usize].inc();
    }
}

impl Family for SharedLimits {
    type Series = SharedLimitSeries;

    fn resolve(&self, labels: &[&str]) -> SharedLimitSeries {
        let causes = Missed::ALL.map(Missed::as_str);
        SharedLimitSeries {
            reachable: self.reachable.with_label_values(labels),
            fallbacks: causes.map(|cause| counter(&self.fallbacks, labels, cause)),
            duration: self.duration.with_label_values(labels),
        }
    }

    fn remove(&self, labels: &[&str]) {
        // Removing fails only for a series that is not there.
        let _ = self.reachable.remove_label_values(labels);
        for cause in Missed::ALL {
            remove_counter(&self.fallbacks, labels, cause.as_str());
        }
        self.duration.remove(labels);
    }
}
