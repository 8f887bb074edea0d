//! Does the breaker open, try and close when it should, on a clock that is stepped by hand?

use proptest::prelude::*;

use super::*;
use crate::pool::breaker::Counts;

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

#[test]
fn it_opens_after_failures_in_a_row_and_a_success_between_starts_anew() {
    let mut bench = Bench::new(params());
    for _ in 0..5 {
        assert_eq!(bench.ends(FAILURE), None);
        assert_eq!(bench.ends(FAILURE), None);
        assert_eq!(bench.ends(NEUTRAL), None);
        assert_eq!(bench.ends(SUCCESS), None);
    }
    assert_eq!(bench.ends(FAILURE), None);
    assert_eq!(bench.ends(NEUTRAL), None);
    assert_eq!(bench.ends(FAILURE), None);
    let opened = Change::Opened {
        millis: 1_000,
        cause: Cause::InARow(3),
    };
    assert_eq!(bench.ends(FAILURE), Some(opened));
    assert_eq!(bench.acquire(), None);
}

#[test]
fn requests_that_are_outrun_one_after_the_other_open_it_and_an_answer_between_starts_anew() {
    let mut bench = Bench::new(params());
    for _ in 0..5 {
        for _ in 0..20 {
            assert_eq!(bench.ends(OUTRUN), None);
        }
        bench.now += 999;
        assert_eq!(bench.ends(OUTRUN), None);
        assert_eq!(bench.ends(SUCCESS), None);
        bench.now += 1;
    }
    assert_eq!(bench.ends(OUTRUN), None);
    bench.now += 600;
    assert_eq!(bench.ends(OUTRUN), None);
    bench.now += 600;
    let opened = Change::Opened {
        millis: 1_000,
        cause: Cause::Outrun(3),
    };
    assert_eq!(bench.ends(OUTRUN), Some(opened));
    assert_eq!(bench.acquire(), None);
}

#[test]
fn requests_that_are_outrun_are_neither_failed_nor_slow_ones_among_all() {
    let mut bench = Bench::new(Params {
        consecutive_failures: None,
        error_ratio: Some(1),
        slow_ratio: Some(1),
        min_requests: 1,
        ..params()
    });
    for _ in 0..100 {
        assert_eq!(bench.ends(OUTRUN), None);
        assert_eq!(bench.ends(SUCCESS), None);
        assert_eq!(bench.ends(OUTRUN), None);
        bench.now += 600;
    }
    let counts = Counts {
        total: 16,
        failed: 1,
        slow: 0,
    };
    let Some(Change::Opened { cause, .. }) = bench.ends(FAILURE) else {
        panic!("it should open");
    };
    assert_eq!(cause, Cause::Failed(counts));
}

#[test]
fn a_trial_that_was_outrun_has_failed() {
    let mut bench = Bench::new(params());
    bench.opens();
    bench.now += 1_000;
    assert_eq!(bench.ends(SUCCESS), None);
    let opened = Change::Opened {
        millis: 2_000,
        cause: Cause::Trial,
    };
    assert_eq!(bench.ends(OUTRUN), Some(opened));
}

#[test]
fn it_opens_when_a_share_of_enough_requests_failed() {
    let mut bench = Bench::new(Params {
        consecutive_failures: None,
        error_ratio: Some(50),
        ..params()
    });
    for _ in 0..4 {
        assert_eq!(bench.ends(FAILURE), None);
        assert_eq!(bench.ends(SUCCESS), None);
    }
    assert_eq!(bench.ends(FAILURE), None);
    let counts = Counts {
        total: 10,
        failed: 5,
        slow: 0,
    };
    // The tenth is a success, and makes them enough.
    let opened = Change::Opened {
        millis: 1_000,
        cause: Cause::Failed(counts),
    };
    assert_eq!(bench.ends(SUCCESS), Some(opened));
}

#[test]
fn failures_that_are_older_than_the_window_do_not_count() {
    let mut bench = Bench::new(Params {
        consecutive_failures: None,
        error_ratio: Some(50),
        ..params()
    });
    for _ in 0..9 {
        bench.ends(FAILURE);
    }
    bench.now += 11_000;
    for _ in 0..9 {
        assert_eq!(bench.ends(FAILURE), None);
    }
    assert!(bench.ends(FAILURE).is_some());
}

#[test]
fn it_opens_when_a_share_of_enough_requests_was_slow_and_a_slow_trial_has_failed() {
    let mut bench = Bench::new(Params {
        consecutive_failures: None,
        slow_ratio: Some(100),
        ..params()
    });
    for _ in 0..9 {
        assert_eq!(bench.ends(SLOW), None);
        assert_eq!(bench.ends(NEUTRAL), None);
    }
    let Some(Change::Opened { cause, .. }) = bench.ends(SLOW) else {
        panic!("it should open");
    };
    assert!(matches!(cause, Cause::Slow(counts) if counts.slow == 10));
    bench.now += 1_000;
    let Some(Change::Opened { millis, cause }) = bench.ends(SLOW) else {
        panic!("it should open again");
    };
    assert_eq!((millis, cause), (2_000, Cause::Trial));
}

