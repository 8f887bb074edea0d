//! Does a pool's breaker do what its settings say, and keep what it knows?

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::pool::health::Health;
use crate::pool::staged::{GONE, OK, RESET, Stage};
use crate::pool::{Ending, NoEndpoint, Refusal};

const THREE_IN_A_ROW: &str =
    "breaker: { consecutive_failures: 3, open_for: 1s, max_open_for: 1s, trials: 2 }";

fn opens(stage: &Stage, index: usize) {
    for _ in 0..3 {
        stage.ends(index, RESET);
    }
    assert_eq!(refusal(stage, index), Some(Refusal::Open));
}

fn refusal(stage: &Stage, index: usize) -> Option<Refusal> {
    stage.endpoint(index).refusal(stage.now, false)
}

#[test]
fn an_endpoint_whose_breaker_is_open_gets_nothing_until_its_trials_succeed() {
    let mut stage = Stage::new(3, THREE_IN_A_ROW);
    assert_eq!(stage.chosen(), "012");
    opens(&stage, 1);
    assert_eq!(stage.chosen(), "02");
    // Never past the limit, and a tenth shorter at most.
    stage.wait(899);
    assert_eq!(stage.chosen(), "02");
    stage.wait(101);
    let trials = [stage.lease_of(1), stage.lease_of(1)];
    assert!(trials.iter().all(Option::is_some));
    assert_eq!(refusal(&stage, 1), Some(Refusal::Open));
    for mut trial in trials.into_iter().flatten() {
        assert_eq!(stage.endpoint(1).state.risen_for(stage.now), None);
        trial.settle(OK, stage.now);
    }
    assert_eq!(stage.chosen(), "012");
    let risen_for = stage.endpoint(1).state.risen_for(stage.now);
    assert_eq!(risen_for, Some(Duration::ZERO));
}

#[test]
fn a_client_that_goes_away_neither_opens_nor_closes_and_gives_its_trial_back() {
    let mut stage = Stage::new(1, THREE_IN_A_ROW);
    for _ in 0..100 {
        stage.ends(0, GONE);
        drop(stage.lease_of(0));
    }
    assert_eq!(refusal(&stage, 0), None);
    opens(&stage, 0);
    stage.wait(1_000);
    for _ in 0..100 {
        // Told, or not even that.
        let (mut one, other) = (stage.lease().expect("a trial"), stage.lease());
        assert!(other.is_ok() && stage.lease().is_err());
        one.settle(GONE, stage.now);
    }
    assert!(matches!(
        stage.endpoint(0).state.breaker.state(),
        State::HalfOpen { under_way: 0, .. }
    ));
}

#[test]
fn a_lease_gives_its_permit_back_whatever_panics() {
    struct Panics;

    impl Health for Panics {
        fn is_usable(&self, _: &Endpoint, _: Instant) -> bool {
            true
        }

        fn observe(&self, _: &Endpoint, _: Lesson, _: Instant) {
            panic!("no idea");
        }
    }

    let mut stage = Stage::new(1, THREE_IN_A_ROW);
    opens(&stage, 0);
    stage.wait(1_000);
    let endpoint = stage.endpoint(0);
    let panics = Arc::new(Endpoint {
        name: Arc::clone(&endpoint.name),
        weight: 1,
        priority: 0,
        max_requests: None,
        slow_start: None,
        decay: None,
        mark: None,
        peer: endpoint.peer.clone(),
        host: endpoint.host.clone(),
        health: Arc::new(Panics),
        breaker: Arc::clone(&endpoint.breaker),
        state: Arc::clone(&endpoint.state),
        pool: Arc::clone(&endpoint.pool),
        pool_metrics: endpoint.pool_metrics.clone(),
        metrics: endpoint.metrics.clone(),
        guards: endpoint.guards.clone(),
    });
    for _ in 0..10 {
        let lease = crate::pool::Lease::take(&panics, u32::MAX, stage.now).expect("a trial");
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(lease)));
        assert!(dropped.is_err());
    }
    assert!(matches!(
        stage.endpoint(0).state.breaker.state(),
        State::HalfOpen { under_way: 0, .. }
    ));
}

