//! When does a breaker open, who may try meanwhile, and when does it close?
//!
//! A pure machine: what happened, the time and the numbers come in, its state and what changed come out. Times are
//! milliseconds of the [`clock`](crate::pool::clock).

use std::time::Duration;

use super::{Cause, Run, Window};
use crate::pool::{Outcome, clock};

/// The numbers of a breaker; they belong to the generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// It opens after so many failures in a row; `None` if that is no rule.
    pub consecutive_failures: Option<u32>,
    /// It opens when this share of the requests in the window failed, in percent; `None` if that is no rule.
    pub error_ratio: Option<u8>,
    /// It opens when this share of the requests in the window was slow, in percent; `None` if that is no rule.
    pub slow_ratio: Option<u8>,
    /// The window of both shares.
    pub window: Duration,
    /// A share counts from so many requests in the window on.
    pub min_requests: u32,
    /// How long it is open the first time.
    pub open_for: Duration,
    /// How long it is open at most.
    pub max_open_for: Duration,
    /// How many requests are let through at once to see whether it may close, and how many must succeed in a row. When so
    /// many wait for their answers, one more is let through whenever the last began `open_for` ago: those that wait
    /// forever must not keep everyone else out.
    pub trials: u32,
}

/// The proof that a request was let through, and when that was: how it ends is told to that time alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permit {
    pub(super) round: u32,
}

/// What a request taught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it speaks for the endpoint, against it, or says nothing.
    pub outcome: Outcome,
    /// Whether it took long.
    pub slow: bool,
}

/// The state of a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Everything is let through.
    #[default]
    Closed,
    /// Nothing is let through before this time.
    Open {
        /// When the first trial may begin.
        until: u64,
    },
    /// A few are let through to see whether it may close. It begins with the first of them.
    HalfOpen {
        /// Trials that have not ended.
        under_way: u32,
        /// Trials that succeeded, one after the other.
        succeeded: u32,
        /// When the last one began.
        last: u64,
    },
}

impl State {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open { .. } => "open",
            State::HalfOpen { .. } => "half_open",
        }
    }
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has opened.
    Opened {
        /// For so many milliseconds.
        millis: u64,
        /// Why.
        cause: Cause,
    },
    /// The first trial is let through.
    HalfOpened,
    /// So many trials have succeeded, and it has closed.
    Closed {
        /// How many.
        trials: u32,
    },
}

/// In how many bits rounds are counted: more than could pass while one request is under way.
pub(super) const ROUND_BITS: u32 = 20;

/// How many times as long as it was open it must have been closed for the next opening to count as the first again.
const FORGIVEN_AFTER: u64 = 4;

/// What is remembered of one endpoint, or of one pool.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    state: State,
    /// Counts changes of state, so that what a request of an earlier state teaches is not taken for this one.
    round: u32,
    /// Failures in a row, while closed.
    run: Run,
    window: Window,
    /// How often it has opened without having been forgiven between.
    openings: u32,
    /// How long it was open the last time.
    open_for: u64,
    /// When it closed the last time.
    closed: u64,
}

impl Machine {
    /// Its state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Its round.
    pub(super) fn round(&self) -> u32 {
        self.round
    }

    /// Whether it is closed and a success would change nothing but the window.
    pub(super) fn is_untroubled(&self) -> bool {
        self.state == State::Closed && self.run.is_empty()
    }

    /// From when on a request is let through: 0 if it is at any time.
    pub(super) fn due(&self, params: &Params) -> u64 {
        match self.state {
            State::Closed => 0,
            State::Open { until } => until,
            State::HalfOpen { under_way, .. } if under_way < params.trials => 0,
            State::HalfOpen { last, .. } => last.saturating_add(clock::length(params.open_for)),
        }
    }

