//! When do the results of its checks make an endpoint healthy or unhealthy?
//!
//! | known so far | passes | fails |
//! |---|---|---|
//! | nothing, `initial: healthy` (in use) | healthy | unhealthy at once |
//! | nothing, `initial: checking` (not in use) | healthy at once | unhealthy |
//! | nothing, `initial: unhealthy` (not in use) | healthy after `rise` in a row | unhealthy |
//! | healthy | healthy | unhealthy after `fall` in a row |
//! | unhealthy | healthy after `rise` in a row; if the check is another than before, its first result is enough | unhealthy |
//!
//! That one failure is enough where nothing is known yet is what HAProxy does as well: a server that is dead when it is
//! added takes requests for the length of one check, not of `fall` intervals.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::check::Failure;
use super::illness::Illness;

/// How many results it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Checks passed in a row that make an unhealthy endpoint healthy.
    pub rise: u32,
    /// Checks failed in a row that make a healthy endpoint unhealthy.
    pub fall: u32,
    /// What an endpoint is until a check has decided.
    pub initial: Initial,
}

/// What an endpoint is until a check has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// In use.
    Healthy,
    /// Not in use before it has passed `rise` checks.
    Unhealthy,
    /// Not in use before it has passed one.
    Checking,
}

/// What a result has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It may be used from now on.
    Rose,
    /// It may not be used any more, or still not.
    Fell,
}

/// What the checks of one endpoint have said. Requests read it; whoever runs the checks is the only one to write.
#[derive(Debug, Default)]
pub struct Memory {
    /// 0 as long as nothing is known.
    verdict: AtomicU8,
    /// Results in a row that speak against the verdict; with none, passed ones.
    streak: AtomicU32,
    /// What is asked, as a [fingerprint](super::Check::fingerprint); 0 if nobody has said.
    asked: AtomicU64,
    /// Whether something else is asked than what the verdict rests on.
    fresh: AtomicBool,
    /// What is told while they fail.
    pub illness: Illness,
}

const HEALTHY: u8 = 1;
const UNHEALTHY: u8 = 2;

impl Memory {
    /// Whether it is healthy; as long as nothing is known, whether it is `trusted`.
    pub fn is_healthy(&self, trusted: bool) -> bool {
        match self.verdict.load(Relaxed) {
            HEALTHY => true,
            UNHEALTHY => false,
            _ => trusted,
        }
    }

    /// Whether it is healthy; `None` as long as nothing is known.
    pub fn known(&self) -> Option<bool> {
        match self.verdict.load(Relaxed) {
            HEALTHY => Some(true),
            UNHEALTHY => Some(false),
            _ => None,
        }
    }

    /// Takes over what another process knew.
    pub fn restore(&self, healthy: bool) {
        self.judge(healthy);
    }

    /// Says what is asked from now on, and returns whether it is something else than before. The verdict stays until there
    /// is a result: a reload that mends a path must not take every endpoint out of use, nor put a dead one in.
    pub fn asks(&self, fingerprint: u64) -> bool {
        let before = self.asked.swap(fingerprint, Relaxed);
        let another = before != 0 && before != fingerprint;
        if another {
            self.streak.store(0, Relaxed);
            self.fresh.store(true, Relaxed);
        }
        another
    }

    /// Learns from a result.
    pub fn learn(
        &self,
        result: &Result<(), Failure>,
        params: &Params,
        now: Instant,
    ) -> Option<Change> {
        let change = self.weigh(result.is_ok(), params);
        match (result, self.known()) {
            (Err(failure), _) => self.illness.failed(failure),
            (Ok(()), Some(true)) => self.illness.ends(),
            // What it is unhealthy for stays to be told until it is not.
            (Ok(()), _) => {}
        }
        if change == Some(Change::Fell) {
            self.illness.begins(now);
        }
        change
    }

    fn weigh(&self, passed: bool, params: &Params) -> Option<Change> {
        let fresh = self.fresh.swap(false, Relaxed);
        let known = self.known();
        let needed = match (known, passed) {
            (Some(true), false) => params.fall,
            (Some(false), true) if fresh => 1,
            (Some(false), true) => params.rise,
            (None, true) if params.initial == Initial::Unhealthy => params.rise,
            (None, _) => 1,
            _ => {
                self.streak.store(0, Relaxed);
                return None;
            }
        };
        let streak = self.streak.load(Relaxed).saturating_add(1);
        if streak < needed {
            self.streak.store(streak, Relaxed);
            return None;
        }
        self.judge(passed);
        match (passed, known) {
            (true, None) if params.initial == Initial::Healthy => None,
            (true, _) => Some(Change::Rose),
            (false, _) => Some(Change::Fell),
        }
    }

