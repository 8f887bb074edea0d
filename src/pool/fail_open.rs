//! When are so few endpoints healthy that it is better to look past health?
//!
//! A pool most of whose endpoints look ill is either lost anyway, or what looks at them is wrong. Either way the few that
//! are left would fall over under the load of all. So below a threshold every endpoint is tried again, as if nobody had
//! measured anything. The operator's drain, breakers and limits still hold.
//!
//! They are counted when requests come, now and then, and when one would fail; without requests whenever somebody looks:
//! for `/pools`, for a drain and for `/metrics`.
//!
//! The endpoints of each priority are counted by themselves: while those of one, backups for instance, are healthy enough,
//! they serve and nothing is looked past. Endpoints of weight 0 are left out, and drained ones, well or ill: the operator
//! has taken them away.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::{Endpoint, Members, clock};
use crate::telemetry::metrics::FailOpenMetrics;

/// How often the healthy endpoints are counted while requests come, in milliseconds. One request counts for all others.
const COUNT_EVERY: u64 = 100;

/// The rule of a pool that fails open.
pub struct FailOpen {
    /// Health is looked past when of no priority this percentage of the endpoints is healthy; 1 to 100.
    pub threshold: u8,
    /// The pool's name, for the log.
    pub pool: Arc<str>,
    /// Its metrics.
    pub metrics: FailOpenMetrics,
}

/// What is remembered of a pool.
#[derive(Debug, Default)]
pub struct Memory {
    open: AtomicBool,
    /// When the endpoints are to be counted again, in milliseconds of the [`clock`].
    next: AtomicU64,
}

/// Healthy endpoints among all.
struct Healthy {
    healthy: usize,
    all: usize,
}

impl FailOpen {
    /// Whether health is looked past now.
    pub fn is_open(&self, memory: &Memory, members: &Members, now: Instant) -> bool {
        let millis = clock::millis(now);
        let next = memory.next.load(Ordering::Relaxed);
        if millis >= next {
            let later = millis.saturating_add(COUNT_EVERY);
            let mine =
                memory
                    .next
                    .compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed);
            if mine.is_ok() {
                return self.count(memory, members, now);
            }
        }
        memory.open.load(Ordering::Relaxed)
    }

    /// Counts the endpoints, whenever that was done last. What comes of it holds for requests and the metric from now on, and
    /// a change is logged.
    pub fn count(&self, memory: &Memory, members: &Members, now: Instant) -> bool {
        let mut count = Healthy { healthy: 0, all: 0 };
        let mut has_enough = false;
        for tier in members.tiers() {
            let wanted = |one: &&Arc<Endpoint>| one.weight > 0 && !one.state.is_drained();
            let mut own = Healthy { healthy: 0, all: 0 };
            for endpoint in tier.iter().filter(wanted) {
                own.all += 1;
                own.healthy += usize::from(endpoint.health.is_usable(endpoint, now));
            }
            has_enough |= own.all > 0 && own.healthy * 100 >= own.all * usize::from(self.threshold);
            count.all += own.all;
            count.healthy += own.healthy;
        }
        let open = count.all > 0 && !has_enough;
        let was_open = memory.open.swap(open, Ordering::Relaxed);
        self.metrics.open.set(open.into());
        let (pool, threshold) = (&self.pool, self.threshold);
        match (was_open, open) {
            (false, true) => {
                log::warn!("pool {pool}: {count}, less than {threshold} %: health is looked past")
            }
            (true, false) => log::info!("pool {pool}: {count}: health counts again"),
            _ => {}
        }
        open
    }
}

impl fmt::Display for Healthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} endpoints are healthy", self.healthy, self.all)
    }
}

#[cfg(test)]
mod tests {
    use crate::pool::staged::{RESET, Stage};

    fn ejects(stage: &Stage, index: usize) {
        for _ in 0..5 {
            stage.ends(index, RESET);
        }
    }

    #[test]
    fn below_the_threshold_requests_go_to_all_and_from_it_on_to_the_healthy_ones() {
        let mut stage = Stage::new(
            4,
            "panic_threshold: 50, ejection: { max_ejected: 100, time: 10s }",
        );
        ejects(&stage, 0);
        ejects(&stage, 1);
        // Half of them is not less than half of them.
        assert_eq!(stage.chosen(), "23");
        stage.shows("portcullis_pool_fail_open{pool=\"p\"} 0");
        stage.wait(1_000);
        ejects(&stage, 2);
        assert_eq!(stage.chosen(), "0123");
        stage.shows("portcullis_pool_fail_open{pool=\"p\"} 1");
        // The operator's will holds all the same.
        stage.endpoint(3).state.set_drained(true);
        assert_eq!(stage.chosen(), "012");
        stage.endpoint(3).state.set_drained(false);
        stage.wait(9_000);
        assert_eq!(stage.chosen(), "013");
        stage.shows("portcullis_pool_fail_open{pool=\"p\"} 0");
    }

    #[test]
    fn dead_primaries_before_a_healthy_backup_are_no_reason_to_look_past_health() {
        let mut stage = Stage::with_backup(2, "panic_threshold: 50, health: {}");
        let verdict = |stage: &Stage, index: usize, healthy: bool| {
            stage.endpoint(index).state.verdict.restore(healthy);
        };
        for (index, healthy) in [(0, false), (1, false), (2, true)] {
            verdict(&stage, index, healthy);
        }
        assert_eq!(stage.chosen(), "2");
        stage.shows("portcullis_pool_fail_open{pool=\"p\"} 0");
        verdict(&stage, 2, false);
        assert_eq!(stage.chosen(), "01");
        stage.shows("portcullis_pool_fail_open{pool=\"p\"} 1");
        verdict(&stage, 2, true);
        stage.wait(1_000);
        assert_eq!(stage.chosen(), "2");
    }

    #[test]
    fn they_are_counted_now_and_then_but_at_once_when_a_request_would_fail() {
        let stage = Stage::new(3, "panic_threshold: 60, ejection: { max_ejected: 100 }");
        assert_eq!(stage.chosen(), "012");
        ejects(&stage, 0);
        ejects(&stage, 1);
        // Counted not long ago, and one is left.
        assert_eq!(stage.chosen(), "2");
        let drained = stage.endpoint(2);
        drained.state.set_drained(true);
        assert_eq!(stage.chosen(), "01");
        drained.state.set_drained(false);
        assert_eq!(stage.chosen(), "012");
    }

    #[test]
    fn without_a_threshold_nothing_is_looked_past() {
        let stage = Stage::new(2, "ejection: { max_ejected: 100 }");
        ejects(&stage, 0);
        stage.endpoint(1).state.set_drained(true);
        assert_eq!(stage.chosen(), "");
    }
}
