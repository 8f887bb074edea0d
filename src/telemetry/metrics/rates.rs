//! What is told of rate limits?

use prometheus::{IntCounter, IntCounterVec};

use super::families::{counter, remove_counter};
use super::live::{Family, Handle};

/// The metrics of one rate limit.
pub type RateLimitMetrics = Handle<RateLimits>;

/// The values of `result`, in the order of the fields of [`RateLimitSeries`].
const RESULTS: [&str; 4] = ["allowed", "refused", "would_refuse", "exempt"];

/// The metrics of rate limits, labelled by what they are a part of, its name and theirs.
pub struct RateLimits {
    pub(super) requests: IntCounterVec,
    pub(super) forgotten: IntCounterVec,
}

/// What a [`RateLimitMetrics`] gives access to.
pub struct RateLimitSeries {
    /// Requests within the limit.
    pub allowed: IntCounter,
    /// Requests over it.
    pub refused: IntCounter,
    /// Requests over it that went on, because it is a dry run.
    pub would_refuse: IntCounter,
    /// Requests that are not counted.
    pub exempt: IntCounter,
    /// Keys forgotten before their debt was over, because there was no room.
    pub forgotten: IntCounter,
}

impl Family for RateLimits {
    type Series = RateLimitSeries;

    fn resolve(&self, labels: &[&str]) -> RateLimitSeries {
        let [allowed, refused, would_refuse, exempt] =
            RESULTS.map(|result| counter(&self.requests, labels, result));
        RateLimitSeries {
            allowed,
            refused,
            would_refuse,
            exempt,
            forgotten: self.forgotten.with_label_values(labels),
        }
    }

    fn remove(&self, labels: &[&str]) {
        for result in RESULTS {
            remove_counter(&self.requests, labels, result);
        }
        // Removing fails only for a series that is not there.
        let _ = self.forgotten.remove_label_values(labels);
    }
}
