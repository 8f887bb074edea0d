//! Are ill endpoints ejected, for how long, and how many of them?

use super::*;
use crate::pool::staged::{GONE, OK, RESET, Stage};
use crate::pool::{Ending, NoEndpoint};

const QUICK: &str = "ejection: { consecutive_failures: 3, time: 1s, max_time: 3s }";

fn ejects(stage: &Stage, index: usize) {
    for _ in 0..3 {
        stage.ends(index, RESET);
    }
}

#[test]
fn an_endpoint_that_fails_is_left_out_for_a_while_and_rises_when_it_comes_back() {
    let mut stage = Stage::new(4, QUICK);
    assert_eq!(stage.chosen(), "0123");
    stage.ends(2, RESET);
    stage.ends(2, Ending::Answered(503));
    stage.ends(2, GONE);
    assert_eq!(stage.chosen(), "0123");
    stage.ends(2, Ending::Answered(504));
    assert_eq!(stage.chosen(), "013");
    let labels = "{endpoint=\"127.0.0.1:1002\",pool=\"p\"}";
    stage.shows(&format!("portcullis_upstream_ejected{labels} 1"));
    stage.shows(&format!("portcullis_upstream_ejections_total{labels} 1"));
    stage.wait(999);
    assert_eq!(stage.chosen(), "013");
    assert_eq!(stage.endpoint(2).state.risen_for(stage.now), None);
    stage.wait(1);
    assert_eq!(stage.chosen(), "0123");
    stage.shows(&format!("portcullis_upstream_ejected{labels} 0"));
    assert_eq!(
        stage.endpoint(2).state.risen_for(stage.now),
        Some(Duration::ZERO)
    );
}

#[test]
fn what_is_no_failure_of_the_endpoint_ejects_nobody() {
    let stage = Stage::new(
        2,
        "ejection: { consecutive_failures: 2, error_ratio: 1, min_requests: 1 }",
    );
    for ending in [
        OK,
        Ending::Answered(500),
        Ending::Answered(404),
        GONE,
        Ending::Untold,
    ] {
        for _ in 0..50 {
            stage.ends(0, ending);
        }
    }
    assert_eq!(stage.chosen(), "01");
}

#[test]
fn a_success_between_failures_saves_an_endpoint_unless_the_share_is_too_large() {
    let stage = Stage::new(2, "ejection: { consecutive_failures: 2 }");
    for _ in 0..50 {
        stage.ends(0, RESET);
        stage.ends(0, OK);
    }
    assert_eq!(stage.chosen(), "01");
    let stage = Stage::new(
        2,
        "ejection: { error_ratio: 40, min_requests: 10, window: 10s }",
    );
    for _ in 0..3 {
        stage.ends(0, RESET);
        stage.ends(0, OK);
        stage.ends(0, OK);
    }
    assert_eq!(stage.chosen(), "01");
    stage.ends(0, RESET);
    assert_eq!(stage.chosen(), "1");
}

#[test]
fn who_is_outrun_for_a_while_without_an_answer_is_ejected_whatever_the_share_is() {
    let settings = "ejection: { consecutive_failures: 3, error_ratio: 1, min_requests: 1 }";
    let mut stage = Stage::new(3, settings);
    for _ in 0..50 {
        stage.ends(0, Ending::Outrun);
        stage.ends(0, Ending::Outrun);
        stage.wait(400);
        stage.ends(0, Ending::Outrun);
        stage.wait(400);
        stage.ends(0, OK);
    }
    assert_eq!(stage.chosen(), "012");
    for _ in 0..2 {
        stage.ends(0, Ending::Outrun);
        stage.wait(600);
    }
    assert_eq!(stage.chosen(), "012");
    stage.ends(0, Ending::Outrun);
    assert_eq!(stage.chosen(), "12");
}

