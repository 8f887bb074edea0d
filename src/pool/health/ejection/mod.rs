//! Is an endpoint left out because its answers show that it is ill, whatever it says when it is asked?
//!
//! Requests that fail (refused, broken off, late, or answered with 502, 503, 504), or are outrun by hedges again and
//! again, eject an endpoint for a time that grows each time it is needed again. It comes back by itself: the first
//! request that asks after that time finds it usable. So that a fault of something behind all of them does not empty the
//! pool, only a part of its endpoints is ejected at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::pool::breaker::{Cause, Run, Window};
use crate::pool::{Endpoint, EndpointState, Lesson, Outcome, clock};

/// The rule of a pool that ejects endpoints.
#[derive(Clone, Debug)]
pub struct Params {
    /// The pool's name, for the log.
    pub pool: Arc<str>,
    /// So many failures in a row eject an endpoint.
    pub consecutive_failures: u32,
    /// This share of failures in the window ejects it, in percent; `None` if that is no rule.
    pub error_ratio: Option<u8>,
    /// The window of the share.
    pub window: Duration,
    /// The share counts from so many requests in the window on.
    pub min_requests: u32,
    /// How long it is ejected the first time; the second time twice as long, and so on.
    pub time: Duration,
    /// How long it is ejected at most.
    pub max_time: Duration,
    /// The largest share of the pool's endpoints that is ejected at once, in percent.
    pub max_ejected: u8,
    /// Whether its endpoints are asked as well. Who is known to be ill by that takes no place among the ejected.
    pub checked: bool,
}

/// What is remembered of one endpoint over reloads.
#[derive(Debug, Default)]
pub struct Memory {
    /// When it comes back, in milliseconds of the [`clock`]; 0 while it is not ejected.
    until: AtomicU64,
    /// Whether the last request failed: while none did, a success need not be written down.
    troubled: AtomicBool,
    /// When it was last told that too many others are ejected.
    told: AtomicU64,
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    /// Failures in a row.
    run: Run,
    window: Window,
    /// How often it was ejected, less what was forgiven.
    ejections: u32,
    /// When the last ejection was over: what began before says nothing about the time after.
    back: u64,
}

/// What is remembered of a pool: who of its endpoints is ejected, and when it comes back.
#[derive(Debug, Default)]
pub struct Ejected(Mutex<Vec<(u64, Weak<EndpointState>)>>);

/// How often it is told that an endpoint is not ejected because too many are, in milliseconds.
const TELL_EVERY: u64 = 60_000;

