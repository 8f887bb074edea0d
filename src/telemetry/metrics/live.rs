//! How long does a series live whose labels come from the configuration?
//!
//! As long as someone holds its handle. The configuration in force holds those of its routes and endpoints, a request
//! that still runs on an older one holds its own, and when the last handle is dropped the series leaves the output. So
//! nobody lists what vanished at a reload, and what is still draining stays visible.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The label value that names past the limit share.
pub(super) const OTHER: &str = "(other)";

/// Metrics that carry the same labels.
pub trait Family {
    /// What a handle gives access to: the metrics of one set of label values.
    type Series;

    /// How many labels those past the limit keep, from the first on: the configuration bounds these by itself.
    const KEPT: usize = 0;

    /// Looks the series up in every metric, or adds it there.
    fn resolve(&self, labels: &[&str]) -> Self::Series;

    /// Takes the series out of every metric.
    fn remove(&self, labels: &[&str]);
}

/// The series of one family that someone holds.
pub(super) struct Live<F: Family> {
    family: F,
    limit: AtomicUsize,
    held: Mutex<Table<F>>,
}

struct Table<F: Family> {
    by_labels: HashMap<Vec<String>, Weak<Held<F>>>,
    /// How many of them stand for those past the limit.
    others: usize,
}

struct Held<F: Family> {
    series: F::Series,
    labels: Vec<String>,
    live: Arc<Live<F>>,
}

/// Keeps one series in the output and gives access to its metrics. Cheap to clone, and shared by all who ask for the
/// same labels.
pub struct Handle<F: Family>(Arc<Held<F>>);

impl<F: Family> Live<F> {
    /// No series yet, and at most `limit` of them at a time beside the one for overflow.
    pub(super) fn new(family: F, limit: usize) -> Arc<Self> {
        Arc::new(Self {
            family,
            limit: AtomicUsize::new(limit),
            held: Mutex::new(Table {
                by_labels: HashMap::new(),
                others: 0,
            }),
        })
    }

    /// Changes how many series there may be; those that are there stay.
    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Its metrics.
    pub(super) fn family(&self) -> &F {
        &self.family
    }

    /// The series with these label values; that of `(other)` if it would be a new one past the limit.
    pub(super) fn hold(self: &Arc<Self>, labels: &[&str]) -> Handle<F> {
        let mut held = self.lock();
        let mut names: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        let limit = self.limit.load(Ordering::Relaxed);
        let own = held.by_labels.len() - held.others;
        if own >= limit && !held.by_labels.contains_key(&names) {
            names[F::KEPT..].fill(OTHER.to_owned());
        }
        if let Some(series) = held.by_labels.get(&names).and_then(Weak::upgrade) {
            return Handle(series);
        }
        let series = Arc::new(Held {
            series: self.family.resolve(&borrowed(&names)),
            labels: names.clone(),
            live: Arc::clone(self),
        });
        let is_other = is_other(&names);
        let before = held.by_labels.insert(names, Arc::downgrade(&series));
        if is_other && before.is_none() {
            held.others += 1;
        }
        Handle(series)
    }

    /// What is made of each series that someone holds.
    pub(super) fn each<T>(&self, of: impl Fn(&[String], &F::Series) -> T) -> Vec<T> {
        // Dropped when the lock is open again, which the last handle of a series needs.
        let held: Vec<Arc<Held<F>>> = self
            .lock()
            .by_labels
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        let each = held.iter();
        each.map(|held| of(&held.labels, &held.series)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table<F>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Family> Drop for Held<F> {
    fn drop(&mut self) {
        let mut held = self.live.lock();
        // Between the last handle's end and this lock someone may have asked for the same series: then it is theirs.
        let own = |series: &Weak<Self>| ptr::eq(series.as_ptr(), self);
        if held.by_labels.get(&self.labels).is_some_and(own) {
            held.by_labels.remove(&self.labels);
            if is_other(&self.labels) {
                held.others -= 1;
            }
            self.live.family.remove(&borrowed(&self.labels));
        }
    }
}

impl<F: Family> Deref for Handle<F> {
    type Target = F::Series;

    fn deref(&self) -> &F::Series {
        &self.0.series
    }
}

impl<F: Family> Clone for Handle<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: Family> fmt::Debug for Handle<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.0.labels).finish()
    }
}

/// Whether these are the labels of those past the limit. What is called so by the configuration counts as one of them.
fn is_other(labels: &[String]) -> bool {
    labels.last().is_some_and(|label| label == OTHER)
}

fn borrowed(labels: &[String]) -> Vec<&str> {
    labels.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Remembers which series exist.
    #[derive(Default)]
    struct Known(Mutex<BTreeSet<String>>);

    impl Family for Known {
        type Series = String;
        const KEPT: usize = 1;

        fn resolve(&self, labels: &[&str]) -> String {
            self.0.lock().expect("a lock").insert(labels.join("/"));
            labels.join("/")
        }

        fn remove(&self, labels: &[&str]) {
            self.0.lock().expect("a lock").remove(&labels.join("/"));
        }
    }

    fn known(live: &Live<Known>) -> Vec<String> {
        let known = live.family.0.lock().expect("a lock");
        known.iter().cloned().collect()
    }

    #[test]
    fn a_series_lives_until_its_last_handle_is_dropped() {
        let live = Live::new(Known::default(), 10);
        let first = live.hold(&["pool", "a"]);
        let second = live.hold(&["pool", "a"]);
        assert_eq!(known(&live), ["pool/a"]);
        drop(first);
        assert_eq!(known(&live), ["pool/a"]);
        drop(second);
        assert!(known(&live).is_empty());
        assert!(live.lock().by_labels.is_empty());
    }

    #[test]
    fn names_past_the_limit_share_one_series_until_there_is_room() {
        let live = Live::new(Known::default(), 1);
        let first = live.hold(&["pool", "a"]);
        let over = [live.hold(&["pool", "b"]), live.hold(&["other", "c"])];
        assert_eq!(known(&live), ["other/(other)", "pool/(other)", "pool/a"]);
        assert_eq!(*live.hold(&["pool", "a"]), "pool/a");
        drop((first, over));
        assert_eq!(*live.hold(&["pool", "b"]), "pool/b");
    }

    #[test]
    fn a_series_that_is_taken_up_while_it_ends_stays() {
        let live = Live::new(Known::default(), 1_000);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let handle = live.hold(&["a"]);
                        assert_eq!(known(&live), ["a"]);
                        drop(handle);
                    }
                });
            }
        });
        assert!(known(&live).is_empty());
    }
}