    /// A request wants to pass.
    pub fn acquire(&mut self, now: u64, params: &Params) -> (Option<Permit>, Option<Change>) {
        if now < self.due(params) {
            return (None, None);
        }
        let mut change = None;
        match &mut self.state {
            State::Closed => {}
            State::Open { .. } => {
                self.enter(State::HalfOpen {
                    under_way: 1,
                    succeeded: 0,
                    last: now,
                });
                change = Some(Change::HalfOpened);
            }
            State::HalfOpen {
                under_way, last, ..
            } => {
                *under_way = under_way.saturating_add(1);
                *last = now;
            }
        }
        (Some(Permit { round: self.round }), change)
    }

    /// A request that was let through has ended. `spread` moves the time it may open for by so many thousandths, so that
    /// endpoints which fail together are not tried together.
    pub fn record(
        &mut self,
        permit: Permit,
        verdict: Verdict,
        now: u64,
        params: &Params,
        spread: i64,
    ) -> Option<Change> {
        if permit.round != self.round {
            return None;
        }
        let too_slow = verdict.slow && params.slow_ratio.is_some();
        match &mut self.state {
            State::Closed => {
                let cause = self.weigh(verdict, now, params)?;
                let closed_for = now.saturating_sub(self.closed);
                if closed_for >= self.open_for.saturating_mul(FORGIVEN_AFTER) {
                    self.openings = 0;
                }
                Some(self.open(now, params, spread, cause))
            }
            State::HalfOpen {
                under_way,
                succeeded,
                ..
            } => {
                *under_way = under_way.saturating_sub(1);
                match verdict.outcome {
                    Outcome::Neutral => None,
                    Outcome::Success if !too_slow => {
                        *succeeded += 1;
                        let trials = *succeeded;
                        (trials >= params.trials).then(|| {
                            self.closed = now;
                            self.enter(State::Closed);
                            Change::Closed { trials }
                        })
                    }
                    // A trial that was outrun has shown nothing that speaks for closing, and would be followed by the next
                    // at once.
                    Outcome::Success | Outcome::Failure | Outcome::Outrun => {
                        Some(self.open(now, params, spread, Cause::Trial))
                    }
                }
            }
            State::Open { .. } => None,
        }
    }

    /// Counts what a request taught while all was well, and says whether that is too much.
    fn weigh(&mut self, verdict: Verdict, now: u64, params: &Params) -> Option<Cause> {
        let in_a_row = self
            .run
            .add(verdict.outcome, now, params.consecutive_failures);
        let failed = match verdict.outcome {
            Outcome::Neutral => return None,
            // How long its answer would have taken, and what it would have been, nobody knows.
            Outcome::Outrun => return in_a_row,
            Outcome::Success => false,
            Outcome::Failure => true,
        };
        if params.error_ratio.is_some() || params.slow_ratio.is_some() {
            let counts = self.window.add(failed, verdict.slow, now, params.window);
            let least = params.min_requests;
            if params
                .error_ratio
                .is_some_and(|percent| counts.failed_by(percent, least))
            {
                return Some(Cause::Failed(counts));
            }
            if params
                .slow_ratio
                .is_some_and(|percent| counts.slow_by(percent, least))
            {
                return Some(Cause::Slow(counts));
            }
        }
        in_a_row
    }

    fn open(&mut self, now: u64, params: &Params, spread: i64, cause: Cause) -> Change {
        let (first, most) = (
            clock::length(params.open_for),
            clock::length(params.max_open_for),
        );
        let doubled = 1_u64.checked_shl(self.openings).unwrap_or(u64::MAX);
        let whole = first.saturating_mul(doubled).min(most);
        let spread = u64::try_from(1_000 + spread).unwrap_or_default();
        let open_for = (whole.saturating_mul(spread) / 1_000).clamp(1, most.max(1));
        self.openings = self.openings.saturating_add(1);
        self.open_for = open_for;
        self.enter(State::Open {
            until: now.saturating_add(open_for),
        });
        Change::Opened {
            millis: open_for,
            cause,
        }
    }

    /// What was counted before says nothing about the state that begins.
    fn enter(&mut self, state: State) {
        self.state = state;
        self.round = (self.round + 1) % (1 << ROUND_BITS);
        self.run = Run::default();
        self.window.clear();
    }
}

#[cfg(test)]
mod tests;
