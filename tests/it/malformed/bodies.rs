//! Does a body that breaks its framing, or ends too early, ever look whole to the origin?

use super::SMUGGLED;
use crate::support::*;

/// Bodies whose framing breaks (RFC 9112 §7.1) after the request's header was fine.
const BROKEN_BODIES: &[(&str, &[u8])] = &[
    ("a size that is no number", b"xyz\r\nabc\r\n0\r\n\r\n"),
    ("an empty size", b"\r\nabc\r\n0\r\n\r\n"),
    ("a negative size", b"-3\r\nabc\r\n0\r\n\r\n"),
    ("a size with a prefix", b"0x3\r\nabc\r\n0\r\n\r\n"),
    ("a size with a space in front", b" 3\r\nabc\r\n0\r\n\r\n"),
    (
        "a size past 64 bits",
        b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    ),
    ("a chunk longer than its size", b"3\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk without its CR LF", b"3\r\nabc0\r\n\r\n"),
    ("a size behind a bare LF", b"3\nabc\r\n0\r\n\r\n"),
    ("a chunk behind a bare LF", b"3\r\nabc\n0\r\n\r\n"),
    ("an extension with a bare LF", b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    ("an extension with a bare CR", b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_chunked_body_gets_400_and_never_looks_whole_to_the_origin() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut wrong = Vec::new();
    for (what, body) in BROKEN_BODIES {
        let head = b"POST /upload HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        let sent = [&head[..], body, SMUGGLED.as_bytes()].concat();
        let mut raw = Raw::sent(portcullis.listener("http"), sent).await;
        let answer = String::from_utf8_lossy(&raw.rest().await).into_owned();
        let once = answer.matches("HTTP/1.1 ").count() == 1;
        if !answer.starts_with("HTTP/1.1 400 ") || !once {
            wrong.push(format!("{what}: {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let journal = origin.journal();
    assert!(
        journal
            .becomes(PATIENCE, |journal| journal.in_flight() == 0)
            .await
    );
    assert_eq!(
        journal.cancelled(),
        journal.requests(),
        "one looked whole to the origin"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_ends_in_the_middle_never_looks_whole_to_the_origin() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    for cut in [
        "Content-Length: 10\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let request = format!("POST /upload HTTP/1.1\r\nHost: a.test\r\n{cut}");
        let mut raw = Raw::sent(portcullis.listener("http"), request).await;
        raw.finish_sending().await;
        let answer = String::from_utf8_lossy(&raw.rest().await).into_owned();
        assert!(!answer.starts_with("HTTP/1.1 2"), "{cut:?}: {answer:?}");
    }
    // And one that ends before its header does is no request at all.
    let mut raw = Raw::sent(portcullis.listener("http"), "GET / HTTP/1.1\r\nHost: a.t").await;
    raw.finish_sending().await;
    assert!(raw.rest().await.is_empty());
    let journal = origin.journal();
    assert!(
        journal
            .becomes(PATIENCE, |journal| journal.in_flight() == 0)
            .await
    );
    assert_eq!(
        journal.cancelled(),
        journal.requests(),
        "one looked whole to the origin"
    );
}
