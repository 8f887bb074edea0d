//! Is every header that two parsers could read differently refused?

use super::*;

const LIMITS: HeadLimits = HeadLimits {
    header: 1024,
    fields: 8,
    uri: 128,
};

fn find_all(bytes: &[u8]) -> Result<Found, Reason> {
    find(bytes, 0, &LIMITS, true)
}

fn body(head: &str) -> Result<Expect, Reason> {
    match find_all(head.as_bytes())? {
        Found::Head(head) => Ok(head.body),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_header_is_found_with_its_length_and_what_follows() {
    let bytes = b"\r\nGET /a?b HTTP/1.1\r\nHost: a\r\n\r\nrest";
    let head = Head {
        skip: 2,
        length: bytes.len() - 6,
        body: Expect::Nothing,
    };
    assert_eq!(find_all(bytes), Ok(Found::Head(head)));
    assert_eq!(
        body("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"),
        Ok(Expect::Body(5))
    );
    assert_eq!(
        body("POST / HTTP/1.1\r\nHost: a\r\ncontent-length:  5 \r\nContent-Length: 5\r\n\r\n"),
        Ok(Expect::Body(5))
    );
    assert_eq!(
        body("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"),
        Ok(Expect::Chunked(Chunks::new()))
    );
    assert_eq!(body("GET / HTTP/1.0\r\n\r\n"), Ok(Expect::Nothing));
}

#[test]
fn an_upgrade_gives_the_connection_away() {
    assert_eq!(
        body(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\n"
        ),
        Ok(Expect::Stream)
    );
}

#[test]
fn rfc9112_what_can_be_read_in_two_ways_is_refused() {
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\t HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    ] {
        assert_eq!(
            find_all(head.as_bytes()),
            Err(Reason::BadRequest),
            "{head:?}"
        );
    }
    assert_eq!(
        body("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
        Err(Reason::MethodNotAllowed)
    );
}

#[test]
fn what_is_too_large_is_told_apart() {
    let target = "x".repeat(129);
    assert_eq!(
        body(&format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n")),
        Err(Reason::UriTooLong)
    );
    let endless = "x".repeat(2000);
    assert_eq!(
        find_all(format!("GET /{endless}").as_bytes()),
        Err(Reason::UriTooLong)
    );
    assert_eq!(
        find_all(format!("GET / HTTP/1.1\r\nX: {endless}").as_bytes()),
        Err(Reason::HeaderTooLarge)
    );
    let fields = "X: y\r\n".repeat(8);
    assert_eq!(
        body(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")),
        Err(Reason::HeaderTooLarge)
    );
}

#[test]
fn rfc9113_3_4_the_preface_is_known_byte_by_byte_and_only_where_http2_is_spoken() {
    for length in 1..HTTP2_PREFACE.len() {
        assert_eq!(find_all(&HTTP2_PREFACE[..length]), Ok(Found::More));
    }
    assert_eq!(find_all(HTTP2_PREFACE), Ok(Found::Http2));
    assert_eq!(
        find(HTTP2_PREFACE, 0, &LIMITS, false),
        Err(Reason::BadRequest)
    );
}

#[test]
fn bare_line_feeds_are_refused_before_the_deadline() {
    assert_eq!(
        find_all(b"GET / HTTP/1.1\nHost: a\n\n"),
        Err(Reason::BadRequest)
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = find_all(&bytes);
    }

    #[test]
    fn the_answer_does_not_depend_on_how_the_bytes_were_cut(
        cut in 1usize..60,
        value in "[ -~\r\n]{0,40}",
    ) {
        let bytes = format!("POST /x HTTP/1.1\r\nHost: a\r\nX: {value}\r\nContent-Length: 3\r\n\r\nabc").into_bytes();
        let cut = cut.min(bytes.len());
        let whole = find_all(&bytes);
        match find_all(&bytes[..cut]) {
            Ok(Found::More) => proptest::prop_assert_eq!(find(&bytes, cut, &LIMITS, true), whole),
            early => proptest::prop_assert_eq!(early.is_err(), whole.is_err()),
        }
    }
}