#[test]
fn it_is_tried_when_its_time_is_over_and_closes_after_enough_trials() {
    let mut bench = Bench::new(params());
    bench.opens();
    bench.now += 999;
    assert_eq!(bench.acquire(), None);
    bench.now += 1;
    let (first, change) = bench.machine.acquire(bench.now, &bench.params);
    assert_eq!(change, Some(Change::HalfOpened));
    let second = bench.acquire().expect("two trials at once");
    assert_eq!(bench.acquire(), None, "a third trial");
    assert_eq!(bench.record(first.expect("the first trial"), SUCCESS), None);
    let third = bench.acquire().expect("one is under way");
    assert_eq!(bench.acquire(), None);
    assert_eq!(
        bench.record(second, SUCCESS),
        Some(Change::Closed { trials: 2 })
    );
    // What began as a trial says nothing about the time after.
    assert_eq!(bench.record(third, FAILURE), None);
    for _ in 0..2 {
        assert_eq!(bench.ends(FAILURE), None);
    }
    assert!(bench.ends(FAILURE).is_some());
}

#[test]
fn a_trial_that_teaches_nothing_gives_its_permit_back_and_decides_nothing() {
    let mut bench = Bench::new(params());
    bench.opens();
    bench.now += 1_000;
    for _ in 0..100 {
        let (one, other) = (bench.acquire(), bench.acquire());
        assert_eq!(bench.acquire(), None);
        for permit in [one, other] {
            assert_eq!(bench.record(permit.expect("a trial"), NEUTRAL), None);
        }
    }
    let half_open = State::HalfOpen {
        under_way: 0,
        succeeded: 0,
        last: bench.now,
    };
    assert_eq!(bench.machine.state(), half_open);
}

#[test]
fn trials_that_wait_for_their_answers_do_not_keep_everyone_else_out() {
    let mut bench = Bench::new(params());
    bench.opens();
    bench.now += 1_000;
    let waiting = [bench.acquire(), bench.acquire()];
    for _ in 0..3 {
        bench.now += 999;
        assert_eq!(bench.acquire(), None);
        bench.now += 1;
        let one_more = bench.acquire().expect("its turn");
        assert_eq!(bench.acquire(), None, "only one");
        // It leaves as many as there were.
        assert_eq!(bench.record(one_more, NEUTRAL), None);
        assert_eq!(bench.acquire(), None);
    }
    bench.now += 1_000;
    assert_eq!(bench.ends(SUCCESS), None);
    bench.now += 1_000;
    assert_eq!(bench.ends(SUCCESS), Some(Change::Closed { trials: 2 }));
    for permit in waiting {
        assert_eq!(bench.record(permit.expect("a trial"), FAILURE), None);
    }
}

#[test]
fn a_trial_that_waited_long_still_decides() {
    let mut bench = Bench::new(params());
    bench.opens();
    bench.now += 1_000;
    let (old, _) = (bench.acquire().expect("a trial"), bench.acquire());
    bench.now += 1_000;
    bench.acquire().expect("one more");
    let change = bench.record(old, FAILURE);
    assert!(matches!(change, Some(Change::Opened { .. })), "{change:?}");
}

#[test]
fn it_opens_for_twice_as_long_each_time_until_it_was_closed_for_a_while() {
    let mut bench = Bench::new(params());
    assert_eq!(bench.opens(), 1_000);
    for longer in [2_000, 4_000, 8_000, 8_000] {
        bench.now += 8_000;
        assert_eq!(bench.opens(), longer);
    }
    // Closed, but not for long.
    bench.now += 8_000;
    bench.ends(SUCCESS);
    assert_eq!(bench.ends(SUCCESS), Some(Change::Closed { trials: 2 }));
    bench.now += 4 * 8_000 - 1;
    assert_eq!(bench.opens(), 8_000);
    bench.now += 8_000;
    bench.ends(SUCCESS);
    bench.ends(SUCCESS);
    bench.now += 4 * 8_000;
    assert_eq!(bench.opens(), 1_000);
}

#[test]
fn requests_that_were_let_through_before_it_opened_teach_nothing_after() {
    let mut bench = Bench::new(params());
    let early: Vec<Permit> = (0..10)
        .map(|_| bench.acquire().expect("it is closed"))
        .collect();
    bench.opens();
    let state = bench.machine.state();
    for permit in &early[..5] {
        assert_eq!(bench.record(*permit, FAILURE), None);
    }
    assert_eq!(bench.machine.state(), state);
    bench.now += 1_000;
    let trial = bench.acquire().expect("a trial");
    for permit in &early[5..] {
        assert_eq!(bench.record(*permit, FAILURE), None);
    }
    let half_open = State::HalfOpen {
        under_way: 1,
        succeeded: 0,
        last: bench.now,
    };
    assert_eq!(bench.machine.state(), half_open);
    bench.record(trial, SUCCESS);
    assert_eq!(bench.ends(SUCCESS), Some(Change::Closed { trials: 2 }));
}

