//! Do slow answers take their time, and notice when nobody waits for them any more?

use std::net::Shutdown;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::client::{
    A_MOMENT, SOON, ask2, collect, get, http1, http2, origin, read_until, request, send_raw,
};

/// Every path that waits at some point, with a wait that no test would sit through.
const SLOW: [&str; 8] = [
    "/held",
    "/held-body",
    "/hang",
    "/hang-body",
    "/delay/600000",
    "/delay-body/600000",
    "/drip/100000/5",
    "/sse?ms=5",
];

#[tokio::test]
async fn delays_come_before_the_header_or_before_the_body() {
    let (_origin, address) = origin().await;
    let started = Instant::now();
    assert_eq!(get(address, "/delay/60").await.text(), "at last\n");
    assert!(started.elapsed() >= Duration::from_millis(60));

    let slow = origin::Origin::builder().delay(Duration::from_millis(60));
    let slow = slow.start().await.expect("an origin");
    for path in ["/", "/echo"] {
        let started = Instant::now();
        let answer = get(slow.address().expect("TCP"), path).await;
        assert!(answer.text().contains("origin"));
        assert!(started.elapsed() >= Duration::from_millis(60));
    }

    let mut sender = http1(address).await;
    let started = Instant::now();
    let response = sender.send_request(request("GET", "/delay-body/200", ""));
    let response = response.await.expect("a response");
    assert!(started.elapsed() < Duration::from_millis(200));
    let reply = collect(response).await.expect("a body");
    assert_eq!(reply.text(), "at last\n");
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_serial_origin_answers_one_request_after_the_other() {
    let slow = origin::Origin::builder().delay(Duration::from_millis(60));
    let slow = slow.serial().start().await.expect("an origin");
    let address = slow.address().expect("TCP");
    let started = Instant::now();
    let ask = async |path| {
        assert!(get(address, path).await.text().contains("origin"));
    };
    tokio::join!(ask("/"), ask("/echo"), ask("/a"), ask("/b"));
    assert!(started.elapsed() >= Duration::from_millis(240));
}

#[tokio::test]
async fn drip_and_events_come_one_by_one_and_end() {
    let (origin, address) = origin().await;
    let started = Instant::now();
    assert_eq!(get(address, "/drip/4/20").await.text(), "....");
    assert!(started.elapsed() >= Duration::from_millis(60));
    let reply = ask2(address, "GET", "/sse?n=2&ms=1", b"").await;
    assert_eq!(reply.field("content-type"), "text/event-stream");
    let events = "id: 0\ndata: event 0\n\nid: 1\ndata: event 1\n\n";
    assert_eq!(reply.text(), events);
    assert_eq!(origin.journal().in_flight(), 0);
    assert_eq!(origin.journal().cancelled(), 0);
}

#[tokio::test]
async fn what_is_held_comes_when_it_is_released_and_at_once_after_that() {
    let (origin, address) = origin().await;
    let mut held = send_raw(address, "GET /held HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut body = send_raw(address, "GET /held-body HTTP/1.1\r\nhost: a\r\n\r\n").await;
    read_until(&mut body, "so far\n\r\n").await;
    let journal = origin.journal();
    assert!(
        journal
            .becomes(SOON, |journal| journal.in_flight() == 2)
            .await
    );
    origin.release();
    read_until(&mut held, "at last\n").await;
    read_until(&mut body, "at last\n\r\n0\r\n\r\n").await;
    assert_eq!(get(address, "/held").await.text(), "at last\n");
    assert_eq!(get(address, "/held-body").await.text(), "so far\nat last\n");
}

#[tokio::test]
async fn a_hanging_body_sends_its_first_chunk() {
    let (_origin, address) = origin().await;
    let mut stream = send_raw(address, "GET /hang-body HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let seen = read_until(&mut stream, "so far\n\r\n").await;
    assert!(seen.starts_with("HTTP/1.1 200 OK\r\n"), "{seen}");
}

#[tokio::test]
async fn over_http1_a_closed_connection_cancels_whatever_waits() {
    for path in SLOW {
        // With and without a body, as that decides who notices the end of the connection.
        for body in ["", "content-length: 4\r\n\r\nbody"] {
            let (origin, address) = origin().await;
            let end = if body.is_empty() { "\r\n" } else { body };
            let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\n{end}");
            let stream = send_raw(address, &head).await;
            let journal = origin.journal();
            assert!(journal.becomes(SOON, |j| j.in_flight() == 1).await);
            tokio::time::sleep(A_MOMENT / 5).await;
            assert_eq!(journal.cancelled(), 0, "{path}");
            drop(stream);
            let cancelled = journal.becomes(SOON, |j| j.cancelled() == 1).await;
            assert!(cancelled, "{path} {body}");
            assert_eq!(journal.in_flight(), 0, "{path}");
            assert!(journal.becomes(SOON, |j| j.open_connections() == 0).await);
        }
    }
}

#[tokio::test]
async fn over_http2_a_reset_stream_cancels_whatever_waits_and_nothing_else() {
    let (origin, address) = origin().await;
    let journal = origin.journal();
    let mut sender = http2(address).await;
    for (number, path) in (1..).zip(SLOW) {
        let answer = tokio::spawn({
            let answer = sender.send_request(request("GET", path, ""));
            async move {
                let mut body = answer.await.expect("a response").into_body();
                while body.frame().await.is_some() {}
            }
        });
        assert!(journal.becomes(SOON, |j| j.in_flight() == 1).await);
        tokio::time::sleep(A_MOMENT / 5).await;
        answer.abort();
        let cancelled = journal.becomes(SOON, |j| j.cancelled() == number).await;
        assert!(cancelled, "{path}");
        assert_eq!(journal.in_flight(), 0, "{path}");
    }
    assert_eq!(journal.open_connections(), 1);
}

#[tokio::test]
async fn over_http2_a_closed_connection_cancels_all_of_its_streams() {
    let (origin, address) = origin().await;
    let stream = TcpStream::connect(address).await.expect("connected");
    // hyper keeps the connection to itself, so that only its socket can be closed under it.
    let stream = stream.into_std().expect("a socket");
    let socket = stream.try_clone().expect("a second name of the socket");
    let stream = TcpStream::from_std(stream).expect("a stream");
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let answers: Vec<_> = SLOW
        .map(|path| sender.send_request(request("GET", path, "")))
        .map(tokio::spawn)
        .into();
    let all = SLOW.len() as u64;
    let journal = origin.journal();
    assert!(journal.becomes(SOON, |j| j.in_flight() == all).await);
    socket.shutdown(Shutdown::Both).expect("closed");
    assert!(
        journal.becomes(SOON, |j| j.cancelled() == all).await,
        "{journal:?}"
    );
    assert!(journal.becomes(SOON, |j| j.open_connections() == 0).await);
    drop(answers);
}