#[test]
fn a_breaker_of_a_pool_refuses_all_its_endpoints_and_is_shown_without_one() {
    let mut stage = Stage::new(
        3,
        "breaker: { scope: pool, consecutive_failures: 3, open_for: 1s, max_open_for: 1s, trials: 1 }",
    );
    for index in 0..3 {
        stage.ends(index, Ending::Answered(503));
    }
    assert_eq!(stage.chosen(), "");
    stage.shows("portcullis_upstream_breaker_state{endpoint=\"\",pool=\"p\"} 2");
    stage.shows(
        "portcullis_upstream_breaker_transitions_total{endpoint=\"\",pool=\"p\",to=\"open\"} 1",
    );
    stage.wait(1_000);
    let mut trial = stage.lease().expect("a trial");
    assert!(stage.lease().is_err());
    stage.shows("portcullis_upstream_breaker_state{endpoint=\"\",pool=\"p\"} 1");
    trial.settle(OK, stage.now);
    assert_eq!(stage.chosen(), "012");
    stage.shows("portcullis_upstream_breaker_state{endpoint=\"\",pool=\"p\"} 0");
}

#[test]
fn who_is_outrun_for_a_while_is_open_by_the_breaker_that_counts_time_outs_and_by_no_other() {
    for (rule, open) in [
        ("", true),
        ("failures: [timeout], ", true),
        ("failures: [connect, reset, 503], ", false),
        ("error_ratio: 1, min_requests: 1, ", true),
        // Another endpoint of the pool has answered.
        ("scope: pool, ", false),
    ] {
        let settings = format!("breaker: {{ {rule}consecutive_failures: 3 }}");
        let mut stage = Stage::new(2, &settings);
        for _ in 0..3 {
            assert_eq!(refusal(&stage, 0), None, "{rule}");
            stage.ends(0, Ending::Outrun);
            stage.wait(500);
        }
        assert_eq!(refusal(&stage, 0).is_some(), open, "{rule}");
        // It is told apart from failures, of which there were none.
        stage.shows(
            "portcullis_upstream_requests_total{endpoint=\"127.0.0.1:1000\",outcome=\"neutral\",pool=\"p\"} 3",
        );
    }
    // Without a rule for what comes in a row there is nothing it could count for.
    let mut stage = Stage::new(2, "breaker: { error_ratio: 1, min_requests: 1 }");
    for _ in 0..50 {
        stage.ends(0, Ending::Outrun);
        stage.wait(500);
    }
    assert_eq!(refusal(&stage, 0), None);
}

#[test]
fn a_trial_that_was_outrun_opens_again_and_is_not_followed_by_the_next_at_once() {
    let mut stage = Stage::new(1, THREE_IN_A_ROW);
    opens(&stage, 0);
    stage.wait(1_000);
    stage.ends(0, Ending::Outrun);
    assert_eq!(refusal(&stage, 0), Some(Refusal::Open));
}

#[test]
fn a_reload_changes_numbers_and_forgets_nothing() {
    let mut stage = Stage::new(1, THREE_IN_A_ROW);
    stage.ends(0, RESET);
    stage.ends(0, RESET);
    let former = stage.reload(1, "breaker: { consecutive_failures: 4, open_for: 2s }");
    stage.ends(0, RESET);
    assert_eq!(refusal(&stage, 0), None);
    stage.ends(0, RESET);
    assert_eq!(refusal(&stage, 0), Some(Refusal::Open));
    // A request of the former generation is refused as well: there is one memory.
    assert_eq!(
        former.members().endpoints[0].refusal(stage.now, false),
        Some(Refusal::Open)
    );
    stage.wait(2_200);
    let trials: Vec<_> = (0..3).map(|_| stage.lease_of(0)).collect();
    assert!(trials.iter().all(Option::is_some));
    drop(former);
    stage.reload(1, "breaker: { consecutive_failures: 1, trials: 1 }");
    stage.shows("portcullis_upstream_breaker_state{endpoint=\"127.0.0.1:1000\",pool=\"p\"} 1");
    assert!(stage.lease().is_err());
    drop(trials);
    stage.ends(0, OK);
    stage.shows("portcullis_upstream_breaker_state{endpoint=\"127.0.0.1:1000\",pool=\"p\"} 0");
}

