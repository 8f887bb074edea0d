//! Is an endpoint given a rest because its requests keep failing?

mod cause;
mod failures;
mod machine;
mod memory;
mod run;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Endpoint, Lesson, Outcome};
use crate::telemetry::metrics::BreakerMetrics;
pub use cause::Cause;
pub use failures::Failures;
pub use machine::{Change, Machine, Params, Permit, State, Verdict};
pub use memory::Memory;
pub use run::Run;
pub use window::{Counts, Window};

/// Opens when requests to an endpoint keep failing, and lets some through to see whether it has recovered.
///
/// The rule and its numbers belong to the generation; what happened is in the memory of the endpoint that is the argument. So
/// a reload changes numbers and forgets nothing.
pub trait Breaker: Send + Sync {
    /// Whether a request would be let through now.
    fn admits(&self, endpoint: &Endpoint, now: Instant) -> bool;

    /// Lets one request through; `None` if it may not. Every permit is followed by one [`record`](Self::record).
    fn acquire(&self, endpoint: &Endpoint, now: Instant) -> Option<Permit>;

    /// Learns from a request that was let through.
    fn record(&self, endpoint: &Endpoint, permit: Permit, lesson: Lesson, now: Instant);

    /// How long until a request is let through at the latest.
    fn due_in(&self, endpoint: &Endpoint, now: Instant) -> Duration;

    /// How long who is refused should wait: not for the trials that are under way to be given up.
    fn retry_after(&self, endpoint: &Endpoint, now: Instant) -> Duration {
        self.due_in(endpoint, now)
    }

    /// Its state as it was last written down; `None` where there is no breaker.
    fn state(&self, _: &Endpoint) -> Option<State> {
        None
    }
}

/// The breaker of a pool that has none: it lets everything through.
#[derive(Debug)]
pub struct NeverOpens;

impl Breaker for NeverOpens {
    fn admits(&self, _: &Endpoint, _: Instant) -> bool {
        true
    }

    fn acquire(&self, _: &Endpoint, _: Instant) -> Option<Permit> {
        Some(Permit::default())
    }

    fn record(&self, _: &Endpoint, _: Permit, _: Lesson, _: Instant) {}

    fn due_in(&self, _: &Endpoint, _: Instant) -> Duration {
        Duration::ZERO
    }
}

/// Whose requests a breaker watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those to one endpoint, which is left out while it is open.
    Endpoint,
    /// Those to all endpoints of a pool, which serves nothing while it is open.
    Pool,
}

/// The breaker of a pool that has one.
#[derive(Debug)]
pub struct Watchful {
    /// The pool's name, for the log.
    pub pool: Arc<str>,
    /// Whose requests it watches.
    pub scope: Scope,
    /// What counts as a failure.
    pub failures: Failures,
    /// A call that takes longer is slow; `None` if none is.
    pub slow_after: Option<Duration>,
    /// Its numbers.
    pub params: Params,
}

impl Watchful {
    fn memory<'a>(&self, endpoint: &'a Endpoint) -> &'a Memory {
        match self.scope {
            Scope::Endpoint => &endpoint.state.breaker,
            Scope::Pool => &endpoint.pool.breaker,
        }
    }

    fn tell(&self, endpoint: &Endpoint, change: Change) {
        let whose = match self.scope {
            Scope::Endpoint => format!("endpoint {}: its breaker", endpoint.name),
            Scope::Pool => "its breaker".to_owned(),
        };
        let pool = &self.pool;
        match change {
            Change::Opened { millis, cause } => {
                let open_for = Duration::from_millis(millis);
                log::warn!("pool {pool}: {whose} is open for {open_for:?}: {cause}");
            }
            Change::HalfOpened => log::info!("pool {pool}: {whose} is half-open"),
            Change::Closed { trials } => {
                log::info!("pool {pool}: {whose} is closed: {trials} trials in a row succeeded");
            }
        }
    }
}

impl Breaker for Watchful {
    fn admits(&self, endpoint: &Endpoint, now: Instant) -> bool {
        self.memory(endpoint).admits(now)
    }

    fn acquire(&self, endpoint: &Endpoint, now: Instant) -> Option<Permit> {
        let memory = self.memory(endpoint);
        let (permit, change) = memory.acquire(now, &self.params, |change| count(endpoint, change));
        if let Some(change) = change {
            self.tell(endpoint, change);
        }
        permit
    }

    fn record(&self, endpoint: &Endpoint, permit: Permit, lesson: Lesson, now: Instant) {
        let mut verdict = self.failures.verdict(lesson, self.slow_after);
        if (verdict.outcome, self.scope) == (Outcome::Outrun, Scope::Pool) {
            // By another endpoint of the same pool.
            verdict.outcome = Outcome::Neutral;
        }
        let note = |change: &Change| count(endpoint, change);
        let memory = self.memory(endpoint);
        if let Some(change) = memory.record(permit, verdict, now, &self.params, note) {
            if matches!(
                (change, self.scope),
                (Change::Closed { .. }, Scope::Endpoint)
            ) {
                endpoint.state.rises(now);
            }
            self.tell(endpoint, change);
        }
    }

    fn due_in(&self, endpoint: &Endpoint, now: Instant) -> Duration {
        self.memory(endpoint).due_in(now)
    }

    fn retry_after(&self, endpoint: &Endpoint, now: Instant) -> Duration {
        self.memory(endpoint).retry_after(now)
    }

    fn state(&self, endpoint: &Endpoint) -> Option<State> {
        Some(self.memory(endpoint).state())
    }
}

fn count(endpoint: &Endpoint, change: &Change) {
    if let Some(metrics) = &endpoint.guards.breaker {
        match change {
            Change::Opened { .. } => metrics.opened(),
            Change::HalfOpened => metrics.half_opened(),
            Change::Closed { .. } => metrics.closed(),
        }
    }
}

/// Shows in the metric what is remembered, for a series that is new while its breaker is not.
pub fn show(memory: &Memory, metrics: &BreakerMetrics) {
    metrics.show(match memory.state() {
        State::Closed => 0,
        State::HalfOpen { .. } => 1,
        State::Open { .. } => 2,
    });
}
