//! What can a listener count?

use std::time::{Duration, Instant};

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::families::{counter, remove_counter};
use super::histograms::Histograms;
use super::labels::{Flood, Protocol, RefusedReason, ResetBy, TlsVersion};
use super::live::{Family, Handle};

/// The metrics of one listener.
pub type ListenerMetrics = Handle<Listeners>;

/// The values of `resumed`.
const RESUMED: [&str; 2] = ["no", "yes"];

/// The metrics labelled by listener.
pub struct Listeners {
    pub(super) connections: IntGaugeVec,
    pub(super) idle: IntGaugeVec,
    pub(super) accepted: IntCounterVec,
    pub(super) refused: IntCounterVec,
    pub(super) lasted: Histograms,
    pub(super) tls_handshakes: IntCounterVec,
    pub(super) tls_duration: Histograms,
    pub(super) http2_connections: IntGaugeVec,
    pub(super) resets: IntCounterVec,
    pub(super) floods: IntCounterVec,
    pub(super) requests: IntCounterVec,
    pub(super) requests_in_flight: IntGaugeVec,
}

/// What a [`ListenerMetrics`] gives access to.
pub struct ListenerSeries {
    /// Open connections.
    pub connections: IntGauge,
    /// Those of them that wait for a request.
    pub idle: IntGauge,
    /// Connections accepted.
    pub accepted: IntCounter,
    /// Open connections of HTTP/2.
    pub http2_connections: IntGauge,
    /// Requests being served.
    pub requests_in_flight: IntGauge,
    refused: [IntCounter; RefusedReason::ALL.len()],
    lasted: Histogram,
    tls_handshakes: [[IntCounter; RESUMED.len()]; TlsVersion::ALL.len()],
    tls_duration: Histogram,
    resets: [IntCounter; ResetBy::ALL.len()],
    floods: [IntCounter; Flood::ALL.len()],
    requests: [IntCounter; Protocol::ALL.len()],
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

    /// Counts streams that one side has reset.
    pub fn reset(&self, by: ResetBy, streams: u32) {
        if streams > 0 {
            self.resets[by as usize].inc_by(streams.into());
        }
    }

    /// Counts a completed TLS handshake that took so long; `resumed` if the client went on with an earlier session.
    pub fn tls_handshake(&self, version: TlsVersion, resumed: bool, took: Duration) {
        self.tls_handshakes[version as usize][usize::from(resumed)].inc();
        self.tls_duration.observe(took.as_secs_f64());
    }

    /// Counts a finished request.
    pub fn served(&self, protocol: Protocol) {
        self.requests[protocol as usize].inc();
    }
}

impl Family for Listeners {
    type Series = ListenerSeries;

    fn resolve(&self, labels: &[&str]) -> ListenerSeries {
        let refused = RefusedReason::ALL.map(RefusedReason::as_str);
        let floods = Flood::ALL.map(Flood::as_str);
        let protocols = Protocol::ALL.map(Protocol::as_str);
        let sides = ResetBy::ALL.map(ResetBy::as_str);
        ListenerSeries {
            connections: self.connections.with_label_values(labels),
            idle: self.idle.with_label_values(labels),
            accepted: self.accepted.with_label_values(labels),
            http2_connections: self.http2_connections.with_label_values(labels),
            requests_in_flight: self.requests_in_flight.with_label_values(labels),
            refused: refused.map(|reason| counter(&self.refused, labels, reason)),
            lasted: self.lasted.with_label_values(labels),
            tls_handshakes: TlsVersion::ALL.map(|version| {
                let labels = [labels, &[version.as_str()]].concat();
                RESUMED.map(|resumed| counter(&self.tls_handshakes, &labels, resumed))
            }),
            tls_duration: self.tls_duration.with_label_values(labels),
            resets: sides.map(|by| counter(&self.resets, labels, by)),
            floods: floods.map(|flood| counter(&self.floods, labels, flood)),
            requests: protocols.map(|protocol| counter(&self.requests, labels, protocol)),
        }
    }

    fn remove(&self, labels: &[&str]) {
        for reason in RefusedReason::ALL {
            remove_counter(&self.refused, labels, reason.as_str());
        }
        for flood in Flood::ALL {
            remove_counter(&self.floods, labels, flood.as_str());
        }
        for by in ResetBy::ALL {
            remove_counter(&self.resets, labels, by.as_str());
        }
        for protocol in Protocol::ALL {
            remove_counter(&self.requests, labels, protocol.as_str());
        }
        for version in TlsVersion::ALL {
            let labels = [labels, &[version.as_str()]].concat();
            for resumed in RESUMED {
                remove_counter(&self.tls_handshakes, &labels, resumed);
            }
        }
        self.lasted.remove(labels);
        self.tls_duration.remove(labels);
        for gauges in [
            &self.connections,
            &self.idle,
            &self.http2_connections,
            &self.requests_in_flight,
        ] {
            // Removing fails only for a series that is not there.
            let _ = gauges.remove_label_values(labels);
        }
        let _ = self.accepted.remove_label_values(labels);
    }
}

/// A client's connection, counted from here to its end, whatever ends it; then it is told how long it was.
#[derive(Debug)]
pub struct OpenConnection {
    /// The metrics of its listener.
    pub metrics: ListenerMetrics,
    since: Instant,
}

impl OpenConnection {
    /// One that begins now.
    pub fn new(metrics: ListenerMetrics) -> Self {
        metrics.connections.inc();
        Self {
            metrics,
            since: Instant::now(),
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.metrics.connections.dec();
        let lasted = self.since.elapsed();
        self.metrics.lasted.observe(lasted.as_secs_f64());
    }
}
