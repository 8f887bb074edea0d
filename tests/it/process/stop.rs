//! How does the process end?

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use origin::Origin;

use crate::support::*;

/// One with a request that never gets its answer.
async fn hanging() -> (Origin, Portcullis, Raw) {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let address = portcullis.listener("http");
    let raw = Raw::sent(address, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await;
    arrived(&origin, 1).await;
    (origin, portcullis, raw)
}

#[tokio::test]
async fn sigterm_lets_a_running_request_finish_and_leaves_with_0() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let mut portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let mut idle = http1(address).await;
        assert_eq!(idle.get("/").await.status, 200);
        let (mut one, mut two) = (http1(address).await, http2(address).await);
        let running = tokio::spawn(async move {
            let answers = tokio::join!(one.get("/held"), two.get("/held-body"));
            (answers.0.text(), answers.1.text())
        });
        arrived(&origin, 2).await;
        portcullis.signal("TERM");
        // Nobody new is let in, and who waits for nothing is let go, while the running requests go on.
        idle.closed().await;
        eventually("no new connection", async || {
            tokio::net::TcpStream::connect(address).await.is_err()
        })
        .await;
        assert!(portcullis.ended().is_none(), "two requests are running");
        origin.release();
        let texts = running.await.expect("both answers");
        assert_eq!(
            texts,
            ("at last\n".to_owned(), "so far\nat last\n".to_owned())
        );
        let status = portcullis.end().await;
        assert_eq!(status.code(), Some(0), "{status:?}");
    })
    .await;
}

#[tokio::test]
async fn without_running_requests_sigterm_and_sigquit_and_sigint_end_it_at_once() {
    for signal in ["TERM", "QUIT", "INT"] {
        let origin = origin().await;
        let mut portcullis = Portcullis::start(&site("", origin.address())).await;
        let mut clients = [
            http1(portcullis.listener("http")).await,
            http2(portcullis.listener("http")).await,
        ];
        for client in &mut clients {
            assert_eq!(client.get("/").await.status, 200);
        }
        let started = Instant::now();
        portcullis.signal(signal);
        assert_eq!(portcullis.end().await.code(), Some(0), "{signal}");
        // The grace is 30 seconds; idle connections don't use it.
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{signal}: {:?}",
            started.elapsed()
        );
    }
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_running_requests() {
    for second in ["TERM", "QUIT", "INT"] {
        let (_origin, mut portcullis, _raw) = hanging().await;
        portcullis.signal("TERM");
        portcullis.says("SIGTERM: stopping").await;
        assert!(portcullis.ended().is_none());
        portcullis.signal(second);
        let status = portcullis.end().await;
        assert!(
            status.code() == Some(0) || status.signal().is_some(),
            "{status:?}"
        );
        // What it said last may still be on its way.
        portcullis.says("leaving at once").await;
    }
}

#[tokio::test]
async fn sigint_does_not_wait_for_running_requests() {
    let (_origin, mut portcullis, _raw) = hanging().await;
    portcullis.signal("INT");
    assert_eq!(portcullis.end().await.code(), Some(0));
}

#[tokio::test]
async fn the_grace_bounds_how_long_running_requests_may_go_on() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "runtime: {grace: 3s}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    let _hanging = [
        Raw::sent(address, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await,
        Raw::sent(address, "GET /hang-body HTTP/1.1\r\nHost: a\r\n\r\n").await,
    ];
    arrived(&origin, 2).await;
    let mut fine = http1(address).await;
    assert_eq!(fine.get("/").await.status, 200);
    let started = Instant::now();
    portcullis.signal("TERM");
    fine.closed().await;
    assert_eq!(portcullis.end().await.code(), Some(0));
    let took = started.elapsed();
    let cut = "the grace is over; 2 connections are cut";
    portcullis.says(cut).await;
    assert!(took > Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn while_it_stops_it_is_alive_but_not_ready() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let (mut raw, mut other) = (
        Raw::connect(portcullis.listener("http")).await,
        http1(portcullis.listener("http")).await,
    );
    assert_eq!(other.get("/").await.status, 200);
    raw.send("GET /held-body HTTP/1.1\r\nHost: a\r\n\r\n").await;
    raw.until(b"\r\n\r\n").await;
    let hang = Raw::sent(
        portcullis.listener("http"),
        "GET /held HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    let mut hang = hang.await;
    arrived(&origin, 2).await;
    portcullis.signal("TERM");
    eventually("not ready", async || {
        Raw::connect(portcullis.admin())
            .await
            .get("/readyz")
            .await
            .status
            == 503
    })
    .await;
    assert_eq!(
        Raw::connect(portcullis.admin())
            .await
            .get("/livez")
            .await
            .status,
        200
    );
    origin.release();
    let response = hang.last_response().await;
    assert_eq!(
        (response.status, response.text().as_str()),
        (200, "at last\n"),
        "{response:?}"
    );
}
