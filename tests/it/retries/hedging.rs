//! Does a second endpoint help where the first is slow, and is it asked no more often than it may be?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;

/// What is counted of hedges with this result.
async fn hedged(portcullis: &Portcullis, result: &str) -> f64 {
    let series = format!("portcullis_upstream_hedges_total{{pool=\"p\",result=\"{result}\"}}");
    portcullis.metric(&series).await
}

fn hedging(endpoints: &[SocketAddr], hedging: &str) -> String {
    pool(
        endpoints,
        &format!(", hedging: {{{hedging}}}, retries: {{limit: 0}}"),
        "",
    )
}

#[tokio::test]
async fn the_first_answer_is_taken_and_the_other_endpoint_is_left_in_peace() {
    // Both hold the request, and only one lets it go.
    let (slow, fast) = (origin().await, origin().await);
    fast.release();
    let endpoints = [&slow, &fast].map(|one| one.address().expect("TCP"));
    let portcullis = Portcullis::start(&hedging(&endpoints, "after: 1s, budget: 100")).await;
    let address = portcullis.listener("http");
    let started = Instant::now();
    for mut client in [http1(address).await, http2(address).await] {
        for _ in 0..6 {
            let answer = client.get("/held").await;
            assert_eq!(answer.status, 200);
        }
    }
    assert!(started.elapsed() < PATIENCE);
    // Half of the requests began at the slow one, and each was given up there.
    assert_eq!(fast.journal().requests(), 12);
    assert_eq!(slow.journal().requests(), 6);
    let cancelled = slow.journal().becomes(PATIENCE, |journal| {
        journal.cancelled() == 6 && journal.open_connections() == 0
    });
    assert!(cancelled.await, "{:?}", slow.journal());
    assert_eq!(fast.journal().cancelled(), 0);
    assert_eq!(hedged(&portcullis, "sent").await, 6.0);
    assert_eq!(hedged(&portcullis, "won").await, 6.0);
    let line = portcullis.logged(|line| line["attempts"] == 2).await;
    assert_eq!(
        (&line["retries"], &line["endpoint"]),
        (&0.into(), &endpoints[1].to_string().into()),
        "{line}"
    );
    // Nobody says that the one that was not waited for has failed.
    let outcomes = |outcome: &str| {
        format!(
            "portcullis_upstream_requests_total{{endpoint=\"{}\",outcome=\"{outcome}\"",
            endpoints[0]
        )
    };
    assert_eq!(portcullis.metric(&outcomes("neutral")).await, 6.0);
    assert_eq!(portcullis.metric(&outcomes("failure")).await, 0.0);
    assert_eq!(
        portcullis.metric("portcullis_upstream_in_flight").await,
        0.0
    );
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_noticed_though_nobody_waits_for_it() {
    for guard in [
        "breaker: {consecutive_failures: 3, open_for: 1h, max_open_for: 1h}",
        "ejection: {consecutive_failures: 3, time: 1h, max_time: 1h}",
    ] {
        // Only one of them holds what it is asked.
        let origins = [origin().await, origin().await, origin().await];
        origins[1..].iter().for_each(|one| one.release());
        let endpoints = origins.each_ref().map(|one| one.address().expect("TCP"));
        let settings =
            format!(", hedging: {{after: 50ms, budget: 100}}, {guard}, retries: {{limit: 0}}");
        let portcullis = Portcullis::start(&pool(&endpoints, &settings, "")).await;
        let mut client = http1(portcullis.listener("http")).await;
        let left_out = match guard.starts_with("breaker") {
            true => ("portcullis_upstream_breaker_state", 2.0),
            false => ("portcullis_upstream_ejected", 1.0),
        };
        let series = format!("{}{{endpoint=\"{}\"", left_out.0, endpoints[0]);
        let started = Instant::now();
        while portcullis.metric(&series).await != left_out.1 {
            assert!(started.elapsed() < PATIENCE, "{guard}");
            assert_eq!(client.get("/held").await.status, 200);
        }
        portcullis
            .says("requests in a row failed or were outrun by hedges")
            .await;
        let hung = origins[0].journal().requests();
        assert!(hung >= 3, "{hung}");
        for _ in 0..30 {
            assert_eq!(client.get("/held").await.status, 200);
        }
        assert_eq!(origins[0].journal().requests(), hung, "{guard}");
    }
}

#[tokio::test]
async fn only_a_share_of_the_requests_is_asked_twice() {
    let slow = always(RawAnswer::new().pause(Duration::from_millis(60)).send(OK)).await;
    let fast = always(RawAnswer::new().send(OK)).await;
    let endpoints = [slow.address(), fast.address()];
    let portcullis = Portcullis::start(&hedging(&endpoints, "after: 1ms, budget: 10")).await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..60 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let sent = hedged(&portcullis, "sent").await;
    assert!((3.0..=6.0).contains(&sent), "{sent}");
    // One that is counted may come to nothing: the first one's answer was there before it was written.
    let attempts = portcullis
        .metric("portcullis_upstream_requests_total")
        .await;
    assert_eq!(attempts, 60.0 + sent);
    assert!((slow.requests() + fast.requests()) as f64 <= attempts);
    assert!(hedged(&portcullis, "budget").await >= 20.0);
}

#[tokio::test]
async fn the_time_it_takes_to_ask_twice_is_what_most_answers_take() {
    let turned = Arc::new(AtomicBool::new(true));
    let slow = {
        let turned = Arc::clone(&turned);
        RawOrigin::start(move |_| match turned.load(Ordering::Relaxed) {
            true => RawAnswer::new().pause(Duration::from_secs(3)).send(OK),
            false => RawAnswer::new().send(OK),
        })
    };
    let slow = slow.await.expect("an origin");
    let fast = always(RawAnswer::new().send(OK)).await;
    let endpoints = [slow.address(), fast.address()];
    let portcullis = Portcullis::start(&hedging(&endpoints, "budget: 20")).await;
    let mut client = http1(portcullis.listener("http")).await;
    // Nothing is known about the pool, so it is waited for.
    let started = Instant::now();
    for _ in 0..2 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert!(started.elapsed() >= Duration::from_secs(3));
    assert_eq!(hedged(&portcullis, "sent").await, 0.0);

    turned.store(false, Ordering::Relaxed);
    for _ in 0..150 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let before = hedged(&portcullis, "won").await;
    turned.store(true, Ordering::Relaxed);
    let started = Instant::now();
    for _ in 0..4 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(hedged(&portcullis, "won").await >= before + 2.0);
}

#[tokio::test]
async fn a_client_that_uploads_slowly_does_not_make_its_endpoint_s_answers_look_slow() {
    // As many as it takes to say something about their twentieth.
    const UPLOADS: usize = 110;
    let origins = [origin().await, origin().await];
    let endpoints = origins.each_ref().map(|one| one.address().expect("TCP"));
    let portcullis = Portcullis::start(&hedging(&endpoints, "budget: 100")).await;
    let address = portcullis.listener("http");
    let uploads = (0..UPLOADS).map(async |_| {
        let head = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
        let mut raw = Raw::sent(address, head).await;
        for _ in 0..3 {
            // Far longer than an endpoint takes for an answer.
            tokio::time::sleep(Duration::from_secs(1)).await;
            raw.send("a").await;
        }
        assert_eq!(raw.response().await.status, 200);
    });
    futures_util::future::join_all(uploads).await;
    let answers = "portcullis_upstream_first_byte_duration_seconds";
    let count = portcullis.metric(&format!("{answers}_count")).await;
    assert_eq!(count, UPLOADS as f64);
    let sum = portcullis.metric(&format!("{answers}_sum")).await;
    assert!(sum < count, "{sum} seconds for {count} answers");
    let line = portcullis.logged(|line| line["target"] == "/upload").await;
    let (duration, first_byte) = (line["duration"].as_f64(), line["first_byte"].as_f64());
    assert!(
        duration.is_some_and(|seconds| seconds > 2.0)
            && first_byte.is_some_and(|seconds| seconds < 2.0),
        "{line}"
    );
    // Of those answers a twentieth took far less than this.
    let answer = http1(address).await.get("/delay/2500").await;
    assert_eq!(answer.status, 200);
    assert_eq!(hedged(&portcullis, "sent").await, 1.0);
}

#[tokio::test]
async fn a_failure_does_not_win_while_the_other_endpoint_is_at_work() {
    for failing in [RawAnswer::new().send(UNAVAILABLE), RawAnswer::new().close()] {
        let slow = always(RawAnswer::new().pause(Duration::from_secs(2)).send(OK)).await;
        let broken = always(failing).await;
        let endpoints = [slow.address(), broken.address()];
        let portcullis = Portcullis::start(&hedging(&endpoints, "after: 500ms, budget: 100")).await;
        let mut statuses = Vec::new();
        for _ in 0..4 {
            let answer = http1(portcullis.listener("http")).await.get("/").await;
            statuses.push(answer.status.as_u16());
        }
        statuses.sort_unstable();
        // What the broken one is asked first, it answers at once; else the slow one is waited for.
        assert_eq!(statuses[..2], [200, 200], "{statuses:?}");
        assert!(statuses[2..].iter().all(|status| *status >= 502));
        assert_eq!((slow.requests(), broken.requests()), (2, 4));
        assert_eq!(hedged(&portcullis, "won").await, 0.0);
        let failures = format!(
            "portcullis_upstream_requests_total{{endpoint=\"{}\",outcome=\"failure\"",
            endpoints[1]
        );
        assert_eq!(portcullis.metric(&failures).await, 4.0);
    }
}

#[tokio::test]
async fn what_may_not_be_repeated_is_asked_once_and_a_client_that_leaves_ends_both() {
    let (one, two) = (origin().await, origin().await);
    let endpoints = [&one, &two].map(|one| one.address().expect("TCP"));
    let portcullis = Portcullis::start(&hedging(&endpoints, "after: 50ms, budget: 100")).await;
    let address = portcullis.listener("http");
    let mut client = http1(address).await;
    for (method, path, body) in [
        ("POST", "/delay/300", ""),
        ("PATCH", "/delay/300", ""),
        ("PUT", "/delay/300", "a body"),
    ] {
        let asked = request(method, path).body(full(body)).expect("a request");
        assert_eq!(client.ask(asked).await.status, 200, "{method}");
    }
    assert_eq!(one.journal().requests() + two.journal().requests(), 3);

    let raw = Raw::sent(address, "GET /hang HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    for origin in [&one, &two] {
        arrived(origin, 1).await;
    }
    drop(raw);
    for origin in [&one, &two] {
        let cancelled = origin
            .journal()
            .becomes(PATIENCE, |journal| journal.cancelled() == 1);
        assert!(cancelled.await, "{:?}", origin.journal());
    }
}

#[tokio::test]
async fn where_both_endpoints_have_failed_the_retry_goes_to_neither() {
    let resets = || RawAnswer::new().pause(Duration::from_millis(1500)).reset();
    let answers = RawAnswer::new().pause(Duration::from_secs(3)).send(OK);
    let origins = [
        always(resets()).await,
        always(resets()).await,
        always(answers).await,
    ];
    let endpoints: Vec<SocketAddr> = origins.iter().map(RawOrigin::address).collect();
    let settings = format!(
        ", balancer: random, hedging: {{after: 20ms, budget: 100}}, \
         retries: {{limit: 1, on: [reset], {RICH}}}"
    );
    let portcullis = Portcullis::start(&pool(&endpoints, &settings, "")).await;
    let address = portcullis.listener("http");
    let asked: Vec<_> = (0..60)
        .map(|_| tokio::spawn(async move { http1(address).await.get("/").await.status.as_u16() }))
        .collect();
    for one in asked {
        assert_eq!(one.await.expect("no panic"), 200);
    }
    // Some began at both that fail.
    assert!(counted(&portcullis, "sent").await > 0.0);
}
