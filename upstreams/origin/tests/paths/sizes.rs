//! Do sized answers have their size, and wait for a slow reader?

use origin::expected_bytes;

use crate::client::{A_MOMENT, SOON, ask2, collect, get, http1, http2, origin, request};

#[tokio::test]
async fn bodies_have_the_asked_for_bytes_with_and_without_length() {
    let (origin, address) = origin().await;
    for (size, length) in [("0", 0), ("1", 1), ("65537", 65_537), ("3m", 3 << 20)] {
        let reply = get(address, &format!("/bytes/{size}")).await;
        assert_eq!(reply.field("content-length"), length.to_string());
        assert!(reply.body == expected_bytes(length), "{size}");
        let reply = get(address, &format!("/chunked/{size}")).await;
        let framing = if length == 0 { "" } else { "chunked" };
        assert_eq!(reply.field("transfer-encoding"), framing);
        assert!(reply.body == expected_bytes(length), "{size}");
        let reply = ask2(address, "GET", &format!("/bytes/{size}"), b"").await;
        // Without a body the header ends the stream, which says it all.
        let announced = if length == 0 {
            String::new()
        } else {
            length.to_string()
        };
        assert_eq!(reply.field("content-length"), announced);
        assert!(reply.body == expected_bytes(length), "{size}");
    }
    assert_eq!(origin.journal().in_flight(), 0);
    assert_eq!(origin.journal().cancelled(), 0);
}

#[tokio::test]
async fn a_head_request_is_told_the_length_and_completes() {
    let (origin, address) = origin().await;
    let mut one = http1(address).await;
    let mut two = http2(address).await;
    for _ in 0..2 {
        let head = || request("HEAD", "/bytes/1k", "");
        let replies = [
            one.send_request(head()).await,
            two.send_request(head()).await,
        ];
        for reply in replies {
            let reply = collect(reply.expect("a response")).await.expect("complete");
            assert_eq!(reply.field("content-length"), "1024");
            assert!(reply.body.is_empty());
        }
    }
    let journal = origin.journal();
    assert!(journal.becomes(SOON, |j| j.in_flight() == 0).await);
    assert_eq!((journal.cancelled(), journal.connections()), (0, 2));
}

#[tokio::test]
async fn a_large_body_waits_for_its_reader_and_is_cancelled_with_it() {
    let (origin, address) = origin().await;
    let mut sender = http1(address).await;
    let response = sender.send_request(request("GET", "/bytes/100g", "")).await;
    tokio::time::sleep(A_MOMENT).await;
    assert_eq!(origin.journal().in_flight(), 1);
    drop((response, sender));
    let cancelled = origin.journal().becomes(SOON, |j| j.cancelled() == 1);
    assert!(cancelled.await);
}

#[tokio::test]
async fn a_size_that_cannot_be_read_is_answered_with_400() {
    let (_origin, address) = origin().await;
    for path in ["/bytes", "/bytes/x", "/chunked/-1", "/bytes/99999999999g"] {
        assert_eq!(get(address, path).await.status, 400, "{path}");
    }
}
