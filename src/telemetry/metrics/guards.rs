//! What is told of what keeps requests from an endpoint? Only of pools that are configured to do so.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::families::{counter, remove_counter};
use super::live::{Family, Handle};
use super::states::States;

/// The metrics of one breaker.
pub type BreakerMetrics = Handle<Breakers>;
/// The metrics of one endpoint that may be ejected.
pub type EjectionMetrics = Handle<Ejections>;
/// The metrics of one pool that may fail open.
pub type FailOpenMetrics = Handle<FailOpens>;

/// The values of `to`.
const STATES: [&str; 3] = ["closed", "half_open", "open"];
const CLOSED: usize = 0;
const HALF_OPEN: usize = 1;
const OPEN: usize = 2;

/// The metrics of breakers, labelled by pool and endpoint; the endpoint of a whole pool's breaker is empty.
pub struct Breakers {
    pub(super) state: States,
    pub(super) transitions: IntCounterVec,
}

/// What a [`BreakerMetrics`] gives access to.
pub struct BreakerSeries {
    state: IntGauge,
    transitions: [IntCounter; STATES.len()],
}

impl BreakerSeries {
    /// It has opened.
    pub fn opened(&self) {
        self.changed(OPEN);
    }

    /// Its first trial is let through.
    pub fn half_opened(&self) {
        self.changed(HALF_OPEN);
    }

    /// It has closed.
    pub fn closed(&self) {
        self.changed(CLOSED);
    }

    /// Shows a state that it has had for a while: 0 for closed, 1 for half-open, 2 for open.
    pub fn show(&self, state: i64) {
        self.state.set(state);
    }

    fn changed(&self, to: usize) {
        self.transitions[to].inc();
        self.state.set(to as i64);
    }
}

impl Family for Breakers {
    type Series = BreakerSeries;
    const KEPT: usize = 1;

    fn resolve(&self, labels: &[&str]) -> BreakerSeries {
        BreakerSeries {
            state: self.state.with_label_values(labels),
            transitions: STATES.map(|to| counter(&self.transitions, labels, to)),
        }
    }

    fn remove(&self, labels: &[&str]) {
        self.state.remove(labels);
        for to in STATES {
            remove_counter(&self.transitions, labels, to);
        }
    }
}

/// The metrics of ejections, labelled by pool and endpoint.
pub struct Ejections {
    pub(super) ejections: IntCounterVec,
    pub(super) ejected: States,
}

/// What an [`EjectionMetrics`] gives access to.
pub struct EjectionSeries {
    /// How often it was ejected.
    pub ejections: IntCounter,
    /// 1 while it is ejected.
    pub ejected: IntGauge,
}

impl Family for Ejections {
    type Series = EjectionSeries;
    const KEPT: usize = 1;

    fn resolve(&self, labels: &[&str]) -> EjectionSeries {
        EjectionSeries {
            ejections: self.ejections.with_label_values(labels),
            ejected: self.ejected.with_label_values(labels),
        }
    }

    fn remove(&self, labels: &[&str]) {
        self.ejected.remove(labels);
        // Removing fails only for a series that is not there.
        let _ = self.ejections.remove_label_values(labels);
    }
}

/// The metrics of pools that may fail open, labelled by pool.
pub struct FailOpens {
    pub(super) open: IntGaugeVec,
}

/// What a [`FailOpenMetrics`] gives access to.
pub struct FailOpenSeries {
    /// 1 while health is looked past.
    pub open: IntGauge,
}

impl Family for FailOpens {
    type Series = FailOpenSeries;

    fn resolve(&self, labels: &[&str]) -> FailOpenSeries {
        FailOpenSeries {
            open: self.open.with_label_values(labels),
        }
    }

    fn remove(&self, labels: &[&str]) {
        let _ = self.open.remove_label_values(labels);
    }
}
