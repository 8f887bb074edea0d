//! How do many threads share one breaker, so that a closed one costs a request next to nothing?
//!
//! The machine stands behind a lock, and a word beside it says what nearly every request wants to know: closed, and
//! nothing was wrong lately. Then a request reads the word when it is admitted, when it is let through and when it has
//! succeeded, and that is all. The lock is taken where something is to be written down (a failure, a trial, the window
//! of a ratio) for tens of nanoseconds, never across an await. Counters in atomics would be no faster with a window
//! (several of them change together) and could not keep the number of trials exact without a loop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::machine::{Change, Machine, Params, Permit, ROUND_BITS, State, Verdict};
use crate::pool::{Outcome, clock};

/// What is remembered of a breaker over reloads. If it is taken out of the configuration and put back, it is found as it
/// was left: an open one whose time is over lets trials through.
#[derive(Debug, Default)]
pub struct Memory {
    /// What the machine says, for those who only look: see [`Word`].
    word: AtomicU64,
    machine: Mutex<Machine>,
}

/// The machine in 64 bits: two for the state, twenty for the round, and the rest for when an open one may be tried, or
/// how many trials of a half-open one are under way.
#[derive(Clone, Copy)]
struct Word(u64);

const STATE_BITS: u32 = 2;
const VALUE_SHIFT: u32 = STATE_BITS + ROUND_BITS;

const UNTROUBLED: u64 = 0;
const CLOSED: u64 = 1;
const HALF_OPEN: u64 = 2;
const OPEN: u64 = 3;

impl Word {
    fn of(machine: &Machine) -> Self {
        let (state, value) = match machine.state() {
            State::Closed if machine.is_untroubled() => (UNTROUBLED, 0),
            State::Closed => (CLOSED, 0),
            State::HalfOpen { under_way, .. } => (HALF_OPEN, u64::from(under_way)),
            State::Open { until } => (OPEN, until),
        };
        // 42 bits of milliseconds are 139 years.
        let value = value.min(u64::MAX >> VALUE_SHIFT);
        Self(value << VALUE_SHIFT | u64::from(machine.round()) << STATE_BITS | state)
    }

    fn state(self) -> u64 {
        self.0 & ((1 << STATE_BITS) - 1)
    }

    fn permit(self) -> Permit {
        let round = (self.0 >> STATE_BITS) & ((1 << ROUND_BITS) - 1);
        Permit {
            round: round as u32,
        }
    }

    fn value(self) -> u64 {
        self.0 >> VALUE_SHIFT
    }

    fn is_closed(self) -> bool {
        matches!(self.state(), UNTROUBLED | CLOSED)
    }
}

impl Memory {
    /// Its state as it was last written down: an open one whose time is over stays open until the first trial.
    pub fn state(&self) -> State {
        self.machine().state()
    }

    /// Whether a request would be let through now.
    pub fn admits(&self, now: Instant, params: &Params) -> bool {
        let word = self.word();
        match word.state() {
            OPEN => clock::millis(now) >= word.value(),
            HALF_OPEN => word.value() < u64::from(params.trials),
            _ => true,
        }
    }

    /// How long until a request may be let through, if it is known; none at all if that may be now.
    pub fn due_in(&self, now: Instant) -> Duration {
        let word = self.word();
        match word.state() {
            OPEN => Duration::from_millis(word.value().saturating_sub(clock::millis(now))),
            _ => Duration::ZERO,
        }
    }

    /// Lets a request through, or not. A change is told to `note` before anyone else can make the next one.
    pub fn acquire(
        &self,
        now: Instant,
        params: &Params,
        note: impl FnOnce(&Change),
    ) -> (Option<Permit>, Option<Change>) {
        let word = self.word();
        if word.is_closed() {
            return (Some(word.permit()), None);
        }
        let now = clock::millis(now);
        if word.state() == OPEN && now < word.value() {
            return (None, None);
        }
        let mut machine = self.machine();
        let (permit, change) = machine.acquire(now, params);
        self.publish(&machine, change.as_ref(), note);
        (permit, change)
    }

    /// Learns how a request ended that was let through.
    pub fn record(
        &self,
        permit: Permit,
        verdict: Verdict,
        now: Instant,
        params: &Params,
        note: impl FnOnce(&Change),
    ) -> Option<Change> {
        let word = self.word();
        // Whoever gave the permit wrote the word before, so another round is a later one.
        if word.permit() != permit {
            return None;
        }
        let nothing_new = match verdict.outcome {
            Outcome::Neutral => word.is_closed(),
            Outcome::Success => {
                word.state() == UNTROUBLED
                    && params.error_ratio.is_none()
                    && params.slow_ratio.is_none()
            }
            Outcome::Failure => false,
        };
        if nothing_new {
            return None;
        }
        let spread = fastrand::i64(-SPREAD..=SPREAD);
        let mut machine = self.machine();
        let change = machine.record(permit, verdict, clock::millis(now), params, spread);
        self.publish(&machine, change.as_ref(), note);
        change
    }

    fn word(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    fn publish(&self, machine: &Machine, change: Option<&Change>, note: impl FnOnce(&Change)) {
        self.word.store(Word::of(machine).0, Ordering::Relaxed);
        if let Some(change) = change {
            note(change);
        }
    }

    /// Each step leaves the machine whole, so one that panicked left nothing half done.
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time it is open is moved by so many thousandths, up or down.
const SPREAD: i64 = 100;
