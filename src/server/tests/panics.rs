//! Does a panic in one request leave everything else alone?

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, StatusCode};

use super::{Edge, PATIENCE, exchange};
use crate::pool::balancer::{Balancer, RoundRobin};
use crate::pool::breaker::NeverOpens;
use crate::pool::health::Health;
use crate::pool::{Ask, Endpoint, Lesson, Members, Tried, Wanted};

const CONFIG: &str = "
listeners: [{ name: plain, address: '127.0.0.1:0' }]
routes:
  - { name: fine, pool: fine }
  - { name: pick, match: { paths: [{ prefix: /pick }] }, response_headers: { set: { X-Policy: a } }, pool: pick }
  - { name: learn, match: { paths: [{ prefix: /learn }] }, pool: learn }
pools:
  - { name: fine, endpoints: ['ORIGIN'] }
  - { name: pick, endpoints: ['ORIGIN'] }
  - { name: learn, endpoints: ['ORIGIN'] }
";

/// A balancer that panics when it is asked.
struct NeverPicks;

impl Balancer for NeverPicks {
    fn pick(&self, _: &[Arc<Endpoint>], _: &Ask<'_>) -> Option<usize> {
        panic!("no idea\nwhich one");
    }
}

/// A health that panics when an endpoint has answered.
struct NeverLearns;

impl Health for NeverLearns {
    fn is_usable(&self, _: &Endpoint, _: Instant) -> bool {
        true
    }

    fn observe(&self, _: &Endpoint, lesson: Lesson, _: Instant) {
        panic!("{lesson:?} is too much");
    }
}

/// An edge whose pools `pick` and `learn` panic.
async fn edge() -> Edge {
    let edge = Edge::start(CONFIG).await;
    let pick = edge.pool("pick");
    let endpoints = pick.members().endpoints.clone();
    pick.replace_members(Members::new(endpoints, |_| Box::new(NeverPicks)));

    let learn = edge.pool("learn");
    let healthy = &learn.members().endpoints[0];
    let endpoints: Box<[_]> = Box::new([Arc::new(Endpoint {
        name: Arc::clone(&healthy.name),
        weight: healthy.weight,
        peer: healthy.peer.clone(),
        host: healthy.host.clone(),
        health: Arc::new(NeverLearns),
        breaker: Arc::new(NeverOpens),
        priority: 0,
        max_requests: None,
        slow_start: None,
        decay: None,
        mark: None,
        pool: Arc::clone(&healthy.pool),
        state: Arc::clone(&healthy.state),
        pool_metrics: healthy.pool_metrics.clone(),
        metrics: healthy.metrics.clone(),
        guards: healthy.guards.clone(),
    })]);
    learn.replace_members(Members::new(endpoints, |endpoints| {
        Box::new(RoundRobin::new(endpoints))
    }));
    edge
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n")
}

fn post(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody")
}

/// What is left after `panics` of them: numbers that count them, and nothing in flight.
async fn settled(edge: &Edge, panics: f64) {
    edge.until("portcullis_requests_in_flight", "", 0.0).await;
    edge.until("portcullis_upstream_in_flight", "", 0.0).await;
    let failures = "portcullis_failures_total";
    assert_eq!(edge.metric(failures, "internal"), panics);
    assert_eq!(edge.metric(failures, ""), panics);
    assert_eq!(edge.metric("portcullis_panics_total", ""), panics);
    let last = edge.lines().pop().expect("a line");
    assert_eq!(last["reason"], "internal", "{last}");
    assert_eq!(last["status"], 500, "{last}");
    for pool in &edge.snapshot.pools {
        for endpoint in &pool.members().endpoints {
            assert_eq!(endpoint.state.in_flight(), 0, "{}", pool.name);
        }
    }
}

