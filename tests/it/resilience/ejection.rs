//! Are endpoints left out that fail while they say that they are well, and what if that are too many?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

#[tokio::test]
async fn an_endpoint_that_says_it_is_well_and_resets_requests_is_ejected() {
    both_carriers(async |carrier| {
        let (liar, good) = (liar().await, origin_that_answers().await);
        let yaml = guarded(
            &[liar.address(), good.address()],
            "ejection: {consecutive_failures: 3, time: 1h, max_time: 1h}",
        );
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for _ in 0..4 {
            assert_eq!(http1(address).await.get("/healthz").await.status, 200);
        }
        let mut failed = 0;
        for _ in 0..40 {
            match post(address).await.status.as_u16() {
                200 => {}
                502 => failed += 1,
                other => panic!("{other}"),
            }
        }
        assert_eq!(failed, 3, "until it was ejected");
        assert_eq!(
            portcullis
                .metric(&of_endpoint("ejected", liar.address()))
                .await,
            1.0
        );
        assert_eq!(
            portcullis
                .metric(&of_endpoint("ejected", good.address()))
                .await,
            0.0
        );
        assert_eq!(
            portcullis
                .metric("portcullis_upstream_ejections_total")
                .await,
            1.0
        );
        let said = format!(
            "pool p: endpoint {} is ejected for 3600s: 3 failures in a row",
            liar.address()
        );
        portcullis.says(&said).await;
    })
    .await;
}

#[tokio::test]
async fn checks_that_pass_do_not_bring_an_ejected_endpoint_back() {
    both_carriers(async |carrier| {
        let traffic = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&traffic);
        let liar = RawOrigin::start(move |head| {
            if head.starts_with(b"GET /healthz ") {
                return RawAnswer::new().send(OK);
            }
            seen.fetch_add(1, Ordering::Relaxed);
            RawAnswer::new().reset()
        });
        let (liar, good) = (liar.await.expect("an origin"), origin_that_answers().await);
        let yaml = guarded(
            &[liar.address(), good.address()],
            "health: {path: /healthz, interval: 50ms, timeout: 5s, rise: 1}, \
             ejection: {consecutive_failures: 3, time: 1h, max_time: 1h}",
        );
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let ejected = of_endpoint("ejected", liar.address());
        eventually("it is ejected", async || {
            post(address).await;
            portcullis.metric(&ejected).await == 1.0
        })
        .await;
        assert_eq!(traffic.load(Ordering::Relaxed), 3);

        let passed = of_endpoint("checks_total", liar.address()) + ",result=\"passed\"}";
        let before = portcullis.metric(&passed).await;
        eventually("more of its checks pass", async || {
            assert_eq!(post(address).await.status, 200);
            portcullis.metric(&passed).await >= before + 4.0
        })
        .await;
        assert_eq!(portcullis.metric(&ejected).await, 1.0);
        let healthy = of_endpoint("healthy", liar.address());
        assert_eq!(portcullis.metric(&healthy).await, 1.0);
        assert_eq!(
            traffic.load(Ordering::Relaxed),
            3,
            "it has seen nothing but checks"
        );
    })
    .await;
}

#[tokio::test]
async fn an_ejected_endpoint_comes_back_by_itself() {
    let origin = origin().await;
    let (endpoint, good) = (origin.address().expect("TCP"), origin_that_answers().await);
    let portcullis = Portcullis::start(&guarded(
        &[endpoint, good.address()],
        "ejection: {consecutive_failures: 1, time: 300ms, max_time: 300ms}",
    ))
    .await;
    let mut client = http1(portcullis.listener("http")).await;
    while portcullis
        .metric(&of_endpoint("ejections_total", endpoint))
        .await
        == 0.0
    {
        client.post("/status/503", "").await;
    }
    let seen = origin.journal().requests();
    eventually("it gets requests again", async || {
        assert_eq!(client.get("/").await.status, 200);
        origin.journal().requests() > seen
    })
    .await;
    portcullis.says("is no longer ejected").await;
    assert_eq!(
        portcullis.metric(&of_endpoint("ejected", endpoint)).await,
        0.0
    );
}

#[tokio::test]
async fn when_all_fail_only_a_part_is_ejected() {
    let liars = [liar().await, liar().await, liar().await];
    let addresses: Vec<SocketAddr> = liars.iter().map(RawOrigin::address).collect();
    let portcullis = Portcullis::start(&guarded(
        &addresses,
        "ejection: {consecutive_failures: 2, max_ejected: 50}",
    ))
    .await;
    let address = portcullis.listener("http");
    for _ in 0..60 {
        assert_eq!(post(address).await.status, 502);
    }
    assert_eq!(portcullis.metric("portcullis_upstream_ejected").await, 1.0);
    assert_eq!(
        portcullis
            .metric("portcullis_upstream_ejections_total")
            .await,
        1.0
    );
    let mut requests: Vec<u64> = liars.iter().map(RawOrigin::requests).collect();
    requests.sort_unstable();
    assert!(requests[0] < 5 && requests[1] > 20, "{requests:?}");
}

#[tokio::test]
async fn with_too_few_healthy_endpoints_requests_go_to_all_and_the_pool_says_so() {
    let origins = [origin().await, origin().await, origin().await];
    let addresses: Vec<SocketAddr> = origins
        .iter()
        .map(|origin| origin.address().expect("TCP"))
        .collect();
    let settings = |threshold: u8| {
        let ejection = "{consecutive_failures: 1, time: 1h, max_time: 1h, max_ejected: 100}";
        guarded(
            &addresses,
            &format!("panic_threshold: {threshold}, ejection: {ejection}"),
        )
    };
    let portcullis = Portcullis::start(&settings(50)).await;
    let mut client = http1(portcullis.listener("http")).await;
    let open = "portcullis_pool_fail_open{pool=\"p\"}";
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(portcullis.metric(open).await, 0.0);
    eventually("two of three are ejected, and that is seen", async || {
        client.post("/status/503", "").await;
        portcullis.metric(open).await == 1.0
    })
    .await;
    portcullis
        .says("pool p: 1 of 3 endpoints are healthy, less than 50 %: health is looked past")
        .await;
    let before: Vec<u64> = origins
        .iter()
        .map(|origin| origin.journal().requests())
        .collect();
    for _ in 0..9 {
        assert_eq!(client.get("/").await.status, 200);
    }
    for (origin, before) in origins.iter().zip(before) {
        assert_eq!(origin.journal().requests() - before, 3);
    }
    assert_eq!(portcullis.metric("portcullis_upstream_ejected").await, 2.0);

    // With a lower threshold the one that is left serves alone.
    portcullis.apply(&settings(30)).await;
    let mut client = http1(portcullis.listener("http")).await;
    eventually("health is heeded again", async || {
        client.get("/").await;
        portcullis.metric(open).await == 0.0
    })
    .await;
    portcullis
        .says("pool p: 1 of 3 endpoints are healthy: health counts again")
        .await;
    let requests = || origins.each_ref().map(|origin| origin.journal().requests());
    let before = requests();
    for _ in 0..9 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let mut more: Vec<u64> = requests()
        .iter()
        .zip(before)
        .map(|(now, before)| now - before)
        .collect();
    more.sort_unstable();
    assert_eq!(more, [0, 0, 9]);
}
