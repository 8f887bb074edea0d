//! Which headers of HTTP/1 are refused, and which are only unusual?

use super::SMUGGLED;
use crate::support::*;

/// What is wrong, and the bytes. Lines end with CR LF as written here.
const REFUSED_WITH_400: &[(&str, &[u8])] = &[
    ("RFC 9112 §3.2: no Host", b"GET / HTTP/1.1\r\n\r\n"),
    ("RFC 9112 §3.2: two Hosts", b"GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §3.2: two Hosts that differ", b"GET / HTTP/1.1\r\nHost: a.test\r\nhost: b.test\r\n\r\n"),
    ("RFC 9112 §3.2: a Host that is none", b"GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n"),
    ("a Host with user information", b"GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n"),
    ("a Host that is a list", b"GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n"),
    ("a Host with a port that is none", b"GET / HTTP/1.1\r\nHost: a.test:8x\r\n\r\n"),
    ("RFC 9112 §3.2.2: an absolute target and another Host", b"GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §6.1: Content-Length and Transfer-Encoding", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("RFC 9112 §6.1: the same in the other order", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("RFC 9112 §6.3: two Content-Lengths", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    ("RFC 9112 §6.3: two in one line", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5, 6\r\n\r\nhello!"),
    ("RFC 9110 §8.6: a signed length", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +5\r\n\r\nhello"),
    ("RFC 9110 §8.6: a negative length", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: -5\r\n\r\nhello"),
    ("RFC 9110 §8.6: a hexadecimal length", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0x5\r\n\r\nhello"),
    ("RFC 9110 §8.6: an empty length", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: \r\n\r\nhello"),
    ("RFC 9110 §8.6: a length past 64 bits", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 18446744073709551621\r\n\r\nhello"),
    ("RFC 9112 §6.1: a coding before chunked", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("RFC 9112 §6.1: a coding after chunked", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("RFC 9112 §6.1: chunked twice", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("RFC 9112 §6.1: a coding that is near chunked", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("RFC 9112 §6.1: chunked behind a vertical tab", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    ("RFC 9112 §6.1: an empty coding", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n"),
    ("RFC 9112 §6.1: HTTP/1.0 with Transfer-Encoding", b"POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("RFC 9112 §5.1: white space before the colon", b"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length : 5\r\n\r\nhello"),
    ("RFC 9112 §5.1: a tab before the colon", b"GET / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    ("RFC 9112 §5.2: a folded line", b"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\r\n c\r\n\r\n"),
    ("RFC 9112 §2.2: white space before the first field", b"GET / HTTP/1.1\r\n Host: a.test\r\n\r\n"),
    ("RFC 9112 §2.2: a bare LF", b"GET / HTTP/1.1\r\nHost: a.test\nA: b\r\n\r\n"),
    ("RFC 9112 §2.2: nothing but bare LFs", b"GET / HTTP/1.1\nHost: a.test\n\n"),
    ("RFC 9112 §2.2: a bare CR in a value", b"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\rc\r\n\r\n"),
    ("RFC 9112 §2.2: a bare CR in the target", b"GET /\r HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("RFC 9110 §5.5: a NUL in a value", b"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\0c\r\n\r\n"),
    ("a NUL in a header that is not whole", b"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\0"),
    ("RFC 9110 §5.5: another control character in a value", b"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\x01c\r\n\r\n"),
    ("RFC 9110 §5.1: an empty name", b"GET / HTTP/1.1\r\nHost: a.test\r\n: b\r\n\r\n"),
    ("RFC 9110 §5.1: a line without a colon", b"GET / HTTP/1.1\r\nHost: a.test\r\nabc\r\n\r\n"),
    ("RFC 9110 §5.1: a name beyond ASCII", b"GET / HTTP/1.1\r\nHost: a.test\r\nA\xe9: b\r\n\r\n"),
    ("RFC 9110 §5.1: a name with parentheses", b"GET / HTTP/1.1\r\nHost: a.test\r\nA(b): c\r\n\r\n"),
    ("RFC 9112 §3: two spaces", b"GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §3: a tab for a space", b"GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §3: a space in front", b" GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §3: a space behind", b"GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §3: no version", b"GET /\r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §3: no target", b"GET HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §3: a space in the target", b"GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("RFC 9110 §9.1: a method that is no token", b"G(T / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §2.3: a version in lower case", b"GET / http/1.1\r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §2.3: a version that is not ours", b"GET / HTTP/1.2\r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §2.3: another major version", b"GET / HTTP/3.0\r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §2.3: a version with more digits", b"GET / HTTP/1.10\r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §3.2: a target that is no path", b"GET a HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("RFC 9112 §3.2.4: an asterisk without OPTIONS", b"GET * HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("a target with a fragment", b"GET /a#b HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ("TLS on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_request_gets_400_and_neither_it_nor_what_follows_reaches_the_origin() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site("", origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let (mut wrong, mut before) = (Vec::new(), 0.0);
        for (what, bytes) in REFUSED_WITH_400 {
            let sent = [*bytes, SMUGGLED.as_bytes()].concat();
            let mut raw = Raw::sent(portcullis.listener("http"), sent).await;
            let answer = String::from_utf8_lossy(&raw.rest().await).into_owned();
            let once = answer.matches("HTTP/1.1 ").count() == 1;
            if !answer.starts_with("HTTP/1.1 400 ") || !once {
                wrong.push(format!("{what}: {answer:?}"));
            }
            if !answer.contains("\nbad_request\n") {
                wrong.push(format!("{what}: no reason in {answer:?}"));
            }
            if origin.journal().connections() > 0 {
                wrong.push(format!("{what}: it reached the origin"));
                break;
            }
            let counted = portcullis
                .metric("portcullis_failures_total{reason=\"bad_request\"")
                .await;
            if counted <= before {
                wrong.push(format!("{what}: not counted"));
            }
            before = counted;
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9110_9_3_6_connect_is_not_for_a_gateway() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let connect = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n";
    let mut raw = Raw::sent(portcullis.listener("http"), [connect, SMUGGLED].concat()).await;
    let response = raw.last_response().await;
    assert_eq!((response.status, response.closes()), (405, true));

    let mut client = Frames::connect(portcullis.listener("http")).await;
    client
        .headers(
            1,
            &[(":method", "CONNECT"), (":authority", "a.test:443")],
            false,
        )
        .await;
    assert!(client.ended(1).await.is_refusal());
    assert_eq!(origin.journal().connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_only_unusual_is_served() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    for (what, request) in [
        (
            "RFC 9112 §2.2: an empty line in front",
            "\r\nGET /echo HTTP/1.1\r\nHost: a.test\r\n\r\n",
        ),
        (
            "RFC 9112 §3.2.2: an absolute target",
            "GET http://a.test/echo HTTP/1.1\r\nHost: a.test\r\n\r\n",
        ),
        (
            "RFC 9110 §9.1: a method in lower case",
            "get /echo HTTP/1.1\r\nHost: a.test\r\n\r\n",
        ),
        (
            "RFC 9110 §9.1: a method nobody knows",
            "BREW /echo HTTP/1.1\r\nHost: a.test\r\n\r\n",
        ),
        (
            "RFC 9112 §6.3: the same length twice",
            "POST /echo HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        ),
        (
            "RFC 9112 §6.1: a coding in capitals",
            "POST /echo HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        ),
        (
            "RFC 9112 §7.1: extensions and trailers",
            "POST /echo HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n0\r\nT: u\r\n\r\n",
        ),
    ] {
        let response = Raw::sent(portcullis.listener("http"), request)
            .await
            .response()
            .await;
        assert_eq!(response.status, 200, "{what}: {response:?}");
        let body = response.json()["body"].as_str().expect("text").to_owned();
        assert!(body.is_empty() || body == "ab", "{what}: {body:?}");
    }
    let mut raw = Raw::sent(portcullis.listener("http"), "GET /echo HTTP/1.0\r\n\r\n").await;
    assert_eq!(
        raw.last_response().await.status,
        200,
        "RFC 9112 §3.2: HTTP/1.0 needs no Host"
    );
}
