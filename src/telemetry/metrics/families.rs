//! What can a route, pool or endpoint count?

use std::sync::OnceLock;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::NO_ROUTE;
use super::histograms::Histograms;
use super::labels::{HedgeResult, RetryResult};
use super::live::{Family, Handle};
use super::states::States;
use crate::error::Reason;

/// The metrics of one route.
pub type RouteMetrics = Handle<Routes>;
/// The metrics of one pool.
pub type PoolMetrics = Handle<Pools>;
/// The metrics of one endpoint.
pub type EndpointMetrics = Handle<Endpoints>;
/// The metrics of the health checks of one endpoint.
pub type CheckMetrics = Handle<Checks>;

/// The values of `code`, in the order of [`RouteSeries::requests`].
const CODES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// The status that is logged when the client left before one was sent.
const NOT_SENT: u16 = 499;

/// The metrics labelled by route.
pub struct Routes {
    pub(super) requests: IntCounterVec,
    pub(super) duration: Histograms,
    pub(super) bytes_received: IntCounterVec,
    pub(super) bytes_sent: IntCounterVec,
    pub(super) failures: IntCounterVec,
}

/// What a [`RouteMetrics`] gives access to.
pub struct RouteSeries {
    requests: [IntCounter; CODES.len()],
    failures: Failures,
    duration: Histogram,
    bytes_received: IntCounter,
    bytes_sent: IntCounter,
}

impl RouteSeries {
    /// Counts a finished request, with the numbers its [`Record`](crate::telemetry::Record) has.
    pub fn finished(&self, status: u16, duration: Duration, bytes_received: u64, bytes_sent: u64) {
        let class = match status {
            NOT_SENT => 0,
            100..=599 => usize::from(status / 100),
            _ => 0,
        };
        self.requests[class].inc();
        self.duration.observe(duration.as_secs_f64());
        self.bytes_received.inc_by(bytes_received);
        self.bytes_sent.inc_by(bytes_sent);
    }

    /// Counts a request that failed.
    pub fn failed(&self, reason: Reason) {
        self.failures.counter(reason).inc();
    }
}

/// The failures of one route. Few reasons ever come up at a route, so each is looked up when it first does; those of
/// requests without a route are there from the beginning.
struct Failures {
    counters: IntCounterVec,
    route: Box<str>,
    by_reason: [OnceLock<IntCounter>; Reason::ALL.len()],
}

impl Failures {
    fn new(counters: &IntCounterVec, route: &str) -> Self {
        let failures = Self {
            counters: counters.clone(),
            route: route.into(),
            by_reason: [const { OnceLock::new() }; Reason::ALL.len()],
        };
        if route == NO_ROUTE {
            for reason in Reason::ALL {
                failures.counter(*reason);
            }
        }
        failures
    }

    fn counter(&self, reason: Reason) -> &IntCounter {
        self.by_reason[reason as usize].get_or_init(|| {
            self.counters
                .with_label_values(&[&*self.route, reason.as_str()])
        })
    }
}

impl Family for Routes {
    type Series = RouteSeries;

    fn resolve(&self, labels: &[&str]) -> RouteSeries {
        RouteSeries {
            requests: CODES.map(|code| counter(&self.requests, labels, code)),
            duration: self.duration.with_label_values(labels),
            bytes_received: self.bytes_received.with_label_values(labels),
            bytes_sent: self.bytes_sent.with_label_values(labels),
            failures: Failures::new(&self.failures, labels.first().copied().unwrap_or_default()),
        }
    }

    fn remove(&self, labels: &[&str]) {
        for code in CODES {
            remove_counter(&self.requests, labels, code);
        }
        for reason in Reason::ALL {
            remove_counter(&self.failures, labels, reason.as_str());
        }
        self.duration.remove(labels);
        // Removing fails only for a series that is not there.
        let _ = self.bytes_received.remove_label_values(labels);
        let _ = self.bytes_sent.remove_label_values(labels);
    }
}

/// The metrics labelled by pool.
pub struct Pools {
    pub(super) connect: Histograms,
    pub(super) first_byte: Histograms,
    pub(super) refused: IntCounterVec,
    pub(super) idle_connections: IntGaugeVec,
    pub(super) queue_length: IntGaugeVec,
    pub(super) queue_wait: Histograms,
    pub(super) retries: IntCounterVec,
    pub(super) hedges: IntCounterVec,
}

/// Why a pool does not give an endpoint.
const REFUSALS: [Reason; 4] = [
    Reason::NoEndpoint,
    Reason::BreakerOpen,
    Reason::QueueFull,
    Reason::QueueTimeout,
];

/// What a [`PoolMetrics`] gives access to.
pub struct PoolSeries {
    refused: [IntCounter; REFUSALS.len()],
    /// Connections to its endpoints that wait for a request; see [`crate::upstream::idle`].
    pub idle_connections: IntGauge,
    /// Requests that wait for a slot.
    pub queue_length: IntGauge,
    queue_wait: Histogram,
    connect: Histogram,
    first_byte: Histogram,
    retries: [IntCounter; RetryResult::ALL.len()],
    hedges: [IntCounter; HedgeResult::ALL.len()],
}

impl PoolSeries {
    /// Counts a request that got no endpoint.
    pub fn refused(&self, reason: Reason) {
        if let Some(index) = REFUSALS.iter().position(|one| *one == reason) {
            self.refused[index].inc();
        }
    }

    /// Notes how long opening a connection took, TLS included.
    pub fn connected(&self, after: Duration) {
        self.connect.observe(after.as_secs_f64());
    }

    /// Notes how long a request waited for a slot, whether it got one or not.
    pub fn queued(&self, waited: Duration) {
        self.queue_wait.observe(waited.as_secs_f64());
    }

