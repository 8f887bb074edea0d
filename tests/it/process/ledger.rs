//! Can what a ledger says be believed?

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use origin::{RawAnswer, RawOrigin, expected_bytes};
use tokio::net::TcpListener;

use crate::support::*;

#[tokio::test]
async fn beside_a_portcullis_that_is_left_alone_it_is_clean() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let ledger = Ledger::start(portcullis.listener("http"));
    ledger.settled().await;
    let before = ledger.answered();
    eventually("they go on", async || ledger.answered() > before + 200).await;
    let report = ledger.stop().await;
    report.assert_clean();
    assert_eq!(report.websocket_close, Some(1000), "{report}");
    assert!(report.reconnects.is_empty(), "{report}");
    assert_eq!(origin.journal().cancelled(), 0);
    for kind in [Kind::Keepalive, Kind::Fresh, Kind::Http2, Kind::Upload] {
        assert_eq!(report.sent[&kind], report.answered[&kind], "{report}");
    }
}

#[tokio::test]
async fn it_works_over_tls() {
    let (authority, origin) = (Authority::new(), origin().await);
    let listener = "tls: {certificates: [{certificate: a.crt, key: a.key}]}";
    let portcullis = Portcullis::builder(&site(listener, origin.address()))
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    let ledger = Ledger::builder(portcullis.listener("http"))
        .https("a.test", &authority.roots())
        .start();
    ledger.settled().await;
    let report = ledger.stop().await;
    report.assert_clean();
    assert!(report.reconnects.is_empty(), "{report}");
}

#[tokio::test]
async fn when_portcullis_is_killed_every_kind_fails() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let ledger = Ledger::start(portcullis.listener("http"));
    ledger.settled().await;
    assert!(ledger.so_far().failures.is_empty());
    portcullis.signal("KILL");
    portcullis.end().await;
    // Who was in the middle of something says so; the others find the door closed.
    let fails_so = |kind| -> fn(&What) -> bool {
        match kind {
            Kind::WebSocket | Kind::Events => |what| matches!(what, What::CutShort(_)),
            Kind::Upload => |what| matches!(what, What::Unanswered(_)),
            Kind::Keepalive | Kind::Fresh | Kind::Http2 => {
                |what| matches!(what, What::NoConnection(_))
            }
        }
    };
    eventually("every kind has failed in its way", async || {
        let report = ledger.so_far();
        Kind::ALL.into_iter().all(|kind| {
            let mut failures = report.failures_of(kind).into_iter();
            failures.any(|failure| fails_so(kind)(&failure.what))
        })
    })
    .await;
    let report = ledger.stop().await;
    assert!(!is_clean(&report), "{report}");
    assert_eq!(report.websocket_close, None, "{report}");
}

#[tokio::test]
async fn clients_that_did_nothing_prove_nothing() {
    let origin = origin().await;
    let ledger = Ledger::start(origin.address().expect("TCP"));
    let report = ledger.stop().await;
    assert!(report.failures.is_empty() && !is_clean(&report), "{report}");
}

/// Whether the report lets a test pass.
fn is_clean(report: &Report) -> bool {
    std::panic::catch_unwind(|| report.assert_clean()).is_ok()
}

/// What keepalive clients say about an endpoint that answers the request of this head, and of this number, so.
async fn against(answer: fn(&[u8], u64) -> RawAnswer) -> Report {
    let number = AtomicU64::new(0);
    let answer = move |head: &[u8]| answer(head, number.fetch_add(1, Ordering::Relaxed));
    let endpoint = RawOrigin::start(answer).await.expect("an endpoint");
    let ledger = Ledger::builder(endpoint.address())
        .kinds(&[Kind::Keepalive])
        .start();
    eventually("a few requests", async || endpoint.requests() > 20).await;
    ledger.stop().await
}

/// The right answer to a request of a keepalive client, with these field lines.
fn right(head: &[u8], fields: &str) -> RawAnswer {
    let head = String::from_utf8_lossy(head);
    let path = head.split(' ').nth(1).expect("a path");
    let size = path.rsplit('/').next().and_then(|size| size.parse().ok());
    let body = expected_bytes(size.expect("a size"));
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{fields}\r\n",
        body.len()
    );
    RawAnswer::new().send(head).send(body)
}