#[test]
fn a_breaker_that_is_taken_out_lets_all_through_and_is_found_as_it_was_when_it_is_put_back() {
    let mut stage = Stage::new(1, THREE_IN_A_ROW);
    opens(&stage, 0);
    drop(stage.reload(1, ""));
    stage.ends(0, RESET);
    let mut text = Vec::new();
    stage.state.metrics.render(&mut text);
    assert!(!String::from_utf8_lossy(&text).contains("upstream_breaker"));
    stage.reload(1, THREE_IN_A_ROW);
    assert_eq!(refusal(&stage, 0), Some(Refusal::Open));
    stage.shows("portcullis_upstream_breaker_state{endpoint=\"127.0.0.1:1000\",pool=\"p\"} 2");
    stage.wait(1_000);
    assert_eq!(refusal(&stage, 0), None);
}

#[test]
fn a_request_that_finds_only_open_breakers_is_told_so_and_for_how_long() {
    let mut stage = Stage::new(
        2,
        "breaker: { consecutive_failures: 3, open_for: 10s, max_open_for: 10s, trials: 1 }",
    );
    opens(&stage, 0);
    stage.wait(5_000);
    opens(&stage, 1);
    let Err(NoEndpoint::Open { retry_after }) = stage.lease() else {
        panic!("it should be refused by the breakers");
    };
    // That of the first, of 9 to 10 seconds.
    let left = retry_after.expect("it is known").as_millis();
    assert!((4_000..=5_000).contains(&left), "{left}");
    // Who may not go there in any case does not wait for its breaker.
    stage.endpoint(0).state.set_drained(true);
    stage.endpoint(1).state.set_drained(true);
    assert_eq!(
        stage.lease().expect_err("drained"),
        NoEndpoint::Unavailable { retry_after: None }
    );
    stage.endpoint(0).state.set_drained(false);
    stage.wait(5_000);
    let _trial = stage.lease().expect("a trial");
    // It may end at any time, and one more is let through when it has not for as long as that.
    let tried = |seconds| NoEndpoint::Open {
        retry_after: Some(Duration::from_secs_f64(seconds)),
    };
    assert_eq!(stage.lease().expect_err("one trial only"), tried(1.0));
    let endpoint = stage.endpoint(0);
    let due = endpoint.breaker.due_in(&endpoint, stage.now);
    assert_eq!(due, Duration::from_secs(10));
    stage.wait(9_750);
    assert_eq!(stage.lease().expect_err("one trial only"), tried(0.25));
}

#[test]
fn many_threads_share_a_breaker_and_never_try_more_than_they_may() {
    let stage = Stage::new(
        1,
        "breaker: { consecutive_failures: 1, open_for: 1ms, max_open_for: 2ms, trials: 2 }",
    );
    let endpoint = stage.endpoint(0);
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let endpoint = &endpoint;
            scope.spawn(move || {
                for round in 0..20_000_u32 {
                    let now = Instant::now();
                    let Some(permit) = endpoint.breaker.acquire(endpoint, now) else {
                        continue;
                    };
                    if let State::HalfOpen { under_way, .. } = endpoint.state.breaker.state() {
                        assert!(under_way <= 2, "{under_way} trials");
                    }
                    let ending = match (round + thread) % 7 {
                        0 => RESET,
                        1 => Ending::Untold,
                        2 => Ending::Outrun,
                        _ => OK,
                    };
                    let took = Duration::ZERO;
                    let lesson = Lesson { ending, took };
                    endpoint.breaker.record(endpoint, permit, lesson, now);
                }
            });
        }
    });
    // Nobody holds a permit any more, so it is none that keeps it from closing.
    let later = Instant::now() + Duration::from_secs(1);
    while endpoint.state.breaker.state() != State::Closed {
        let permit = endpoint.breaker.acquire(&endpoint, later).expect("a trial");
        let lesson = Lesson {
            ending: OK,
            took: Duration::ZERO,
        };
        endpoint.breaker.record(&endpoint, permit, lesson, later);
    }
}
