//! Which streams of HTTP/2 are malformed?

use crate::support::*;

const METHOD: (&str, &str) = (":method", "POST");
const SCHEME: (&str, &str) = (":scheme", "http");
const AUTHORITY: (&str, &str) = (":authority", "a.test");
const PATH: (&str, &str) = (":path", "/upload");

/// Fields of malformed HTTP/2 requests (RFC 9113 §8.2 and §8.3).
const MALFORMED_STREAMS: &[(&str, &[(&str, &str)])] = &[
    (
        "a name in capitals",
        &[METHOD, SCHEME, AUTHORITY, PATH, ("X-Up", "a")],
    ),
    (
        "a name with a space",
        &[METHOD, SCHEME, AUTHORITY, PATH, ("a b", "a")],
    ),
    (
        "a name with a line end",
        &[METHOD, SCHEME, AUTHORITY, PATH, ("a\r\nb", "a")],
    ),
    (
        "a value with a line end",
        &[METHOD, SCHEME, AUTHORITY, PATH, ("a", "b\r\nc: d")],
    ),
    (
        "a value with a NUL",
        &[METHOD, SCHEME, AUTHORITY, PATH, ("a", "b\0c")],
    ),
    (
        "connection",
        &[METHOD, SCHEME, AUTHORITY, PATH, ("connection", "close")],
    ),
    (
        "keep-alive",
        &[METHOD, SCHEME, AUTHORITY, PATH, ("keep-alive", "1")],
    ),
    (
        "proxy-connection",
        &[
            METHOD,
            SCHEME,
            AUTHORITY,
            PATH,
            ("proxy-connection", "close"),
        ],
    ),
    (
        "transfer-encoding",
        &[
            METHOD,
            SCHEME,
            AUTHORITY,
            PATH,
            ("transfer-encoding", "chunked"),
        ],
    ),
    (
        "upgrade",
        &[METHOD, SCHEME, AUTHORITY, PATH, ("upgrade", "h2c")],
    ),
    (
        "te other than trailers",
        &[METHOD, SCHEME, AUTHORITY, PATH, ("te", "gzip")],
    ),
    ("no path", &[METHOD, SCHEME, AUTHORITY]),
    ("an empty path", &[METHOD, SCHEME, AUTHORITY, (":path", "")]),
    (
        "a path with a space",
        &[METHOD, SCHEME, AUTHORITY, (":path", "/a b")],
    ),
    (
        "a path with a line end",
        &[
            METHOD,
            SCHEME,
            AUTHORITY,
            (":path", "/ HTTP/1.1\r\nHost: b.test\r\n\r\nGET /"),
        ],
    ),
    (
        "a path without its slash",
        &[METHOD, SCHEME, AUTHORITY, (":path", "upload")],
    ),
    ("no method", &[SCHEME, AUTHORITY, PATH]),
    (
        "a method that is no token",
        &[(":method", "GET / HTTP/1.1\r\n"), SCHEME, AUTHORITY, PATH],
    ),
    ("no scheme", &[METHOD, AUTHORITY, PATH]),
    ("no authority", &[METHOD, SCHEME, PATH]),
    ("two paths", &[METHOD, SCHEME, AUTHORITY, PATH, PATH]),
    (
        "a pseudo-field nobody knows",
        &[METHOD, SCHEME, AUTHORITY, PATH, (":protocol-ish", "a")],
    ),
    (
        "a pseudo-field of responses",
        &[METHOD, SCHEME, AUTHORITY, PATH, (":status", "200")],
    ),
    (
        "a pseudo-field after a field",
        &[METHOD, SCHEME, AUTHORITY, ("a", "b"), PATH],
    ),
    (
        "an authority with user information",
        &[METHOD, SCHEME, (":authority", "u@a.test"), PATH],
    ),
    (
        "a host other than the authority",
        &[METHOD, SCHEME, AUTHORITY, PATH, ("host", "b.test")],
    ),
    (
        "two hosts",
        &[METHOD, SCHEME, PATH, ("host", "a.test"), ("host", "b.test")],
    ),
    (
        "two lengths",
        &[
            METHOD,
            SCHEME,
            AUTHORITY,
            PATH,
            ("content-length", "0"),
            ("content-length", "1"),
        ],
    ),
    (
        "a length that is no number",
        &[METHOD, SCHEME, AUTHORITY, PATH, ("content-length", "+0")],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9113_8_1_1_a_malformed_stream_is_refused_and_nothing_reaches_the_origin() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site("", origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut wrong = Vec::new();
        for (what, fields) in MALFORMED_STREAMS {
            let before = origin.journal().connections();
            let mut client = Frames::connect(portcullis.listener("http")).await;
            client.headers(1, fields, true).await;
            let ended = client.ended(1).await;
            let reached = origin.journal().connections() > before;
            if !ended.is_refusal() || reached {
                wrong.push(format!("{what}: {ended:?}, reached the origin: {reached}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9113_8_1_1_a_body_of_another_length_than_announced_never_looks_whole_to_the_origin() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    for (announced, sent) in [
        ("5", &b"hell"[..]),
        ("5", b"hello!"),
        ("5", b""),
        ("0", b"GET /smuggled"),
    ] {
        let mut client = Frames::connect(portcullis.listener("http")).await;
        let fields = [
            METHOD,
            SCHEME,
            AUTHORITY,
            PATH,
            ("content-length", announced),
        ];
        client.headers_and_data(1, &fields, sent).await;
        let ended = client.ended(1).await;
        assert!(
            ended.is_refusal(),
            "{announced} announced, {sent:?} sent: {ended:?}"
        );
    }
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
