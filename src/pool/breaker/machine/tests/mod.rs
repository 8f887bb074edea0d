//! Does the breaker open, try and close when it should, on a clock that is stepped by hand?

mod any_order;
mod opening;
mod trials;

use super::*;

const SUCCESS: Verdict = Verdict {
    outcome: Outcome::Success,
    slow: false,
};
const FAILURE: Verdict = Verdict {
    outcome: Outcome::Failure,
    slow: false,
};
const NEUTRAL: Verdict = Verdict {
    outcome: Outcome::Neutral,
    slow: true,
};
const OUTRUN: Verdict = Verdict {
    outcome: Outcome::Outrun,
    slow: true,
};
const SLOW: Verdict = Verdict {
    outcome: Outcome::Success,
    slow: true,
};

/// Opens after three failures in a row, for one second up to eight, and closes after two trials.
fn params() -> Params {
    Params {
        consecutive_failures: Some(3),
        error_ratio: None,
        slow_ratio: None,
        window: Duration::from_secs(10),
        min_requests: 10,
        open_for: Duration::from_secs(1),
        max_open_for: Duration::from_secs(8),
        trials: 2,
    }
}

/// A breaker and its clock.
struct Bench {
    machine: Machine,
    params: Params,
    now: u64,
}

impl Bench {
    fn new(params: Params) -> Self {
        Self {
            machine: Machine::default(),
            params,
            now: 3_600_000,
        }
    }

    fn acquire(&mut self) -> Option<Permit> {
        self.machine.acquire(self.now, &self.params).0
    }

    fn record(&mut self, permit: Permit, verdict: Verdict) -> Option<Change> {
        self.machine
            .record(permit, verdict, self.now, &self.params, 0)
    }

    /// A request that is let through and ends so at once.
    fn ends(&mut self, verdict: Verdict) -> Option<Change> {
        let permit = self.acquire().expect("it is let through");
        self.record(permit, verdict)
    }

    /// Fails until it is open, and gives for how long.
    fn opens(&mut self) -> u64 {
        for _ in 0..100 {
            if let Some(Change::Opened { millis, .. }) = self.ends(FAILURE) {
                return millis;
            }
        }
        panic!("it never opens: {:?}", self.machine);
    }
}
