//! What happens when the process has more memory than it may?

use std::net::SocketAddr;
use std::time::Duration;

use super::limited;
use crate::support::*;

async fn status(address: SocketAddr, priority: &str) -> u16 {
    let request = request("GET", "/echo").header("X-Priority", priority);
    let request = request.body(full("")).expect("a request");
    let answer = http1(address).await.ask(request).await;
    if answer.status == 503 {
        assert!(answer.text().contains("\noverloaded\n"), "{answer:?}");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    answer.status.as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_limit_requests_are_shed_and_below_it_they_are_not() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&limited(&origin, "{memory: 2MiB}")).await;
    let address = portcullis.listener("http");
    eventually("requests are shed", async || {
        status(address, "high").await == 503
    })
    .await;
    portcullis.says("all requests for pools are shed").await;
    let mut raw = Raw::connect(address).await;
    assert_eq!(raw.get("/fixed").await.status, 200, "it needs no pool");
    let ready = Raw::connect(portcullis.admin()).await.get("/readyz").await;
    assert_eq!(ready.status, 200);
    let asked = origin.journal().requests();
    assert_eq!(status(address, "high").await, 503);
    assert_eq!(
        origin.journal().requests(),
        asked,
        "the endpoint is not asked"
    );
    let level = "portcullis_overload_level{resource=\"memory\"}";
    assert_eq!(portcullis.metric(level).await, 3.0);

    // So that it uses 85 % of it: what is of low priority is shed, and nothing else. How much it uses moves a little.
    eventually("only low priority is shed", async || {
        let most = portcullis.rss() * 100 / 85;
        portcullis
            .apply(&limited(&origin, &format!("{{memory: {most}}}")))
            .await;
        let limit = "portcullis_overload_limit{resource=\"memory\"}";
        eventually("it is measured by the new limit", async || {
            portcullis.metric(limit).await == most as f64
        })
        .await;
        let statuses = [
            status(address, "low").await,
            status(address, "normal").await,
            status(address, "high").await,
        ];
        statuses == [503, 200, 200]
    })
    .await;
    portcullis.apply(&limited(&origin, "{memory: 100%}")).await;
    eventually("nothing is shed", async || {
        status(address, "low").await == 200
    })
    .await;
    portcullis.says("no request is shed any more").await;
}

/// A client that asks for a hundred large answers on one connection and takes nothing of them.
async fn hog(address: SocketAddr) -> Frames {
    let mut frames = Frames::connect(address).await;
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", "/bytes/1m"),
    ];
    for stream in 0..100 {
        frames.headers(2 * stream + 1, &fields, true).await;
    }
    frames
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_make_it_hold_is_shed_for_and_let_go_when_they_leave() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&limited(&origin, "{memory: off}")).await;
    let address = portcullis.listener("http");
    assert_eq!(status(address, "low").await, 200);
    let before = portcullis.rss();
    let most = before + (48 << 20);
    portcullis
        .apply(&limited(&origin, &format!("{{memory: {most}}}")))
        .await;
    let mut hogs = Vec::new();
    while hogs.len() < 60 && status(address, "high").await == 200 {
        hogs.push(hog(address).await);
        // Its answers take a moment to come, and it is they that take memory.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (held, count) = (portcullis.rss(), hogs.len());
    eprintln!(
        "{} KiB before, {} KiB with {count} hogs",
        before >> 10,
        held >> 10
    );
    eventually("requests are shed", async || {
        status(address, "high").await == 503
    })
    .await;
    // A bound for what still came in before it was noticed.
    assert!(
        portcullis.rss() < most * 2,
        "{} KiB",
        portcullis.rss() >> 10
    );
    drop(hogs);
    eventually("nothing is shed", async || {
        status(address, "low").await == 200
    })
    .await;
    eprintln!("{} KiB after", portcullis.rss() >> 10);
}