#[test]
fn fewer_trials_by_a_reload_neither_lock_it_up_nor_let_more_through() {
    let mut bench = Bench::new(Params {
        trials: 5,
        ..params()
    });
    bench.opens();
    bench.now += 1_000;
    let trials: Vec<Permit> = (0..5).map(|_| bench.acquire().expect("a trial")).collect();
    bench.params.trials = 1;
    for permit in trials {
        assert_eq!(bench.acquire(), None);
        assert_eq!(bench.record(permit, NEUTRAL), None);
    }
    assert_eq!(bench.ends(SUCCESS), Some(Change::Closed { trials: 1 }));
}

#[test]
fn the_time_it_is_open_is_spread_and_never_past_its_limit() {
    let open_for = |spread, params: &Params| {
        let mut machine = Machine::default();
        let mut opened = None;
        for _ in 0..3 {
            let permit = machine.acquire(0, params).0.expect("it is closed");
            opened = machine.record(permit, FAILURE, 0, params, spread);
        }
        match opened {
            Some(Change::Opened { millis, .. }) => millis,
            other => panic!("{other:?}"),
        }
    };
    let params = params();
    assert_eq!(open_for(-100, &params), 900);
    assert_eq!(open_for(100, &params), 1_100);
    let tight = Params {
        max_open_for: params.open_for,
        ..params
    };
    assert_eq!(open_for(100, &tight), 1_000);
}

/// What may happen to a breaker.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Begin,
    /// The request under way with this number, counted around, ends so.
    End(usize, Verdict),
    /// A reload with so many trials.
    Trials(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![
        3 => Just(FAILURE),
        2 => Just(SUCCESS),
        1 => Just(NEUTRAL),
        1 => Just(OUTRUN),
        1 => Just(SLOW),
    ];
    prop_oneof![
        2 => (0u64..1_500).prop_map(Step::Wait),
        6 => Just(Step::Begin),
        6 => (any::<usize>(), verdict).prop_map(|(which, verdict)| Step::End(which, verdict)),
        1 => (1u32..5).prop_map(Step::Trials),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_it_waits_its_time_and_tries_no_more_than_it_may(
        steps in prop::collection::vec(step(), 1..400),
        error_ratio in prop::option::of(1u8..=100),
        slow_ratio in prop::option::of(1u8..=100),
    ) {
        let mut bench = Bench::new(Params { error_ratio, slow_ratio, ..params() });
        let (mut under_way, mut most) = (Vec::new(), bench.params.trials);
        let mut opened = None;
        for step in steps {
            let before = bench.machine.state();
            match step {
                Step::Wait(millis) => bench.now += millis,
                Step::Trials(trials) => {
                    bench.params.trials = trials;
                    most = most.max(trials);
                }
                Step::Begin => {
                    let permit = bench.acquire();
                    match before {
                        State::Closed => prop_assert!(permit.is_some()),
                        State::Open { until } => prop_assert_eq!(permit.is_some(), bench.now >= until),
                        State::HalfOpen { under_way, last, .. } => {
                            let room = under_way < bench.params.trials;
                            prop_assert_eq!(permit.is_some(), room || bench.now >= last + 1_000);
                        }
                    }
                    under_way.extend(permit);
                }
                Step::End(_, _) if under_way.is_empty() => {}
                Step::End(which, verdict) => {
                    let permit = under_way.swap_remove(which % under_way.len());
                    let change = bench.record(permit, verdict);
                    if let Some(Change::Opened { millis, .. }) = change {
                        prop_assert!((1_000..=8_000).contains(&millis));
                        opened = Some((bench.now, millis));
                    }
                    if verdict.outcome == Outcome::Neutral {
                        prop_assert_eq!(change, None);
                    }
                }
            }
            let trials = under_way.iter().filter(|permit| permit.round == bench.machine.round());
            match bench.machine.state() {
                State::HalfOpen { under_way, .. } => {
                    // Exactly those that hold a permit: none is lost, none is counted twice.
                    prop_assert_eq!(under_way as usize, trials.count());
                    let (since, millis) = opened.expect("it was open");
                    prop_assert!(bench.now >= since + millis);
                    // One more for each time in which it would have been open.
                    let more = (bench.now - since - millis) / 1_000;
                    prop_assert!(u64::from(under_way) <= u64::from(most) + more);
                }
                State::Open { until } => {
                    let (since, millis) = opened.expect("it was opened");
                    prop_assert_eq!(until, since + millis);
                    prop_assert_eq!(trials.count(), 0);
                }
                State::Closed => most = bench.params.trials,
            }
        }
        // When everything has ended, it can be closed: nothing locks it up.
        for permit in under_way.drain(..) {
            bench.record(permit, NEUTRAL);
        }
        bench.now += 8_000;
        while bench.machine.state() != State::Closed {
            bench.ends(SUCCESS);
        }
    }
}