/// Sends a request that panics, while one upload is under way and one connection is idle.
async fn panics_alone(request: &str, phase: &str) {
    let edge = edge().await;
    let mut idle = edge.connect().await;
    assert!(
        exchange(&mut idle, &get("/"), "\r\n\r\n")
            .await
            .contains(" 200 ")
    );
    let mut busy = edge.connect().await;
    let (begun, rest) = (
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
        "all of it",
    );
    assert!(
        exchange(&mut busy, begun, "\r\n\r\n")
            .await
            .contains(" 100 ")
    );

    let mut unlucky = edge.connect().await;
    let answer = exchange(&mut unlucky, request, "").await;
    assert!(
        answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n"),
        "{answer}"
    );
    let answer = answer.to_ascii_lowercase();
    for part in [
        "details=\"internal\"",
        "x-request-id: ",
        "connection: close",
        "\ninternal\n",
    ] {
        assert!(answer.contains(part), "{part:?} in {answer}");
    }
    // It may have been a policy that panicked, so none is asked again.
    assert!(!answer.contains("x-policy"), "{answer}");
    edge.until("portcullis_requests_in_flight", "", 1.0).await;
    let lines = edge.lines();
    assert_eq!(lines.last().expect("a line")["phase"], phase);

    let mut new = edge.connect().await;
    for client in [&mut idle, &mut new] {
        let answer = exchange(client, &get("/"), "\r\n\r\n").await;
        assert!(answer.contains(" 200 "), "{answer}");
    }
    let answer = exchange(&mut busy, rest, "\r\n\r\n").await;
    assert!(answer.contains(" 200 "), "{answer}");
    let mut unlucky = edge.connect().await;
    exchange(&mut unlucky, request, "").await;
    settled(&edge, 2.0).await;
}

#[tokio::test]
async fn a_panic_in_the_direct_carrier_is_a_500_and_nothing_else_ends() {
    panics_alone(&get("/pick"), "pool").await;
}

#[tokio::test]
async fn a_panic_in_the_duplex_carrier_is_a_500_and_nothing_else_ends() {
    panics_alone(&post("/pick"), "pool").await;
}

#[tokio::test]
async fn a_panic_after_the_endpoint_has_answered_is_a_500_in_the_direct_carrier() {
    panics_alone(&get("/learn"), "response").await;
}

#[tokio::test]
async fn a_panic_after_the_endpoint_has_answered_is_a_500_in_the_duplex_carrier() {
    panics_alone(&post("/learn"), "response").await;
}

/// Sends a request over HTTP/2; the body comes at once, or later through the stream that comes back.
async fn ask(
    client: &mut SendRequest<Bytes>,
    method: &str,
    path: &str,
) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
    let uri = format!("http://a.example{path}");
    let request = Request::builder().method(method).uri(uri).body(());
    let request = request.expect("a request");
    client
        .clone()
        .ready()
        .await
        .expect("room for a stream")
        .send_request(request, method == "GET")
        .expect("a stream")
}

async fn status(response: h2::client::ResponseFuture) -> StatusCode {
    let response = tokio::time::timeout(PATIENCE, response).await;
    let response = response.expect("an answer in time").expect("no reset");
    let (header, mut body) = response.into_parts();
    while let Some(piece) = body.data().await {
        piece.expect("a whole body");
    }
    header.status
}

#[tokio::test]
async fn over_http2_a_panic_ends_its_stream_and_no_other() {
    let edge = edge().await;
    let (mut client, connection) = h2::client::handshake(edge.connect().await)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let (upload, mut body) = ask(&mut client, "POST", "/upload").await;
    body.send_data(Bytes::from_static(b"half of it"), false)
        .expect("it goes on");
    edge.until("portcullis_upstream_in_flight", "fine", 1.0)
        .await;

    for (path, panics) in [("/pick", 1.0), ("/learn", 3.0)] {
        let (response, _) = ask(&mut client, "GET", path).await;
        assert_eq!(status(response).await, StatusCode::INTERNAL_SERVER_ERROR);
        let (response, mut body) = ask(&mut client, "POST", path).await;
        body.send_data(Bytes::from_static(b"x"), true)
            .expect("it takes it");
        assert_eq!(status(response).await, StatusCode::INTERNAL_SERVER_ERROR);
        edge.until("portcullis_panics_total", "", panics + 1.0)
            .await;
    }

    body.send_data(Bytes::from_static(b"and the rest"), true)
        .expect("it is still there");
    assert_eq!(status(upload).await, StatusCode::OK);
    let (response, _) = ask(&mut client, "GET", "/pick").await;
    assert_eq!(status(response).await, StatusCode::INTERNAL_SERVER_ERROR);
    settled(&edge, 5.0).await;
}

#[tokio::test]
async fn a_lease_whose_end_panics_gives_its_slot_back() {
    let edge = edge().await;
    let pool = edge.pool("learn");
    let lease = pool
        .try_lease(&Wanted::new(&Tried::default()), Instant::now())
        .expect("one endpoint");
    let endpoint = Arc::clone(lease.endpoint());
    assert_eq!(endpoint.state.in_flight(), 1);
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(lease)));
    assert!(dropped.is_err());
    assert_eq!(endpoint.state.in_flight(), 0);
    assert_eq!(endpoint.metrics.in_flight.get(), 0);
}
