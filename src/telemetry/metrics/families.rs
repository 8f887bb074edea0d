//! What can a listener, route, pool or endpoint count?

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::labels::{Flood, HedgeResult, RefusedReason, RetryResult, TlsVersion};
use super::live::{Family, Handle};
use crate::error::Reason;

/// The metrics of one route.
pub type RouteMetrics = Handle<Routes>;
/// The metrics of one listener.
pub type ListenerMetrics = Handle<Listeners>;
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
    pub(super) duration: HistogramVec,
    pub(super) bytes_received: IntCounterVec,
    pub(super) bytes_sent: IntCounterVec,
}

/// What a [`RouteMetrics`] gives access to.
pub struct RouteSeries {
    requests: [IntCounter; CODES.len()],
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
}

impl Family for Routes {
    type Series = RouteSeries;

    fn resolve(&self, labels: &[&str]) -> RouteSeries {
        RouteSeries {
            requests: CODES.map(|code| counter(&self.requests, labels, code)),
            duration: self.duration.with_label_values(labels),
            bytes_received: self.bytes_received.with_label_values(labels),
            bytes_sent: self.bytes_sent.with_label_values(labels),
        }
    }

    fn remove(&self, labels: &[&str]) {
        for code in CODES {
            remove_counter(&self.requests, labels, code);
        }
        // Removing fails only for a series that is not there.
        let _ = self.duration.remove_label_values(labels);
        let _ = self.bytes_received.remove_label_values(labels);
        let _ = self.bytes_sent.remove_label_values(labels);
    }
}

/// The metrics labelled by listener.
pub struct Listeners {
    pub(super) connections: IntGaugeVec,
    pub(super) accepted: IntCounterVec,
    pub(super) refused: IntCounterVec,
    pub(super) floods: IntCounterVec,
    pub(super) tls_handshakes: IntCounterVec,
    pub(super) requests_in_flight: IntGaugeVec,
}

/// What a [`ListenerMetrics`] gives access to.
pub struct ListenerSeries {
    /// Open connections.
    pub connections: IntGauge,
    /// Connections accepted.
    pub accepted: IntCounter,
    /// Requests being served.
    pub requests_in_flight: IntGauge,
    refused: [IntCounter; RefusedReason::ALL.len()],
    floods: [IntCounter; Flood::ALL.len()],
    tls_handshakes: [IntCounter; TlsVersion::ALL.len()],
}

impl ListenerSeries {
    /// Counts an accepted connection that was closed before its first request.
    pub fn refused(&self, reason: RefusedReason) {
        self.refused[reason as usize].inc();
    }

    /// Counts an HTTP/2 connection that was ended for a flood.
    pub fn flooded(&self, flood: Flood) {
        self.floods[flood as usize].inc();
    }

    /// Counts a completed TLS handshake.
    pub fn tls_handshake(&self, version: TlsVersion) {
        self.tls_handshakes[version as usize].inc();
    }
}

impl Family for Listeners {
    type Series = ListenerSeries;

    fn resolve(&self, labels: &[&str]) -> ListenerSeries {
        let refused = RefusedReason::ALL.map(RefusedReason::as_str);
        let floods = Flood::ALL.map(Flood::as_str);
        let versions = TlsVersion::ALL.map(TlsVersion::as_str);
        ListenerSeries {
            connections: self.connections.with_label_values(labels),
            accepted: self.accepted.with_label_values(labels),
            requests_in_flight: self.requests_in_flight.with_label_values(labels),
            refused: refused.map(|reason| counter(&self.refused, labels, reason)),
            floods: floods.map(|flood| counter(&self.floods, labels, flood)),
            tls_handshakes: versions.map(|version| counter(&self.tls_handshakes, labels, version)),
        }
    }

    fn remove(&self, labels: &[&str]) {
        for reason in RefusedReason::ALL {
            remove_counter(&self.refused, labels, reason.as_str());
        }
        for flood in Flood::ALL {
            remove_counter(&self.floods, labels, flood.as_str());
        }
        for version in TlsVersion::ALL {
            remove_counter(&self.tls_handshakes, labels, version.as_str());
        }
        let _ = self.connections.remove_label_values(labels);
        let _ = self.accepted.remove_label_values(labels);
        let _ = self.requests_in_flight.remove_label_values(labels);
    }
}

/// The metrics labelled by pool.
pub struct Pools {
    pub(super) connect: HistogramVec,
    pub(super) first_byte: HistogramVec,
    pub(super) refused: IntCounterVec,
    pub(super) queue_length: IntGaugeVec,
    pub(super) queue_wait: HistogramVec,
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
        let _ = self.queue_length.remove_label_values(labels);
        let _ = self.queue_wait.remove_label_values(labels);
        let _ = self.connect.remove_label_values(labels);
        let _ = self.first_byte.remove_label_values(labels);
    }
}

/// The metrics labelled by pool and endpoint.
pub struct Endpoints {
    pub(super) requests: IntCounterVec,
    pub(super) in_flight: IntGaugeVec,
    pub(super) drained: IntGaugeVec,
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
        let _ = self.in_flight.remove_label_values(labels);
        let _ = self.drained.remove_label_values(labels);
    }
}

/// The metrics of the health checks of an endpoint, labelled by pool and endpoint. Endpoints that are not checked have
/// none.
pub struct Checks {
    pub(super) healthy: IntGaugeVec,
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
        let _ = self.healthy.remove_label_values(labels);
    }
}

/// Counts one thing in a gauge for as long as it lives: whatever ends it, a panic too, takes it out again.
#[derive(Debug)]
pub struct Counted(IntGauge);

impl Counted {
    /// One more in `gauge`.
    pub fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
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
