//! Do broken answers break where they should?

use origin::expected_bytes;
use tokio::io::AsyncReadExt;

use crate::client::{SOON, collect, exchange, get, http2, origin, request, send_raw};

fn get_raw(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

#[tokio::test]
async fn close_sends_nothing_and_closes() {
    let (origin, address) = origin().await;
    assert_eq!(exchange(address, &get_raw("/close")).await, b"");
    assert_eq!(origin.journal().cancelled(), 0);
    assert_eq!(origin.journal().in_flight(), 0);
}

#[tokio::test]
async fn garbage_is_sent_as_it_is_and_closes() {
    let (_origin, address) = origin().await;
    let answer = exchange(address, &get_raw("/garbage")).await;
    assert!(answer.starts_with(b"\0\xff"), "{answer:?}");
}

#[tokio::test]
async fn close_mid_promises_twice_what_it_sends() {
    let (origin, address) = origin().await;
    // The larger one is more than hyper and the socket buffers hold.
    for length in [5_usize, 20_000_000] {
        let answer = exchange(address, &get_raw(&format!("/close-mid/{length}"))).await;
        let head_ends = answer
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("a head")
            + 4;
        let head = String::from_utf8_lossy(&answer[..head_ends]);
        let promised = format!("content-length: {}\r\n", length * 2);
        assert!(head.contains(&promised), "{head}");
        assert!(answer[head_ends..] == expected_bytes(length));
    }
    assert_eq!(origin.journal().cancelled(), 0);
    assert_eq!(origin.journal().in_flight(), 0);
    assert_eq!(get(address, "/close-mid/0").await.status, 400);
}

#[tokio::test]
async fn close_mid_chunked_leaves_the_last_chunk_out() {
    let (_origin, address) = origin().await;
    let answer = exchange(address, &get_raw("/close-mid-chunked/5")).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("transfer-encoding: chunked"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n5\r\n01234\r\n"), "{answer}");
}

#[tokio::test]
async fn a_request_body_does_not_turn_the_close_into_a_reset() {
    let (origin, address) = origin().await;
    let body = "x".repeat(100_000);
    let head = "POST /close HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n";
    assert_eq!(exchange(address, &format!("{head}{body}")).await, b"");
    assert_eq!(origin.journal().bytes_received(), 100_000);
}

#[tokio::test]
async fn over_http2_only_the_stream_breaks() {
    let (origin, address) = origin().await;
    let mut sender = http2(address).await;
    for path in ["/close", "/garbage"] {
        let answer = sender.send_request(request("GET", path, "")).await;
        answer.expect_err("a reset stream");
    }
    for path in ["/close-mid/5", "/close-mid-chunked/5"] {
        let answer = sender.send_request(request("GET", path, "")).await;
        let answer = collect(answer.expect("a head")).await;
        assert!(answer.is_err(), "{path}");
    }
    let answer = sender.send_request(request("GET", "/", "")).await;
    assert_eq!(answer.expect("a response").status(), 200);
    assert_eq!(origin.journal().connections(), 1);
    assert_eq!(origin.journal().cancelled(), 0);
}

#[tokio::test]
async fn stopping_breaks_answers_off_and_counts_them_as_cancelled() {
    let (origin, address) = origin().await;
    let journal = origin.journal().clone();
    let mut stream = send_raw(address, &get_raw("/hang")).await;
    assert!(journal.becomes(SOON, |j| j.in_flight() == 1).await);
    origin.stop().await;
    assert_eq!(stream.read(&mut [0]).await.expect("closed"), 0);
    assert_eq!((journal.in_flight(), journal.cancelled()), (0, 1));
    assert_eq!(journal.open_connections(), 0);
}
