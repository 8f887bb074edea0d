//! How many requests does an endpoint catch that hangs or is down, and what do those get that are refused?

use super::*;

async fn an_endpoint_hangs_and_answers_again(carrier: Carrier) {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    let yaml = |first_byte: &str| {
        let settings = format!(
            "timeouts: {{first_byte: {first_byte}}}, \
             breaker: {{consecutive_failures: 3, open_for: 3s, max_open_for: 3s, trials: 1}}"
        );
        guarded(&[endpoint], &settings) + &format!("\nruntime: {{carrier: {carrier}}}\n")
    };
    let portcullis = Portcullis::start(&yaml("200ms")).await;
    let address = portcullis.listener("http");
    let state = of_endpoint("breaker_state", endpoint);

    let caught: Vec<_> = (0..3).map(|_| holds(address)).collect();
    for one in caught {
        assert_eq!(one.await.expect("no panic"), 504, "{carrier}");
    }
    let refused = http1(address).await.get("/held").await;
    assert_eq!(refused.status, 503, "{carrier}: {refused:?}");
    assert_eq!(origin.journal().requests(), 3, "{carrier}");
    assert_eq!(
        refused.header("proxy-status"),
        Some("portcullis;error=destination_unavailable;details=\"breaker_open\"")
    );
    let seconds = refused.header("retry-after").expect("a time");
    // Of three seconds, a tenth less or more.
    assert!(["1", "2", "3", "4"].contains(&seconds), "{seconds}");
    assert_eq!(portcullis.metric(&state).await, STATE_OPEN, "{carrier}");
    portcullis.says("its breaker is open for ").await;
    portcullis.says(": 3 failures in a row").await;
    let line = portcullis.logged(|line| line["status"] == 503).await;
    assert_eq!(
        (&line["reason"], &line["phase"], &line["attempts"]),
        (&"breaker_open".into(), &"pool".into(), &0.into()),
        "{line}"
    );

    // It answers again, and has time for it: the next trial closes the breaker.
    portcullis.apply(&yaml("10s")).await;
    origin.release();
    eventually("a trial closes the breaker", async || {
        http1(address).await.get("/held").await.status == 200
    })
    .await;
    portcullis
        .says("its breaker is closed: 1 trials in a row succeeded")
        .await;
    assert_eq!(portcullis.metric(&state).await, STATE_CLOSED, "{carrier}");
    let opened = of_endpoint("breaker_transitions_total", endpoint) + ",to=\"open\"}";
    assert_eq!(portcullis.metric(&opened).await, 1.0, "{carrier}");
    let mut client = http1(address).await;
    for _ in 0..20 {
        assert_eq!(client.get("/held").await.status, 200, "{carrier}");
    }
}

#[tokio::test]
async fn an_endpoint_that_hangs_fails_only_those_it_caught_until_a_trial_succeeds() {
    tokio::join!(
        an_endpoint_hangs_and_answers_again(Carrier::Direct),
        an_endpoint_hangs_and_answers_again(Carrier::Duplex),
    );
}

#[tokio::test]
async fn of_three_endpoints_one_that_hangs_catches_three_requests_and_the_others_serve_all_else() {
    both_carriers(async |carrier| {
        let [hangs, one, other] = [origin().await, origin().await, origin().await];
        one.release();
        other.release();
        let yaml = guarded(
            &[&hangs, &one, &other].map(|origin| origin.address().expect("TCP")),
            "timeouts: {first_byte: 2s}, retries: {limit: 0}, \
             breaker: {consecutive_failures: 3, open_for: 1h, max_open_for: 1h}",
        );
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let (mut caught, mut served) = (0, 0);
        for _ in 0..60 {
            match http1(address).await.get("/held").await.status.as_u16() {
                200 => served += 1,
                504 => caught += 1,
                other => panic!("{other}"),
            }
        }
        assert_eq!((caught, served), (3, 57));
        let requests = [&hangs, &one, &other].map(|origin| origin.journal().requests());
        assert_eq!((requests[0], requests[1] + requests[2]), (3, 57));
        assert!(requests[1].min(requests[2]) > 20, "{requests:?}");
    })
    .await;
}

#[tokio::test]
async fn when_all_are_down_each_request_is_refused_at_once_and_told_when_to_come_again() {
    both_carriers(async |carrier| {
        let nobody = [free_port(), free_port()].map(|port| ([127, 0, 0, 1], port).into());
        let yaml = guarded(
            &nobody,
            "breaker: {consecutive_failures: 2, open_for: 90s, max_open_for: 2m}",
        );
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let mut failed = 0;
        eventually("both breakers are open", async || {
            failed += 1;
            ask(address, carrier, "/").await.status == 503
        })
        .await;
        assert!(
            failed <= 5,
            "{failed} attempts at two endpoints that nobody listens on"
        );

        at_once(&portcullis, async |path| {
            let answer = ask(address, carrier, path).await;
            assert_eq!(answer.status, 503);
            assert_eq!(answer.text().lines().nth(1), Some("breaker_open"));
            let seconds = answer.header("retry-after").expect("a time");
            // Of 90 seconds, a tenth less or more.
            let seconds: u32 = seconds.parse().expect("a number");
            assert!((50..=99).contains(&seconds), "{seconds}");
        })
        .await;
        let refused = portcullis
            .metric("portcullis_failures_total{reason=\"breaker_open\"")
            .await;
        assert!(refused >= 101.0);
    })
    .await;
}
