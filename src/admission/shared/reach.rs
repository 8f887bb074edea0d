//! Is Redis there?
//!
//! One answer for all threads, and one line in the log for each change. Redis is away when a connection can't be opened,
//! and when asks have gone unanswered for a while without a single answer between them: one that takes too long is no
//! reason yet. Whether it is back says the [probe](super::probe) alone.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::telemetry::metrics::SharedLimitMetrics;

/// How long there may be no answer.
const PATIENCE: Duration = Duration::from_millis(50);
/// No ask is without an answer.
const NONE: u64 = u64::MAX;

/// Whether one Redis is there.
pub(super) struct Reach {
    name: String,
    start: Instant,
    /// As [`tidings`](Self::tidings) say, without their lock.
    away: AtomicBool,
    tidings: watch::Sender<bool>,
    /// When the first ask began that was not answered, with no answer since; in nanoseconds from the start.
    unanswered: AtomicU64,
    /// When it came back last, in the same unit: what began before that is of the past.
    back: AtomicU64,
    metrics: SharedLimitMetrics,
}

impl Reach {
    /// It is taken to be there until somebody finds that it is not.
    pub(super) fn new(name: String, metrics: SharedLimitMetrics, now: Instant) -> Self {
        Self {
            name,
            start: now,
            away: AtomicBool::new(false),
            tidings: watch::Sender::new(false),
            unanswered: AtomicU64::new(NONE),
            back: AtomicU64::new(0),
            metrics,
        }
    }

    /// Whether nobody should ask.
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// Told of each change.
    pub(super) fn subscribe(&self) -> watch::Receiver<bool> {
        self.tidings.subscribe()
    }

    /// An ask was answered in time.
    pub(super) fn answered(&self) {
        if self.unanswered.load(Ordering::Relaxed) != NONE {
            self.unanswered.store(NONE, Ordering::Relaxed);
        }
    }

    /// An ask that began then was not.
    pub(super) fn missed(&self, began: Instant, now: Instant, why: &dyn fmt::Display) {
        let began = self.nanos(began);
        if self.is_away() || began < self.back.load(Ordering::Relaxed) {
            return;
        }
        let first = self.unanswered.load(Ordering::Relaxed);
        if first == NONE {
            self.unanswered.store(began, Ordering::Relaxed);
        } else if Duration::from_nanos(self.nanos(now).saturating_sub(first)) >= PATIENCE {
            self.gone(why);
        }
    }

    /// A connection that was begun then could not be opened.
    pub(super) fn failed(&self, began: Instant, why: &dyn fmt::Display) {
        if self.nanos(began) >= self.back.load(Ordering::Relaxed) {
            self.gone(why);
        }
    }

    /// It has answered the probe.
    pub(super) fn is_back(&self, now: Instant) {
        self.unanswered.store(NONE, Ordering::Relaxed);
        self.back.store(self.nanos(now), Ordering::Relaxed);
        self.metrics.reachable(true);
        if self.change(false) {
            log::info!(
                "redis {} is back: shared limits are shared again",
                self.name
            );
        }
    }

    fn gone(&self, why: &dyn fmt::Display) {
        if self.change(true) {
            self.metrics.reachable(false);
            log::warn!(
                "redis {} is away: {why}; until it is back each machine counts shared limits for itself",
                self.name
            );
        }
    }

    /// Whether that is a change.
    fn change(&self, away: bool) -> bool {
        self.tidings.send_if_modified(|known| {
            let changed = *known != away;
            *known = away;
            self.away.store(away, Ordering::Relaxed);
            changed
        })
    }

    fn nanos(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.start).as_nanos();
        u64::try_from(since).unwrap_or(NONE - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    fn reach() -> (Reach, Instant) {
        let start = Instant::now();
        let metrics = Metrics::new().expect("metrics").shared_limit("a");
        (Reach::new("a".to_owned(), metrics, start), start)
    }

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn late_answers_are_no_reason_as_long_as_others_come_in_time() {
        let (reach, start) = reach();
        for step in 0..100 {
            let began = start + ms(step * 20);
            reach.missed(began, began + ms(5), &"late");
            reach.missed(began, began + ms(15), &"late");
            reach.answered();
        }
        assert!(!reach.is_away());
    }

    #[test]
    fn it_is_away_when_there_was_no_answer_for_a_while() {
        let (reach, start) = reach();
        reach.missed(start, start + ms(5), &"late");
        reach.missed(start + ms(40), start + ms(45), &"late");
        assert!(!reach.is_away());
        reach.missed(start + ms(45), start + ms(50), &"late");
        assert!(reach.is_away());
        assert!(*reach.subscribe().borrow());
    }

    #[test]
    fn what_began_before_it_came_back_is_of_the_past() {
        let (reach, start) = reach();
        reach.failed(start, &"refused");
        assert!(reach.is_away());
        reach.is_back(start + ms(100));
        assert!(!reach.is_away());
        reach.failed(start + ms(99), &"refused");
        reach.missed(start + ms(10), start + ms(101), &"late");
        reach.missed(start + ms(20), start + ms(500), &"late");
        assert!(!reach.is_away());
        reach.failed(start + ms(101), &"refused");
        assert!(reach.is_away());
    }
}
