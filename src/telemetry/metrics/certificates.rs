//! Until when are the certificates in force valid?

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Error, IntGaugeVec, Opts};

use super::live::OTHER;
use super::{NAME_LIMIT, signed};

/// The end of each certificate that clients may be shown, by listener and name. One table that is changed as a whole: no
/// scrape sees a certificate without its time, or one of a configuration that never was in force.
#[derive(Clone)]
pub struct Certificates(Arc<Inner>);

struct Inner {
    opts: Opts,
    labels: [&'static str; 2],
    desc: Vec<Desc>,
    until: Mutex<BTreeMap<(String, String), i64>>,
}

impl Certificates {
    pub(super) fn new(opts: Opts, labels: [&'static str; 2]) -> Result<Self, Error> {
        let gauges = IntGaugeVec::new(opts.clone(), &labels)?;
        Ok(Self(Arc::new(Inner {
            desc: gauges.desc().into_iter().cloned().collect(),
            opts,
            labels,
            until: Mutex::default(),
        })))
    }

    /// Tells of these from now on: their listener, their name and their end. Of several of one name, such as one for each
    /// kind of key, it is the first end that counts; so it is of those past the limit, which share a name.
    pub fn put_in_force<'c>(
        &self,
        certificates: impl Iterator<Item = (&'c str, &'c str, SystemTime)>,
    ) {
        let mut until = BTreeMap::new();
        for (listener, name, end) in certificates {
            let end = seconds(end);
            let mut labels = (listener.to_owned(), name.to_owned());
            if until.len() >= NAME_LIMIT && !until.contains_key(&labels) {
                labels.1 = OTHER.to_owned();
            }
            let first = until.entry(labels).or_insert(end);
            *first = end.min(*first);
        }
        *self.0.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

impl Collector for Certificates {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // The same call has succeeded before.
        let Ok(gauges) = IntGaugeVec::new(self.0.opts.clone(), &self.0.labels) else {
            return Vec::new();
        };
        let until = self.0.until.lock().unwrap_or_else(PoisonError::into_inner);
        for ((listener, name), end) in &*until {
            gauges.with_label_values(&[listener, name]).set(*end);
        }
        gauges.collect()
    }
}

/// In seconds since 1970.
fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => signed(since.as_secs()),
        Err(before) => -signed(before.duration().as_secs()),
    }
}