#[test]
fn it_is_ejected_for_longer_each_time_and_good_conduct_is_rewarded() {
    let mut stage = Stage::new(2, QUICK);
    // What is left of the time right after it was ejected.
    let time = |stage: &Stage| {
        ejects(stage, 0);
        let due = stage.endpoint(0).state.ejection.due_in(stage.now);
        due.map(|due| due.as_millis())
    };
    for seconds in [1_u64, 2, 3, 3] {
        assert_eq!(time(&stage), Some(u128::from(seconds) * 1_000));
        stage.wait(seconds * 1_000);
        assert_eq!(stage.chosen(), "01");
    }
    // Four ejections; two are forgiven in two seconds.
    stage.wait(2_000);
    assert_eq!(time(&stage), Some(3_000));
    stage.wait(3_000);
    assert_eq!(stage.chosen(), "01");
    stage.wait(60_000);
    assert_eq!(time(&stage), Some(1_000));
}

#[test]
fn who_is_ill_by_its_checks_takes_no_place_among_the_ejected() {
    for (health, expected) in [("health: {}, ", "2"), ("", "12")] {
        let stage = Stage::new(3, &format!("{health}{QUICK}"));
        ejects(&stage, 0);
        assert_eq!(stage.chosen(), "12");
        stage.endpoint(0).state.verdict.restore(false);
        ejects(&stage, 1);
        assert_eq!(stage.chosen(), expected, "{health}");
    }
}

#[test]
fn no_more_than_a_share_is_ejected_and_never_all() {
    for (endpoints, percent, most) in [
        (3, 50, 1),
        (4, 50, 2),
        (10, 10, 1),
        (10, 1, 1),
        (10, 99, 9),
        (10, 100, 9),
        (2, 100, 1),
        (1, 100, 0),
    ] {
        let settings = format!("ejection: {{ consecutive_failures: 3, max_ejected: {percent} }}");
        let stage = Stage::new(endpoints, &settings);
        for _ in 0..3 {
            for index in 0..endpoints {
                ejects(&stage, index);
            }
        }
        assert_eq!(
            stage.chosen().len(),
            endpoints - most,
            "{endpoints} {percent}"
        );
    }
}

#[test]
fn when_one_comes_back_another_may_be_ejected() {
    let mut stage = Stage::new(3, QUICK);
    ejects(&stage, 0);
    ejects(&stage, 1);
    assert_eq!(stage.chosen(), "12");
    stage.wait(1_000);
    stage.ends(1, RESET);
    assert_eq!(stage.chosen(), "02");
}

#[test]
fn attempts_that_began_before_it_came_back_say_nothing_about_it_now() {
    let mut stage = Stage::new(2, QUICK);
    let early: Vec<_> = (0..10)
        .map(|_| stage.lease_of(0).expect("a lease"))
        .collect();
    ejects(&stage, 0);
    stage.wait(1_000);
    assert_eq!(stage.chosen(), "01");
    for mut lease in early {
        lease.settle(RESET, stage.now);
    }
    assert_eq!(stage.chosen(), "01");
    ejects(&stage, 0);
    assert_eq!(stage.chosen(), "1");
}

#[test]
fn a_reload_keeps_who_is_ejected_and_ejection_that_is_taken_out_lets_all_in() {
    let mut stage = Stage::new(2, QUICK);
    ejects(&stage, 0);
    drop(stage.reload(2, "ejection: { max_ejected: 1 }"));
    assert_eq!(stage.chosen(), "1");
    stage.shows("portcullis_upstream_ejected{endpoint=\"127.0.0.1:1000\",pool=\"p\"} 1");
    stage.reload(2, "");
    assert_eq!(stage.chosen(), "01");
}

#[test]
fn who_finds_only_ejected_endpoints_learns_when_the_first_comes_back() {
    let mut stage = Stage::new(
        3,
        "ejection: { consecutive_failures: 3, time: 10s, max_ejected: 100 }",
    );
    ejects(&stage, 0);
    stage.wait(4_000);
    ejects(&stage, 1);
    stage.endpoint(2).state.set_drained(true);
    let six = Some(Duration::from_secs(6));
    assert_eq!(
        stage.lease().expect_err("nobody is left"),
        NoEndpoint::Unavailable { retry_after: six }
    );
}
