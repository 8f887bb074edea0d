//! When is a request sent again, without the client noticing?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use origin::{RawAnswer, RawOrigin};

use crate::support::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An endpoint that closes a connection when its second request has come: what an idle connection does that is closed
/// while a request is on its way. The first request of a connection is always answered.
async fn forgetful() -> RawOrigin {
    let requests = Arc::new(AtomicU64::new(0));
    let origin = RawOrigin::start(move |_| match requests.fetch_add(1, Ordering::Relaxed) {
        1 => RawAnswer::new().close(),
        _ => RawAnswer::new().send(OK),
    });
    origin.await.expect("an origin")
}

#[tokio::test]
async fn a_stale_connection_is_not_noticed_by_a_request_that_may_be_repeated() {
    both_carriers(async |carrier| {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
            let origin = forgetful().await;
            let portcullis = Portcullis::builder(&site("", Some(origin.address())))
                .carrier(carrier)
                .start()
                .await;
            let mut client = http1(portcullis.listener("http")).await;
            assert_eq!(client.get("/first").await.status, 200);
            let answer = client
                .ask(
                    request(method, "/second")
                        .body(full(""))
                        .expect("a request"),
                )
                .await;
            assert_eq!(answer.status, 200, "{method}: {answer:?}");
            assert_eq!(
                (origin.connections(), origin.requests()),
                (2, 3),
                "{method}"
            );
            let line = portcullis.logged(|line| line["target"] == "/second").await;
            assert_eq!(
                (line.get("reason"), &line["status"]),
                (None, &200.into()),
                "{line}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn rfc9110_9_2_2_a_post_is_never_sent_again() {
    for carrier in [Carrier::Direct, Carrier::Duplex] {
        let origin = forgetful().await;
        let portcullis = Portcullis::builder(&site("", Some(origin.address())))
            .carrier(carrier)
            .start()
            .await;
        let mut client = http1(portcullis.listener("http")).await;
        assert_eq!(client.get("/first").await.status, 200);
        let answer = client
            .ask(
                request("POST", "/second")
                    .body(full(""))
                    .expect("a request"),
            )
            .await;
        assert_eq!(answer.status, 502, "{carrier}: {answer:?}");
        assert_eq!(origin.requests(), 2, "{carrier}");
        let line = portcullis.logged(|line| line["target"] == "/second").await;
        assert_eq!(
            (&line["reason"], &line["attempts"]),
            (&"upstream_reset".into(), &1.into()),
            "{line}"
        );
    }
}

#[tokio::test]
async fn without_retries_a_request_on_a_new_connection_is_not_repeated() {
    both_carriers(async |carrier| {
        let origin = RawOrigin::start(|_| RawAnswer::new().close())
            .await
            .expect("an origin");
        let yaml = site("", Some(origin.address())).replace("\"]}]", "\"], retries: {limit: 0}}]");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        assert_eq!(
            http1(portcullis.listener("http"))
                .await
                .get("/")
                .await
                .status,
            502
        );
        assert_eq!(origin.requests(), 1);
    })
    .await;
}

#[tokio::test]
async fn connections_are_used_again_and_closed_ones_are_not() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        let mut client = http1(portcullis.listener("http")).await;
        for path in [
            "/echo",
            "/bytes/100k",
            "/chunked/100k",
            "/status/204",
            "/status/304",
            "/status/500",
        ] {
            client.get(path).await;
        }
        assert_eq!(origin.journal().connections(), 1);
        assert_eq!(
            portcullis
                .metric("portcullis_upstream_connections_total")
                .await,
            6.0
        );

        let closing = RawOrigin::start(|_| {
            RawAnswer::new()
                .send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
        });
        let closing = closing.await.expect("an origin");
        let portcullis = Portcullis::builder(&site("", Some(closing.address())))
            .carrier(carrier)
            .start()
            .await;
        let mut client = http1(portcullis.listener("http")).await;
        for _ in 0..3 {
            assert_eq!(client.get("/").await.status, 200);
        }
        assert_eq!(closing.connections(), 3);

        let yaml = site("", origin.address()).replace("\"]}]", "\"], keepalive: {idle: 0s}}]");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let before = origin.journal().connections();
        let mut client = http1(portcullis.listener("http")).await;
        for _ in 0..3 {
            assert_eq!(client.get("/").await.status, 200);
        }
        assert_eq!(origin.journal().connections(), before + 3);
    })
    .await;
}
