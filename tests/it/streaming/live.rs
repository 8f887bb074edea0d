//! Does each piece of a body go on as soon as it is there?

use bytes::Bytes;

use super::pieces::{Stage, growing, next_piece};
use crate::support::*;

#[tokio::test]
async fn each_server_sent_event_arrives_before_the_next_is_sent() {
    both_carriers(async |carrier| {
        let stage = Stage::new().await;
        let portcullis = Portcullis::builder(&site("", stage.address())).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let asked = request("GET", "/events").header("accept", "text/event-stream").body(full(""));
            let (response, mut endpoint) = tokio::join!(client.send(asked.expect("a request")), async {
                let (mut endpoint, _) = stage.request().await;
                // The header alone: the client must get it although no byte of the body is there.
                endpoint
                    .send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                    .await;
                endpoint
            });
            let mut body = response.expect("a header").into_body();
            for number in 0..5 {
                let event = format!("data: {number}\n\n");
                endpoint.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
                assert_eq!(next_piece(&mut body).await, event);
            }
            endpoint.send("0\r\n\r\n").await;
            assert_eq!(next_piece(&mut body).await, "");
        }
    })
    .await;
}

#[tokio::test]
async fn events_of_an_origin_that_never_ends_arrive_too() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        let mut client = http2(portcullis.listener("http")).await;
        let asked = request("GET", "/sse?ms=1")
            .body(full(""))
            .expect("a request");
        let mut body = client.send(asked).await.expect("a header").into_body();
        let mut text = Vec::new();
        while !text.ends_with(b"data: event 20\n\n") {
            text.extend_from_slice(&next_piece(&mut body).await);
        }
        assert!(text.starts_with(b"id: 0\ndata: event 0\n\nid: 1\n"));
    })
    .await;
}

#[tokio::test]
async fn each_piece_of_an_upload_arrives_before_the_next_is_sent() {
    let stage = Stage::new().await;
    let portcullis = Portcullis::start(&site("", stage.address())).await;
    let address = portcullis.listener("http");
    for mut client in [http1(address).await, http2(address).await] {
        let (sender, body) = growing();
        let asked = request("POST", "/").body(body).expect("a request");
        let (response, ()) = tokio::join!(client.send(asked), async {
            let (mut endpoint, head) = stage.request().await;
            assert!(
                head.contains("\r\ntransfer-encoding: chunked\r\n"),
                "{head}"
            );
            for number in 0..5 {
                let piece = format!("piece {number}");
                sender
                    .send(Bytes::from(piece.clone()))
                    .await
                    .expect("taken");
                assert_eq!(
                    endpoint.until(b"\r\n").await,
                    format!("{:x}\r\n", piece.len())
                        .to_ascii_uppercase()
                        .as_bytes()
                );
                assert_eq!(
                    endpoint.until(b"\r\n").await,
                    format!("{piece}\r\n").as_bytes()
                );
            }
            drop(sender);
            assert_eq!(endpoint.until(b"\r\n\r\n").await, b"0\r\n\r\n");
            endpoint
                .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await;
        });
        assert_eq!(response.expect("a response").status(), 200);
    }
}

#[tokio::test]
async fn an_answer_may_begin_and_go_on_before_the_request_has_ended() {
    let stage = Stage::new().await;
    let portcullis = Portcullis::start(&site("", stage.address())).await;
    let address = portcullis.listener("http");
    for mut client in [http1(address).await, http2(address).await] {
        let (sender, body) = growing();
        sender
            .send(Bytes::from_static(b"first"))
            .await
            .expect("taken");
        let asked = request("POST", "/").body(body).expect("a request");
        let (response, mut endpoint) = tokio::join!(client.send(asked), async {
            let (mut endpoint, _) = stage.request().await;
            assert_eq!(endpoint.exactly(10).await, b"5\r\nfirst\r\n");
            endpoint
                .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
                .await;
            endpoint
        });
        let mut body = response.expect("a header").into_body();
        assert_eq!(next_piece(&mut body).await, "one");
        sender
            .send(Bytes::from_static(b"second"))
            .await
            .expect("taken");
        assert_eq!(endpoint.exactly(11).await, b"6\r\nsecond\r\n");
        endpoint.send("3\r\ntwo\r\n").await;
        assert_eq!(next_piece(&mut body).await, "two");
        drop(sender);
        assert_eq!(endpoint.exactly(5).await, b"0\r\n\r\n");
        endpoint.send("0\r\n\r\n").await;
        assert_eq!(next_piece(&mut body).await, "");
    }
}

#[tokio::test]
async fn rfc9110_10_1_1_the_client_is_told_to_go_on_when_the_endpoint_wants_the_body() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    let header = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
    };
    raw.send(header("/expect")).await;
    assert_eq!(raw.response().await.status, 100);
    raw.send("hello").await;
    let response = raw.response().await;
    assert_eq!(
        (response.status, &response.json()["bytes"]),
        (200, &5.into())
    );
    // An endpoint that refuses does so before it has seen the body.
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    raw.send(header("/reject-expect")).await;
    let response = raw.response().await;
    assert_eq!(response.status, 417, "no 100 before a refusal");
    assert_eq!(origin.journal().bytes_received(), 5);
}
