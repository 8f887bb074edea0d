//! Are as many trials under way as may be, over reloads and when they wait long for their answers?

use super::*;
use crate::resilience::report::told;

#[tokio::test]
async fn a_reload_in_the_middle_of_the_trials_keeps_them() {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    let settings = |failures: u32, open_for: &str| {
        let breaker = format!(
            "{{consecutive_failures: {failures}, open_for: {open_for}, max_open_for: {open_for}, trials: 2}}"
        );
        guarded(&[endpoint], &format!("breaker: {breaker}"))
    };
    let portcullis = Portcullis::start(&settings(2, "200ms")).await;
    let address = portcullis.listener("http");
    let mut client = http1(address).await;
    for _ in 0..2 {
        assert_eq!(client.get("/status/503").await.status, 503);
    }
    // It is open for as long as it was told then; now only the trials' own answers let more in.
    portcullis.apply(&settings(2, "1h")).await;
    // Refused while it is open, and again when both trials are under way.
    let mut asked = Vec::new();
    eventually("both trials are under way", async || {
        asked.push(holds(address));
        origin.journal().in_flight() == 2
    })
    .await;
    let waiting = || asked.iter().filter(|one| !one.is_finished()).count();
    eventually("all others are refused", async || waiting() == 2).await;
    let state = of_endpoint("breaker_state", endpoint);
    assert_eq!(portcullis.metric(&state).await, STATE_HALF_OPEN);

    for failures in [3, 4, 5] {
        portcullis.apply(&settings(failures, "1h")).await;
        for _ in 0..10 {
            let answer = client.get("/held").await;
            assert_eq!(
                answer.text().lines().nth(1),
                Some("breaker_open"),
                "{answer:?}"
            );
        }
    }
    assert_eq!(origin.journal().in_flight(), 2, "only the trials are there");
    assert_eq!(portcullis.metric(&state).await, STATE_HALF_OPEN);
    let pool = told(&portcullis, "p").await;
    let report = &pool["endpoints"][0];
    assert_eq!(
        (&report["breaker"], &report["refusal"], &report["in_flight"]),
        (&"half_open".into(), &"open".into(), &2.into()),
        "{report}"
    );
    // An hour after the last trial has begun, one more is let through.
    let due = report["trial_in"].as_f64().expect("a time");
    assert!(due > 0.0 && due <= 3_600.0, "{report}");

    origin.release();
    let mut served = 0;
    for one in asked {
        match one.await.expect("no panic") {
            200 => served += 1,
            refused => assert_eq!(refused, 503),
        }
    }
    assert_eq!(served, 2);
    assert_eq!(portcullis.metric(&state).await, STATE_CLOSED);
    assert_eq!(client.get("/held").await.status, 200);
}

#[tokio::test]
async fn trials_that_wait_for_their_answers_do_not_keep_everyone_else_out() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let endpoint = origin.address().expect("TCP");
        let yaml = guarded(
            &[endpoint],
            "breaker: {consecutive_failures: 2, open_for: 300ms, max_open_for: 300ms, trials: 1}",
        );
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let state = of_endpoint("breaker_state", endpoint);
        for _ in 0..2 {
            let failed = http1(address).await.get("/status/503").await;
            assert_eq!(failed.text(), "", "the origin's own");
        }
        // Refused until the time of the first trial, which is one that has no answer for long.
        let held = eventually_some("the first trial", async || {
            let mut held = holds(address);
            let journal = origin.journal();
            tokio::select! {
                refused = &mut held => {
                    assert_eq!(refused.expect("no panic"), 503);
                    None
                }
                arrived = journal.becomes(PATIENCE, |journal| journal.in_flight() == 1) => {
                    arrived.then_some(held)
                }
            }
        })
        .await;
        assert_eq!(portcullis.metric(&state).await, STATE_HALF_OPEN);
        eventually("another one is let through", async || {
            http1(address).await.get("/").await.status == 200
        })
        .await;
        assert_eq!(portcullis.metric(&state).await, STATE_CLOSED);
        assert!(!held.is_finished() && origin.journal().in_flight() == 1);
        origin.release();
        assert_eq!(held.await.expect("no panic"), 200);
        assert_eq!(portcullis.metric(&state).await, STATE_CLOSED);
    })
    .await;
}
