//! Is every message framed so that its receiver knows where it ends?

use origin::{RawAnswer, RawOrigin};

use crate::support::*;

/// An endpoint that gives these bytes for an answer and closes if it has to.
async fn answering(bytes: &'static str, close: bool) -> RawOrigin {
    let origin = RawOrigin::start(move |_| {
        let answer = RawAnswer::new().send(bytes);
        if close { answer.close() } else { answer }
    });
    origin.await.expect("an origin")
}

#[tokio::test]
async fn rfc9112_6_3_head_204_and_304_have_no_body_whatever_their_fields_say() {
    both_carriers(async |carrier| {
        for (method, answer, status, length) in [
            (
                "HEAD",
                "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n",
                200,
                Some("1000"),
            ),
            (
                "HEAD",
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                200,
                None,
            ),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, None),
            (
                "GET",
                "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n",
                304,
                None,
            ),
            (
                "GET",
                "HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\n\r\n",
                304,
                Some("1000"),
            ),
        ] {
            let origin = answering(answer, false).await;
            let portcullis = Portcullis::builder(&site("", Some(origin.address())))
                .carrier(carrier)
                .start()
                .await;
            let address = portcullis.listener("http");
            let mut raw = Raw::connect(address).await;
            for _ in 0..2 {
                raw.send(format!("{method} / HTTP/1.1\r\nHost: a.test\r\n\r\n"))
                    .await;
                let response = raw.response_to_head().await;
                assert_eq!(
                    (response.status, response.closes()),
                    (status, false),
                    "{answer:?}: {response:?}"
                );
                assert_eq!(response.header("content-length"), length, "{answer:?}");
                assert!(
                    status == 200 || response.header("transfer-encoding").is_none(),
                    "{response:?}"
                );
            }
            let mut client = http2(address).await;
            for _ in 0..2 {
                let asked = request(method, "/").body(full("")).expect("a request");
                let answer = client.ask(asked).await;
                assert_eq!(
                    (answer.status.as_u16(), answer.body.len()),
                    (status, 0),
                    "{answer:?}"
                );
            }
            assert_eq!(origin.requests(), 4, "{answer:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn rfc9112_6_3_a_body_that_ends_with_the_endpoints_connection_ends_properly_for_the_client() {
    both_carriers(async |carrier| {
        for answer in [
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end",
            "HTTP/1.0 200 OK\r\n\r\nto the end",
            "HTTP/1.0 200 OK\r\ncontent-length: 10\r\n\r\nto the end",
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nto the end",
        ] {
            let origin = answering(answer, true).await;
            let portcullis = Portcullis::builder(&site("", Some(origin.address())))
                .carrier(carrier)
                .start()
                .await;
            let address = portcullis.listener("http");
            let mut raw = Raw::connect(address).await;
            for number in 1..=2 {
                let response = raw.get("/").await;
                assert_eq!(
                    (response.status, response.text()),
                    (200, "to the end".to_owned()),
                    "{answer:?}"
                );
                assert_eq!(
                    (response.version.as_str(), response.closes()),
                    ("HTTP/1.1", false),
                    "{response:?}"
                );
                assert_eq!(origin.connections(), number);
            }
            let answer = http2(address).await.get("/").await;
            assert_eq!(
                (answer.status.as_u16(), answer.text()),
                (200, "to the end".to_owned())
            );
        }
    })
    .await;
}

#[tokio::test]
async fn rfc9112_9_3_a_client_of_http10_gets_what_it_can_read() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        for path in ["/chunked/100k", "/bytes/100k"] {
            let mut raw = Raw::sent(address, format!("GET {path} HTTP/1.0\r\n\r\n")).await;
            let response = raw.last_response().await;
            assert_eq!(response.status, 200);
            assert_eq!(response.header("transfer-encoding"), None, "{path}");
            assert_eq!(response.body, origin::expected_bytes(100 << 10), "{path}");
        }
        // Such a body says nothing of its end, so the connection can't be kept whatever the client asks for.
        let mut raw = Raw::sent(
            address,
            "GET /chunked/10 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        )
        .await;
        assert_eq!(raw.last_response().await.body.len(), 10);
        let mut raw = Raw::connect(address).await;
        for _ in 0..2 {
            raw.send("GET /bytes/3 HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n")
                .await;
            let response = raw.response().await;
            assert_eq!(
                (response.status, response.body.len(), response.closes()),
                (200, 3, false),
                "{response:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn rfc9110_15_2_interim_answers_go_to_clients_of_http11_and_not_to_those_of_http10() {
    both_carriers(async |carrier| {
        let bytes = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nconnection: x-y\r\nx-y: z\r\n\r\n\
                     HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let origin = answering(bytes, false).await;
        let portcullis = Portcullis::builder(&site("", Some(origin.address())))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let mut raw = Raw::connect(address).await;
        for _ in 0..2 {
            let interim = raw.get("/").await;
            assert_eq!(
                (interim.status, interim.header("link")),
                (103, Some("</a>"))
            );
            assert_eq!(
                (interim.header("x-y"), interim.header("content-length")),
                (None, None),
                "{interim:?}"
            );
            assert_eq!(raw.response().await.text(), "ok");
        }
        // RFC 9110 §15.2: a client of HTTP/1.0 would not understand them.
        let old = Raw::sent(address, "GET / HTTP/1.0\r\n\r\n")
            .await
            .last_response()
            .await;
        assert_eq!((old.status, old.text()), (200, "ok".to_owned()));
        assert_eq!(http2(address).await.get("/").await.text(), "ok");
    })
    .await;
}

#[tokio::test]
async fn a_switch_of_protocols_nobody_asked_for_is_a_bad_response() {
    both_carriers(async |carrier| {
        let origin = answering(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nfree",
            false,
        )
        .await;
        let portcullis = Portcullis::builder(&site("", Some(origin.address())))
            .carrier(carrier)
            .start()
            .await;
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        let response = raw.get("/").await;
        assert_eq!(response.status, 502, "{response:?}");
        let line = portcullis.logged(|line| line["target"] == "/").await;
        assert_eq!(line["reason"], "upstream_bad_response", "{line}");
    })
    .await;
}

#[tokio::test]
async fn a_chunked_request_is_still_whole_at_the_endpoint() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let address = portcullis.listener("http");
    let mut raw = Raw::connect(address).await;
    for _ in 0..2 {
        raw.send("POST /echo HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n").await;
        raw.send("6\r\n world\r\n0\r\n\r\n").await;
        let echo = raw.response().await.json();
        assert_eq!(
            (&echo["body"], &echo["body_bytes"]),
            (&"hello world".into(), &11.into())
        );
    }
    assert_eq!(
        http2(address).await.post("/echo", "hello").await.json()["body"],
        "hello"
    );
    assert_eq!(
        http1(address).await.post("/echo", "").await.json()["body_bytes"],
        0
    );
}