#[tokio::test]
async fn a_connection_that_is_closed_between_requests_is_replaced() {
    let closed: [fn(&[u8], u64) -> RawAnswer; 2] = [
        |head, number| match number % 3 {
            2 => right(head, "").close(),
            _ => right(head, ""),
        },
        |head, _| right(head, "connection: close\r\n"),
    ];
    for answer in closed {
        let report = against(answer).await;
        report.assert_clean();
        assert!(report.reconnects[&Kind::Keepalive] > 3, "{report}");
    }
}

#[tokio::test]
async fn whatever_else_goes_wrong_on_a_connection_is_a_failure() {
    const SHORT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n0123";
    const WRONG: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n012";
    const SORRY: &str = "HTTP/1.1 503 Sorry\r\ncontent-length: 0\r\n\r\n";
    const UNASKED: &str = "HTTP/1.1 408 Late\r\ncontent-length: 0\r\n\r\n";
    type Case = (fn(&[u8], u64) -> RawAnswer, fn(&What) -> bool);
    let cases: [Case; 6] = [
        // The first requests go well, so that the connections are ones to be used again.
        (
            |head, number| match number {
                0..3 => right(head, ""),
                _ => RawAnswer::new().close(),
            },
            |what| matches!(what, What::Unanswered(_)),
        ),
        (
            |_, _| RawAnswer::new().reset(),
            |what| matches!(what, What::Unanswered(_)),
        ),
        (
            |_, _| RawAnswer::new().send(SHORT).close(),
            |what| matches!(what, What::CutShort(_)),
        ),
        (
            |_, _| RawAnswer::new().send(WRONG),
            |what| matches!(what, What::Wrong(_)),
        ),
        (
            |_, _| RawAnswer::new().send(SORRY),
            |what| matches!(what, What::Wrong(why) if why.contains("503")),
        ),
        (
            |head, _| {
                right(head, "")
                    .pause(Duration::from_micros(500))
                    .send(UNASKED)
            },
            |what| matches!(what, What::Ended(_)),
        ),
    ];
    for (answer, said) in cases {
        let report = against(answer).await;
        let failures = report.failures_of(Kind::Keepalive);
        assert!(
            failures.len() > 3 && failures.iter().all(|failure| said(&failure.what)),
            "{report}"
        );
    }
}

#[tokio::test]
async fn after_goaway_streams_end_well_and_the_next_ones_go_elsewhere() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let ledger = Ledger::builder(portcullis.listener("http"))
        .kinds(&[Kind::Http2])
        .start();
    ledger.settled().await;
    portcullis.signal("TERM");
    eventually("both connections are replaced", async || {
        let report = ledger.so_far();
        let reconnects = report.reconnects.get(&Kind::Http2);
        // One that is told before the doors close may come in once more.
        reconnects.is_some_and(|count| *count >= 2) && !report.failures.is_empty()
    })
    .await;
    assert_eq!(portcullis.end().await.code(), Some(0));
    let report = ledger.stop().await;
    // There is no elsewhere here, and that is all that fails.
    let mut failures = report.failures.iter();
    assert!(
        failures.all(|failure| matches!(failure.what, What::NoConnection(_))),
        "{report}"
    );
    assert_eq!(origin.journal().cancelled(), 0);
}

#[tokio::test]
async fn a_refused_stream_is_a_failure_of_its_own() {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                while let Some(Ok((_, mut answer))) = connection.accept().await {
                    answer.send_reset(h2::Reason::REFUSED_STREAM);
                }
            });
        }
    });
    let ledger = Ledger::builder(address).kinds(&[Kind::Http2]).start();
    eventually("failures", async || ledger.so_far().failures.len() > 5).await;
    let report = ledger.stop().await;
    let mut failures = report.failures.iter();
    assert!(
        failures.all(|failure| matches!(failure.what, What::RefusedStream(_))),
        "{report}"
    );
    assert_eq!(report.answered[&Kind::Http2], 0);
}
