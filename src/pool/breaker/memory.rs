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

/// The machine in 64 bits: two for the state, twenty for the round, and the rest for when it lets the next one through.
/// That is by the numbers of whoever wrote it last: more trials by a reload count from the next of them on.
#[derive(Clone, Copy)]
struct Word(u64);

const STATE_BITS: u32 = 2;
const DUE_SHIFT: u32 = STATE_BITS + ROUND_BITS;

const UNTROUBLED: u64 = 0;
const CLOSED: u64 = 1;
const OPEN: u64 = 2;
const HALF_OPEN: u64 = 3;

/// How long who is refused while trials are under way is told to wait at most.
const WHILE_TRIED: Duration = Duration::from_secs(1);

impl Word {
    fn of(machine: &Machine, params: &Params) -> Self {
        let state = match machine.state() {
            State::Closed if machine.is_untroubled() => UNTROUBLED,
            State::Closed => CLOSED,
            State::Open { .. } => OPEN,
            State::HalfOpen { .. } => HALF_OPEN,
        };
        // 42 bits of milliseconds are 139 years.
        let due = machine.due(params).min(u64::MAX >> DUE_SHIFT);
        Self(due << DUE_SHIFT | u64::from(machine.round()) << STATE_BITS | state)
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

    fn due(self) -> u64 {
        self.0 >> DUE_SHIFT
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
    pub fn admits(&self, now: Instant) -> bool {
        let word = self.word();
        word.is_closed() || clock::millis(now) >= word.due()
    }

    /// How long until a request is let through at the latest; none at all if that may be now.
    pub fn due_in(&self, now: Instant) -> Duration {
        Duration::from_millis(self.word().due().saturating_sub(clock::millis(now)))
    }

    /// When it is worth asking again: while trials are under way the first to end may close it, long before one more is let
    /// through.
    pub fn retry_after(&self, now: Instant) -> Duration {
        let due = self.due_in(now);
        match self.word().state() {
            HALF_OPEN => due.min(WHILE_TRIED),
            _ => due,
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
        if now < word.due() {
            return (None, None);
        }
        let mut machine = self.machine();
        let (permit, change) = machine.acquire(now, params);
        self.publish(&machine, params, change.as_ref(), note);
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
            Outcome::Outrun => word.is_closed() && params.consecutive_failures.is_none(),
            Outcome::Failure => false,
        };
        if nothing_new {
            return None;
        }
        let spread = fastrand::i64(-SPREAD..=SPREAD);
        let mut machine = self.machine();
        let change = machine.record(permit, verdict, clock::millis(now), params, spread);
        self.publish(&machine, params, change.as_ref(), note);
        change
    }

    fn word(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    fn publish(
        &self,
        machine: &Machine,
        params: &Params,
        change: Option<&Change>,
        note: impl FnOnce(&Change),
    ) {
        self.word
            .store(Word::of(machine, params).0, Ordering::Relaxed);
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