    /// Counts an attempt that failed in a way that is retried.
    pub fn retried(&self, result: RetryResult) {
        self.retries[result as usize].inc();
    }

    /// Counts a request whose answer took so long that a second endpoint was wanted.
    pub fn hedged(&self, result: HedgeResult) {
        self.hedges[result as usize].inc();
    }

    /// Notes how long the first byte of a response took.
    pub fn first_byte(&self, after: Duration) {
        self.first_byte.observe(after.as_secs_f64());
    }
}

impl Family for Pools {
    type Series = PoolSeries;

    fn resolve(&self, labels: &[&str]) -> PoolSeries {
        PoolSeries {
            refused: REFUSALS.map(|reason| counter(&self.refused, labels, reason.as_str())),
            idle_connections: self.idle_connections.with_label_values(labels),
            queue_length: self.queue_length.with_label_values(labels),
            queue_wait: self.queue_wait.with_label_values(labels),
            hedges: HedgeResult::ALL.map(|result| counter(&self.hedges, labels, result.as_str())),
            retries: RetryResult::ALL.map(|result| counter(&self.retries, labels, result.as_str())),
            connect: self.connect.with_label_values(labels),
            first_byte: self.first_byte.with_label_values(labels),
        }
    }

    fn remove(&self, labels: &[&str]) {
        for result in HedgeResult::ALL {
            remove_counter(&self.hedges, labels, result.as_str());
        }
        for result in RetryResult::ALL {
            remove_counter(&self.retries, labels, result.as_str());
        }
        for reason in REFUSALS {
            remove_counter(&self.refused, labels, reason.as_str());
        }
        self.queue_wait.remove(labels);
        self.connect.remove(labels);
        self.first_byte.remove(labels);
        // Removing fails only for a series that is not there.
        let _ = self.idle_connections.remove_label_values(labels);
        let _ = self.queue_length.remove_label_values(labels);
    }
}

/// The metrics labelled by pool and endpoint.
pub struct Endpoints {
    pub(super) requests: IntCounterVec,
    pub(super) in_flight: IntGaugeVec,
    pub(super) drained: States,
    pub(super) connections: IntCounterVec,
}

/// What an [`EndpointMetrics`] gives access to.
pub struct EndpointSeries {
    /// Attempts that speak for the endpoint's health.
    pub success: IntCounter,
    /// Attempts that speak against it.
    pub failure: IntCounter,
    /// Attempts that say nothing about it.
    pub neutral: IntCounter,
    /// Attempts that have not ended.
    pub in_flight: IntGauge,
    /// Whether the operator has drained it.
    pub drained: IntGauge,
    /// Connections opened for an attempt.
    pub connected: IntCounter,
    /// Idle connections used for an attempt.
    pub reused: IntCounter,
}

impl Family for Endpoints {
    type Series = EndpointSeries;
    const KEPT: usize = 1;

    fn resolve(&self, labels: &[&str]) -> EndpointSeries {
        EndpointSeries {
            success: counter(&self.requests, labels, "success"),
            failure: counter(&self.requests, labels, "failure"),
            neutral: counter(&self.requests, labels, "neutral"),
            in_flight: self.in_flight.with_label_values(labels),
            drained: self.drained.with_label_values(labels),
            connected: counter(&self.connections, labels, "false"),
            reused: counter(&self.connections, labels, "true"),
        }
    }

    fn remove(&self, labels: &[&str]) {
        for outcome in ["success", "failure", "neutral"] {
            remove_counter(&self.requests, labels, outcome);
        }
        for reused in ["false", "true"] {
            remove_counter(&self.connections, labels, reused);
        }
        self.drained.remove(labels);
        let _ = self.in_flight.remove_label_values(labels);
    }
}

/// The metrics of the health checks of an endpoint, labelled by pool and endpoint. Endpoints that are not checked have
/// none.
pub struct Checks {
    pub(super) healthy: States,
    pub(super) checks: IntCounterVec,
    pub(super) changes: IntCounterVec,
}

/// What a [`CheckMetrics`] gives access to.
pub struct CheckSeries {
    /// 1 if the endpoint may be used by what its checks say.
    pub healthy: IntGauge,
    /// Checks passed.
    pub passed: IntCounter,
    /// Checks failed.
    pub failed: IntCounter,
    /// How often it became healthy.
    pub rose: IntCounter,
    /// How often it became unhealthy.
    pub fell: IntCounter,
}

impl Family for Checks {
    type Series = CheckSeries;
    const KEPT: usize = 1;

    fn resolve(&self, labels: &[&str]) -> CheckSeries {
        CheckSeries {
            healthy: self.healthy.with_label_values(labels),
            passed: counter(&self.checks, labels, "passed"),
            failed: counter(&self.checks, labels, "failed"),
            rose: counter(&self.changes, labels, "healthy"),
            fell: counter(&self.changes, labels, "unhealthy"),
        }
    }

    fn remove(&self, labels: &[&str]) {
        for result in ["passed", "failed"] {
            remove_counter(&self.checks, labels, result);
        }
        for to in ["healthy", "unhealthy"] {
            remove_counter(&self.changes, labels, to);
        }
        self.healthy.remove(labels);
    }
}

fn with_value<'a>(labels: &[&'a str], value: &'a str) -> Vec<&'a str> {
    [labels, &[value]].concat()
}

/// The counter whose last label has this value.
pub(super) fn counter(counters: &IntCounterVec, labels: &[&str], value: &str) -> IntCounter {
    counters.with_label_values(&with_value(labels, value))
}

pub(super) fn remove_counter(counters: &IntCounterVec, labels: &[&str], value: &str) {
    // Removing fails only for a series that is not there.
    let _ = counters.remove_label_values(&with_value(labels, value));
}
