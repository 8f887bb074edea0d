//! How long may a client take, and what happens to those that take longer?

use std::time::{Duration, Instant};

use rustls::ALL_VERSIONS;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::support::*;

/// Between two bytes of a client that is slow on purpose.
const DRIP: Duration = Duration::from_millis(50);

/// One that waits so long for a body of which nothing comes, at whatever rate it came before.
async fn silent(body: &str, origin: &origin::Origin) -> Portcullis {
    let any_rate = format!("timeouts: {{body: {body}}}, limits: {{min_body_rate: 0}}");
    Portcullis::start(&site(&any_rate, origin.address())).await
}

async fn limited(timeouts: &str, origin: &origin::Origin) -> Portcullis {
    Portcullis::start(&site(
        &format!("timeouts: {{{timeouts}}}"),
        origin.address(),
    ))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_nothing_is_closed_without_a_word() {
    let origin = origin().await;
    let portcullis = limited("first_byte: 300ms", &origin).await;
    let started = Instant::now();
    assert!(
        Raw::connect(portcullis.listener("http"))
            .await
            .rest()
            .await
            .is_empty()
    );
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_is_not_whole_in_time_gets_408_however_busily_it_drips() {
    let origin = origin().await;
    let portcullis = limited("header: 400ms", &origin).await;
    let mut stalled = Raw::sent(portcullis.listener("http"), "GET / HTTP/1.1\r\nHost: a").await;
    let response = stalled.last_response().await;
    assert_eq!((response.status, response.closes()), (408, true));
    let line = portcullis
        .logged(|line| line["reason"] == "header_timeout")
        .await;
    assert_eq!(line["status"], 408);

    let mut dripping = Raw::sent(portcullis.listener("http"), "GET / HTTP/1.1\r\nA: ").await;
    let started = Instant::now();
    while dripping.try_send("a").await.is_ok() && started.elapsed() < PATIENCE {
        sleep(DRIP).await;
    }
    assert!(
        started.elapsed() < PATIENCE,
        "a dripping client is never cut off"
    );
    assert_eq!(origin.journal().connections(), 0);
    assert_eq!(
        portcullis
            .metric("portcullis_failures_total{reason=\"header_timeout\"")
            .await,
        2.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_header_of_a_later_request_has_the_same_deadline() {
    let origin = origin().await;
    let portcullis = limited("header: 300ms, idle: 60s", &origin).await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    assert_eq!(raw.get("/bytes/1").await.status, 200);
    raw.send("GET /bytes/2 HT").await;
    assert_eq!(raw.last_response().await.status, 408);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stalls_gets_408_and_never_looks_whole_to_the_origin() {
    let origin = origin().await;
    let portcullis = silent("300ms", &origin).await;
    for body in [
        "Content-Length: 10\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    ] {
        let before = (origin.journal().cancelled(), portcullis.access_log().len());
        let request = format!("POST /upload HTTP/1.1\r\nHost: a.test\r\n{body}");
        let mut raw = Raw::sent(portcullis.listener("http"), request).await;
        let response = raw.last_response().await;
        assert_eq!(
            (response.status, response.closes()),
            (408, true),
            "{body:?}"
        );
        let journal = origin.journal();
        assert!(
            journal
                .becomes(PATIENCE, |journal| journal.cancelled() == before.0 + 1)
                .await
        );
        assert_eq!(journal.in_flight(), 0);
        eventually("a line", async || portcullis.access_log().len() > before.1).await;
        let line = portcullis.access_log().pop().expect("a line");
        assert_eq!(
            (&line["status"], &line["reason"]),
            (&408.into(), &"body_timeout".into())
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_which_nothing_comes_gets_408() {
    let origin = origin().await;
    let portcullis = limited("body: 300ms", &origin).await;
    let request = "POST /upload HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n";
    let mut raw = Raw::sent(portcullis.listener("http"), request).await;
    assert_eq!(raw.last_response().await.status, 408);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_may_take_long_as_long_as_it_moves() {
    let origin = origin().await;
    let portcullis = silent("2s", &origin).await;
    let request = "POST /upload HTTP/1.1\r\nHost: a.test\r\nContent-Length: 20\r\n\r\n";
    let mut raw = Raw::sent(portcullis.listener("http"), request).await;
    for _ in 0..20 {
        raw.send("a").await;
        sleep(3 * DRIP).await;
    }
    assert_eq!(raw.response().await.json()["bytes"], 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_a_body_that_stalls_ends_its_stream_and_no_other() {
    let origin = origin().await;
    let portcullis = silent("300ms", &origin).await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", "/upload"),
    ];
    for piece in [&b"abc"[..], b""] {
        let cancelled = origin.journal().cancelled();
        let requests = origin.journal().requests();
        let mut client = Frames::connect(portcullis.listener("http")).await;
        client.headers(1, &fields, false).await;
        if !piece.is_empty() {
            client.data(1, piece, false).await;
        }
        let ended = client.ended(1).await;
        assert!(ended.is_refusal(), "{piece:?}: {ended:?}");
        let journal = origin.journal();
        assert!(
            journal
                .becomes(PATIENCE, |journal| journal.in_flight() == 0)
                .await
        );
        assert_eq!(
            journal.cancelled() - cancelled,
            journal.requests() - requests
        );
        client
            .headers(
                3,
                &[
                    (":method", "GET"),
                    fields[1],
                    fields[2],
                    (":path", "/bytes/1"),
                ],
                true,
            )
            .await;
        assert_eq!(client.ended(3).await, Ended::Answered(200));
    }
    let line = portcullis.logged(|line| line["target"] == "/upload").await;
    assert_eq!(line["reason"], "body_timeout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_is_closed_after_its_time() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site("timeouts: {idle: 300ms, first_byte: 60s}", origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        assert_eq!(raw.get("/bytes/1").await.status, 200);
        assert!(raw.rest().await.is_empty());
        let mut client = http2(portcullis.listener("http")).await;
        // A request that takes longer than that does not make the connection idle.
        assert_eq!(client.get("/delay/700").await.status, 200);
        client.closed().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_is_not_over_in_time_ends_the_connection() {
    let authority = Authority::new();
    let origin = origin().await;
    let tls_on =
        "tls: {certificates: [{certificate: a.crt, key: a.key}]}, timeouts: {handshake: 400ms}";
    let portcullis = Portcullis::builder(&site(tls_on, origin.address()))
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    let address = portcullis.listener("http");
    // Nothing, and the start of a ClientHello.
    for sent in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        Raw::sent(address, sent).await.rest().await;
    }
    let config = client_config(&authority.roots(), ALL_VERSIONS, &[]).into();
    tls(address, "a.test", &config)
        .await
        .expect("a client in time");

    let proxy =
        "proxy_protocol: {mode: required, trusted: [127.0.0.1]}, timeouts: {handshake: 400ms}";
    let portcullis = Portcullis::start(&site(proxy, origin.address())).await;
    for sent in ["", "PROXY TCP4 192.0.2.7 "] {
        assert!(
            Raw::sent(portcullis.listener("http"), sent)
                .await
                .rest()
                .await
                .is_empty()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_its_answer_is_cut_off_and_frees_the_origin() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site("timeouts: {write: 400ms}", origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let get = "GET /bytes/256m HTTP/1.1\r\nHost: a.test\r\n\r\n";
        let mut raw = Raw::sent(portcullis.listener("http"), get).await;
        let journal = origin.journal();
        assert!(
            journal
                .becomes(PATIENCE, |journal| journal.cancelled() == 1)
                .await
        );
        assert!(raw.rest().await.len() < 256 << 20);
        let line = portcullis
            .logged(|line| line["target"] == "/bytes/256m")
            .await;
        assert_eq!(
            (&line["reason"], &line["status"]),
            (&"client_too_slow".into(), &200.into())
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_a_client_that_does_not_read_its_answer_is_cut_off_and_frees_the_origin() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site("timeouts: {write: 400ms}", origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        // One that keeps its flow-control window closed (RFC 9113 §5.2), and one that does not even read frames.
        let mut client = http2(portcullis.listener("http")).await;
        let get = request("GET", "/bytes/256m")
            .body(full(""))
            .expect("a request");
        let response = client.send(get).await.expect("its header");
        let journal = origin.journal();
        assert!(
            journal
                .becomes(PATIENCE, |journal| journal.cancelled() == 1)
                .await
        );
        drop(response);
        let stream = TcpStream::connect(portcullis.listener("http"))
            .await
            .expect("connected");
        let mut silent = Raw::over(stream);
        // Settings that open the window of a stream wide, WINDOW_UPDATE for the connection, and GET /bytes/256m.
        silent.send(WIDE_OPEN_GET).await;
        assert!(
            journal
                .becomes(PATIENCE, |journal| journal.cancelled() == 2)
                .await
        );
    })
    .await;
}

const WIDE_OPEN_GET: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x7f\xff\xff\xff\
    \x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\x00\x00\x00\
    \x00\x00\x17\x01\x05\x00\x00\x00\x01\x82\x86\x41\x06a.test\x44\x0b/bytes/256m";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_a_header_that_does_not_end_ends_the_connection_even_beside_an_open_stream() {
    let origin = origin().await;
    let portcullis = limited("header: 500ms, idle: 60s, body: 60s", &origin).await;
    let mut client = Frames::connect(portcullis.listener("http")).await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", "/upload"),
    ];
    client.headers(1, &fields, false).await;
    // HEADERS without END_HEADERS, and nothing after it.
    client.frame(0x01, 0x00, 3, b"\x82").await;
    let ended = client.ended(3).await;
    assert!(
        matches!(ended, Ended::Closed | Ended::GoAway(_)),
        "{ended:?}"
    );
}
