//! Who may try while it is half open, and what do trials decide?

use super::*;

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