impl Memory {
    /// When it comes back; `None` if it is not ejected.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        let left = self
            .until
            .load(Ordering::Relaxed)
            .saturating_sub(clock::millis(now));
        (left > 0).then(|| Duration::from_millis(left))
    }

    /// Whether it counts as ejected: also when its time is over, until the first request asks.
    pub fn is_noted(&self) -> bool {
        self.until.load(Ordering::Relaxed) > 0
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        // Each step leaves it whole, so one that panicked left nothing half done.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the endpoint is ejected now. The first to find its time over lets it rise again.
pub fn is_ejected(params: &Params, endpoint: &Endpoint, now: Instant) -> bool {
    let memory = &endpoint.state.ejection;
    let until = memory.until.load(Ordering::Relaxed);
    if until == 0 {
        return false;
    }
    if clock::millis(now) < until {
        return true;
    }
    let back = memory
        .until
        .compare_exchange(until, 0, Ordering::Relaxed, Ordering::Relaxed);
    if back.is_ok() {
        endpoint.state.rises(now);
        if let Some(metrics) = &endpoint.guards.ejection {
            metrics.ejected.set(0);
        }
        let pool = &params.pool;
        log::info!(
            "pool {pool}: endpoint {} is no longer ejected",
            endpoint.name
        );
    }
    false
}

/// Learns from an attempt, and ejects the endpoint if that was too much.
pub fn observe(params: &Params, endpoint: &Endpoint, lesson: Lesson, now: Instant) {
    let memory = &endpoint.state.ejection;
    let outcome = lesson.ending.outcome();
    let untroubled = !memory.troubled.load(Ordering::Relaxed);
    match outcome {
        Outcome::Neutral => return,
        Outcome::Success if untroubled && params.error_ratio.is_none() => return,
        Outcome::Success | Outcome::Failure | Outcome::Outrun => {}
    }
    let millis = clock::millis(now);
    let began = now.checked_sub(lesson.took).map_or(0, clock::millis);
    let mut watched = memory.watched();
    // While it is ejected as well: then the time it comes back is in the future.
    if began < watched.back {
        return;
    }
    let cause = watched.weigh(params, outcome, millis);
    memory
        .troubled
        .store(!watched.run.is_empty(), Ordering::Relaxed);
    let Some(cause) = cause else { return };
    let (time, ejections) = watched.next(params, millis);
    let until = millis.saturating_add(time);
    let pool = &endpoint.pool;
    let most = most(pool.endpoints(), params.max_ejected);
    if !pool
        .ejected
        .admits(params, &endpoint.state, until, millis, most)
    {
        drop(watched);
        endpoint.tell_not_ejected(params, &cause, most, millis);
        return;
    }
    *watched = Watched {
        ejections,
        back: until,
        ..Watched::default()
    };
    memory.troubled.store(false, Ordering::Relaxed);
    memory.until.store(until, Ordering::Relaxed);
    if let Some(metrics) = &endpoint.guards.ejection {
        metrics.ejections.inc();
        metrics.ejected.set(1);
    }
    drop(watched);
    let time = Duration::from_millis(time);
    log::warn!(
        "pool {}: endpoint {} is ejected for {time:?}: {cause}",
        params.pool,
        endpoint.name
    );
}

impl Watched {
    fn weigh(&mut self, params: &Params, outcome: Outcome, now: u64) -> Option<Cause> {
        let in_a_row = self
            .run
            .add(outcome, now, Some(params.consecutive_failures));
        if let Some(percent) = params.error_ratio
            && outcome != Outcome::Outrun
        {
            let failed = outcome == Outcome::Failure;
            let counts = self.window.add(failed, false, now, params.window);
            if counts.failed_by(percent, params.min_requests) {
                return Some(Cause::Failed(counts));
            }
        }
        in_a_row
    }

    /// How long it is ejected now, and how often that makes it. For each such time that it has behaved since it came back,
    /// one of the earlier ejections is forgiven.
    fn next(&self, params: &Params, now: u64) -> (u64, u32) {
        let first = clock::length(params.time).max(1);
        let forgiven = now.saturating_sub(self.back) / first;
        let earlier = u64::from(self.ejections).saturating_sub(forgiven);
        let ejections = u32::try_from(earlier + 1).unwrap_or(u32::MAX);
        let time = first.saturating_mul(ejections.into());
        (time.min(clock::length(params.max_time)), ejections)
    }
}

impl Ejected {
    /// Takes note of one more until then, if that makes no more than `most`.
    fn admits(
        &self,
        params: &Params,
        endpoint: &Arc<EndpointState>,
        until: u64,
        now: u64,
        most: usize,
    ) -> bool {
        let mut ejected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ejected.retain(|(end, who)| *end > now && who.strong_count() > 0);
        let takes_place = |who: &Weak<EndpointState>| {
            let known = who.upgrade().and_then(|who| who.verdict.known());
            !params.checked || known != Some(false)
        };
        let admitted = ejected.iter().filter(|(_, who)| takes_place(who)).count() < most;
        if admitted {
            ejected.push((until, Arc::downgrade(endpoint)));
        }
        admitted
    }
}

impl Endpoint {
    fn tell_not_ejected(&self, params: &Params, cause: &Cause, most: usize, now: u64) {
        let told = &self.state.ejection.told;
        let last = told.load(Ordering::Relaxed);
        let due = last == 0 || now.saturating_sub(last) >= TELL_EVERY;
        let tells =
            || told.compare_exchange(last, now.max(1), Ordering::Relaxed, Ordering::Relaxed);
        if due && tells().is_ok() {
            log::warn!(
                "pool {}: endpoint {} is not ejected ({cause}): {most} of its endpoints are, which is all that max_ejected allows (told once a minute)",
                params.pool,
                self.name
            );
        }
    }
}

/// How many of so many endpoints may be ejected at once: at least one if it has others beside it, and never all.
fn most(endpoints: u32, percent: u8) -> usize {
    let share = u64::from(endpoints) * u64::from(percent) / 100;
    let others = u64::from(endpoints.saturating_sub(1));
    usize::try_from(share.max(1).min(others)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
