//! How do histograms get their buckets, when the configuration that says so is read after they were made?
//!
//! They are there from the beginning, with the buckets of the catalogue, and the first configuration may choose others before
//! anything is counted. From then on they stay: where a bucket ends can't change under what is in it.

use std::sync::{Arc, OnceLock};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Error, Histogram, HistogramOpts, HistogramVec};

/// Histograms of one name, by their labels.
#[derive(Clone)]
pub(super) struct Histograms(Arc<Inner>);

struct Inner {
    opts: HistogramOpts,
    labels: Vec<String>,
    usual: HistogramVec,
    chosen: OnceLock<HistogramVec>,
}

impl Histograms {
    /// With these upper bounds, in seconds, unless others are chosen.
    pub(super) fn new(
        name: &str,
        help: &str,
        labels: &[&str],
        bounds: &[f64],
    ) -> Result<Self, Error> {
        let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        Ok(Self(Arc::new(Inner {
            usual: HistogramVec::new(opts.clone(), labels)?,
            opts,
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            chosen: OnceLock::new(),
        })))
    }

    /// Chooses the upper bounds, in seconds, once for all. Histograms that were given out before are in no output any more.
    pub(super) fn choose(&self, bounds: &[f64]) {
        let labels: Vec<&str> = self.0.labels.iter().map(String::as_str).collect();
        let opts = self.0.opts.clone().buckets(bounds.to_vec());
        // Bounds that can't be used were reported where they stand, and nothing runs with them. It takes one histogram to tell:
        // many are made without a look, and panic when the first is asked for.
        if Histogram::with_opts(opts.clone()).is_ok()
            && let Ok(chosen) = HistogramVec::new(opts, &labels)
        {
            let _ = self.0.chosen.set(chosen);
        }
    }

    pub(super) fn with_label_values(&self, labels: &[&str]) -> Histogram {
        self.now().with_label_values(labels)
    }

    pub(super) fn remove(&self, labels: &[&str]) {
        // Removing fails only for a series that is not there.
        let _ = self.now().remove_label_values(labels);
    }

    fn now(&self) -> &HistogramVec {
        self.0.chosen.get().unwrap_or(&self.0.usual)
    }
}

impl Collector for Histograms {
    fn desc(&self) -> Vec<&Desc> {
        self.0.usual.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.now().collect()
    }
}
