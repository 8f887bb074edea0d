//! Does the breaker keep requests from an endpoint that fails, and let them back when it has recovered?

use std::time::Duration;

use super::report::told;
use super::*;

const STATE_CLOSED: f64 = 0.0;
const STATE_HALF_OPEN: f64 = 1.0;
const STATE_OPEN: f64 = 2.0;

/// A client that asks for what the origin holds; it gets the status when that is over.
fn holds(address: SocketAddr) -> tokio::task::JoinHandle<u16> {
    tokio::spawn(async move {
        let asked = request("GET", "/held").body(full("")).expect("a request");
        let answer = http1(address).await.ask(asked).await;
        answer.status.as_u16()
    })
}

async fn an_endpoint_hangs_and_answers_again(carrier: Carrier) {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    let yaml = guarded(
        &[endpoint],
        "timeouts: {first_byte: 200ms}, \
         breaker: {consecutive_failures: 3, open_for: 3s, max_open_for: 3s, trials: 1}",
    );
    let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
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

    // It answers again: the next trial closes the breaker.
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
            "timeouts: {first_byte: 500ms}, retries: {limit: 0}, \
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

/// The answer to a request that the carrier takes, on a connection of its own.
async fn ask(address: SocketAddr, carrier: Carrier, path: &str) -> Answer {
    let mut client = http1(address).await;
    match carrier {
        Carrier::Direct => client.get(path).await,
        Carrier::Duplex => client.post(path, "body").await,
    }
}

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
async fn a_breaker_of_the_whole_pool_counts_all_its_requests_and_refuses_all() {
    both_carriers(async |carrier| {
        let origins = [origin().await, origin().await];
        let addresses = origins.each_ref().map(|one| one.address().expect("TCP"));
        let settings = "{scope: pool, consecutive_failures: 4, open_for: 1h, max_open_for: 1h}";
        let yaml = guarded(&addresses, &format!("breaker: {settings}"));
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let mut client = http1(address).await;
        let requests = || origins.each_ref().map(|one| one.journal().requests());
        // Fewer than four at each of them.
        for _ in 0..4 {
            assert_eq!(client.get("/status/503").await.text(), "");
        }
        assert_eq!(requests(), [2, 2]);
        for _ in 0..10 {
            let answer = ask(address, carrier, "/").await;
            assert_eq!(answer.status, 503);
            assert_eq!(answer.text().lines().nth(1), Some("breaker_open"));
        }
        assert_eq!(requests(), [2, 2]);
        portcullis.says("pool p: its breaker is open for ").await;
        let state = "portcullis_upstream_breaker_state";
        let whole = format!("{state}{{endpoint=\"\",pool=\"p\"}}");
        assert_eq!(portcullis.metric(&whole).await, STATE_OPEN);
        assert_eq!(portcullis.metric(state).await, STATE_OPEN, "one for all");
        let pool = told(&portcullis, "p").await;
        for endpoint in pool["endpoints"].as_array().expect("endpoints") {
            assert_eq!(endpoint["breaker"], "open", "{pool}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_breaker_of_the_whole_pool_closes_for_all_its_endpoints() {
    let origins = [origin().await, origin().await];
    let addresses = origins.each_ref().map(|one| one.address().expect("TCP"));
    let settings =
        "{scope: pool, consecutive_failures: 4, open_for: 50ms, max_open_for: 50ms, trials: 2}";
    let portcullis = Portcullis::start(&guarded(&addresses, &format!("breaker: {settings}"))).await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..4 {
        client.get("/status/503").await;
    }
    portcullis.says("pool p: its breaker is open for ").await;
    let closed =
        "portcullis_upstream_breaker_transitions_total{endpoint=\"\",pool=\"p\",to=\"closed\"}";
    eventually("trials close it", async || {
        client.get("/").await;
        portcullis.metric(closed).await == 1.0
    })
    .await;
    portcullis
        .says("pool p: its breaker is closed: 2 trials in a row succeeded")
        .await;
    let requests = || origins.each_ref().map(|one| one.journal().requests());
    let before = requests();
    for _ in 0..6 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(requests(), before.map(|count| count + 3));
}

#[tokio::test]
async fn clients_that_go_away_open_nothing_and_eject_nobody() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let endpoint = origin.address().expect("TCP");
        let other = super::origin_that_answers().await;
        let yaml = guarded(
            &[endpoint, other.address()],
            "breaker: {consecutive_failures: 1, error_ratio: 1, min_requests: 1}, \
             ejection: {consecutive_failures: 1, error_ratio: 1, min_requests: 1}",
        );
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let mut left = 0;
        while left < 5 {
            let mut raw = Raw::sent(address, "GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
            // One of the two answers at once; the other one holds it until the client goes away.
            let journal = origin.journal();
            tokio::select! {
                answer = raw.response() => {
                    assert_eq!(answer.status, 200);
                    continue;
                }
                held = journal.becomes(PATIENCE, |journal| journal.in_flight() == 1) => assert!(held),
            }
            drop(raw);
            left += 1;
            arrived(&origin, 0).await;
        }
        eventually("they are seen to be gone", async || {
            let gone = "portcullis_failures_total{reason=\"client_gone\"";
            portcullis.metric(gone).await == 5.0
        })
        .await;
        for series in ["breaker_state", "breaker_transitions_total", "ejected", "ejections_total"] {
            assert_eq!(portcullis.metric(&format!("portcullis_upstream_{series}")).await, 0.0, "{series}");
        }
        let neutral = format!(
            "portcullis_upstream_requests_total{{endpoint=\"{endpoint}\",outcome=\"neutral\",pool=\"p\"}}"
        );
        assert_eq!(portcullis.metric(&neutral).await, 5.0);
    })
    .await;
}

#[tokio::test]
async fn what_counts_as_a_failure_and_what_is_slow_is_as_the_pool_says() {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    let portcullis = Portcullis::start(&guarded(
        &[endpoint],
        "breaker: {consecutive_failures: 2, open_for: 1h, max_open_for: 1h, failures: [429, 500-501]}",
    ))
    .await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..3 {
        for status in ["503", "404", "429", "200", "501"] {
            let answer = client.get(&format!("/status/{status}")).await;
            assert_eq!(answer.status.as_str(), status);
        }
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(client.get("/status/500").await.status, 500);
    assert_eq!(client.get("/status/429").await.status, 429);
    assert_eq!(
        client.get("/").await.text().lines().nth(1),
        Some("breaker_open")
    );

    let portcullis = Portcullis::start(&guarded(
        &[endpoint],
        "breaker: {slow_ratio: 100, slow_after: 10ms, min_requests: 3, open_for: 1h, max_open_for: 1h}",
    ))
    .await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..3 {
        assert_eq!(client.get("/delay/50").await.status, 200);
    }
    assert_eq!(
        client.get("/").await.text().lines().nth(1),
        Some("breaker_open")
    );
    portcullis.says("3 of 3 requests were slow").await;
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

/// A client that says it uploads so many bytes and sends the first few one by one, each half a second after the other.
async fn trickles(address: SocketAddr, length: usize, sent: usize) -> Raw {
    let head = format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    let mut raw = Raw::sent(address, head).await;
    for _ in 0..sent {
        tokio::time::sleep(Duration::from_millis(500)).await;
        raw.send("a").await;
    }
    raw
}

#[tokio::test]
async fn a_client_that_uploads_slowly_does_not_make_its_endpoint_look_slow() {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    for protocol in ["http1", "http2"] {
        let portcullis = Portcullis::start(&guarded(
            &[endpoint],
            &format!(
                "protocol: {protocol}, breaker: {{slow_ratio: 50, slow_after: 1s, min_requests: 3, \
                 open_for: 1h, max_open_for: 1h}}"
            ),
        ))
        .await;
        let address = portcullis.listener("http");
        let uploads = async || trickles(address, 4, 4).await.response().await.status;
        assert_eq!(
            tokio::join!(uploads(), uploads(), uploads()),
            (200, 200, 200)
        );
        assert_eq!(http1(address).await.get("/").await.status, 200);
    }
}

async fn an_upload_takes_all_the_time_there_is(endpoint: SocketAddr, protocol: &str) {
    let portcullis = Portcullis::start(&guarded(
        &[endpoint],
        &format!(
            "protocol: {protocol}, timeouts: {{total: 2s}}, \
             breaker: {{consecutive_failures: 3, open_for: 1h, max_open_for: 1h}}"
        ),
    ))
    .await;
    let address = portcullis.listener("http");
    // Who is silent at the end is answered, and who is not is dropped a little later.
    let silent = async || trickles(address, 100, 1).await.response().await.status;
    let busy = async || trickles(address, 100, 3).await.rest().await;
    let (one, two, three, ..) = tokio::join!(silent(), silent(), silent(), busy(), busy(), busy());
    assert_eq!((one, two, three), (504, 504, 504));
    eventually("all six have failed", async || {
        let failed = "portcullis_failures_total{reason=\"total_timeout\"";
        portcullis.metric(failed).await == 6.0
    })
    .await;
    assert_eq!(http1(address).await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_client_whose_upload_takes_all_the_time_there_is_does_not_make_its_endpoint_look_ill() {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    tokio::join!(
        an_upload_takes_all_the_time_there_is(endpoint, "http1"),
        an_upload_takes_all_the_time_there_is(endpoint, "http2"),
    );
}