    fn judge(&self, healthy: bool) {
        self.streak.store(0, Relaxed);
        let verdict = if healthy { HEALTHY } else { UNHEALTHY };
        self.verdict.store(verdict, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PARAMS: Params = Params {
        rise: 2,
        fall: 3,
        initial: Initial::Healthy,
    };

    fn initially(initial: Initial) -> Params {
        Params { initial, ..PARAMS }
    }

    /// What each of these results changes: `+` for a check passed, `-` for one failed.
    fn changes(memory: &Memory, results: &str, params: &Params) -> String {
        let now = Instant::now();
        let told = |result| match result {
            '+' => Ok(()),
            _ => Err(Failure::Status(500)),
        };
        let change = |result| match memory.learn(&told(result), params, now) {
            Some(Change::Rose) => 'R',
            Some(Change::Fell) => 'F',
            None => '.',
        };
        results.chars().map(change).collect()
    }

    #[test]
    fn an_endpoint_falls_after_fall_failures_in_a_row_and_rises_after_rise_successes_in_a_row() {
        let memory = Memory::default();
        assert_eq!(changes(&memory, "+--+---+-++--", &PARAMS), "......F...R..");
        assert!(memory.is_healthy(false));
        assert_eq!(changes(&memory, "-", &PARAMS), "F");
        assert!(!memory.is_healthy(true));
    }

    #[test]
    fn where_nothing_is_known_the_first_failure_is_enough() {
        for initial in [Initial::Healthy, Initial::Unhealthy, Initial::Checking] {
            let memory = Memory::default();
            assert_eq!(memory.known(), None);
            assert_eq!(
                changes(&memory, "-+-++", &initially(initial)),
                "F...R",
                "{initial:?}"
            );
        }
    }

    #[test]
    fn what_an_endpoint_is_at_first_says_how_many_successes_it_takes() {
        for (initial, changed) in [
            (Initial::Healthy, "..."),
            (Initial::Unhealthy, ".R."),
            (Initial::Checking, "R.."),
        ] {
            let memory = Memory::default();
            assert!(memory.is_healthy(true) && !memory.is_healthy(false));
            assert_eq!(changes(&memory, "+++", &initially(initial)), changed);
            assert_eq!(memory.known(), Some(true));
        }
    }

    #[test]
    fn another_threshold_counts_what_was_counted_before() {
        let memory = Memory::default();
        assert_eq!(changes(&memory, "+--", &PARAMS), "...");
        let longer = Params { fall: 5, ..PARAMS };
        assert_eq!(changes(&memory, "--", &longer), "..");
        assert_eq!(changes(&memory, "-", &PARAMS), "F");
    }

    #[test]
    fn another_check_keeps_the_verdict_and_its_first_success_ends_an_illness() {
        let memory = Memory::default();
        assert!(!memory.asks(1) && !memory.asks(1));
        assert_eq!(changes(&memory, "-", &PARAMS), "F");
        assert!(memory.asks(2));
        assert_eq!(memory.known(), Some(false));
        assert_eq!(changes(&memory, "+", &PARAMS), "R");
        // One that fails first is as ill as before.
        assert_eq!(changes(&memory, "---", &PARAMS), "..F");
        assert!(memory.asks(3));
        assert_eq!(changes(&memory, "-++", &PARAMS), "..R");
        // A healthy one falls no sooner than with the check it had, and what was counted there is forgotten.
        assert_eq!(changes(&memory, "--", &PARAMS), "..");
        assert!(memory.asks(4));
        assert_eq!(changes(&memory, "---", &PARAMS), "..F");
    }

    #[test]
    fn what_another_process_knew_is_a_verdict_like_any_other() {
        let memory = Memory::default();
        memory.restore(false);
        assert!(!memory.asks(1));
        assert_eq!(changes(&memory, "++", &PARAMS), ".R");
        let memory = Memory::default();
        memory.restore(true);
        assert_eq!(changes(&memory, "---", &PARAMS), "..F");
    }

    #[test]
    fn what_its_checks_find_is_told_until_it_is_healthy_and_passes_one() {
        let memory = Memory::default();
        let begun = Instant::now();
        let told = |after: u64, result: &Result<(), Failure>| {
            let now = begun + Duration::from_secs(after);
            memory.learn(result, &PARAMS, now);
            let lasts = memory.illness.lasts(now + Duration::from_secs(1));
            (
                memory.illness.cause().unwrap_or_default().to_string(),
                lasts.map(|lasts| lasts.as_secs()),
            )
        };
        let (well, ill) = (Ok(()), |status| Err(Failure::Status(status)));
        let of = |cause: &str, lasts| (cause.to_owned(), lasts);
        assert_eq!(told(0, &well), of("", None));
        // It is not unhealthy yet.
        assert_eq!(told(1, &ill(500)), of("status 500", None));
        assert_eq!(told(2, &well), of("", None));
        assert_eq!(told(3, &ill(500)), of("status 500", None));
        assert_eq!(told(4, &ill(501)), of("status 501", None));
        assert_eq!(told(5, &ill(502)), of("status 502", Some(1)));
        assert_eq!(told(9, &ill(503)), of("status 503", Some(5)));
        // Nor healthy.
        assert_eq!(told(10, &well), of("status 503", Some(6)));
        assert_eq!(told(11, &well), of("", None));
    }

    #[test]
    fn an_illness_that_another_process_saw_begin_has_a_cause_from_its_next_check_on() {
        let memory = Memory::default();
        memory.restore(false);
        let now = Instant::now();
        memory.learn(&Err(Failure::Body), &PARAMS, now);
        assert!(memory.illness.cause().is_some() && memory.illness.lasts(now).is_none());
    }
}
