//! What becomes of a gauge that tells the state of one endpoint, where many endpoints share a series?
//!
//! Counters and numbers of what is under way add up, and so they are shared. Whether one endpoint of many is healthy is
//! nothing that one number can tell: such a gauge is set as any other, and stands in no output.

use prometheus::{Error, IntGauge, IntGaugeVec};

use super::live::OTHER;

/// Gauges that tell a state of one endpoint each.
#[derive(Clone)]
pub(super) struct States {
    gauges: IntGaugeVec,
    unseen: IntGauge,
}

impl States {
    pub(super) fn new(gauges: IntGaugeVec) -> Result<Self, Error> {
        let unseen = IntGauge::new("unseen", "In no output.")?;
        Ok(Self { gauges, unseen })
    }

    pub(super) fn with_label_values(&self, labels: &[&str]) -> IntGauge {
        match labels.last() {
            Some(&OTHER) => self.unseen.clone(),
            _ => self.gauges.with_label_values(labels),
        }
    }

    pub(super) fn remove(&self, labels: &[&str]) {
        // Removing fails only for a series that is not there.
        let _ = self.gauges.remove_label_values(labels);
    }
}
