//! When does it open, and for how long?

use super::*;
use crate::pool::breaker::Counts;

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
