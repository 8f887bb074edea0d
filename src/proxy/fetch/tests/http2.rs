//! And from an endpoint that speaks HTTP/2?

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Response;
use tokio::net::TcpListener;

use super::*;

/// What an endpoint does with a request.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answer,
    Refuse,
    Reset,
    /// Closes the connection in good order, the request left out.
    Leave,
}

/// An endpoint that does these things, one with each request, and how often it was connected to and asked.
struct Scripted {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
}

impl Scripted {
    async fn start(does: &[Does]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let does: Arc<Mutex<VecDeque<Does>>> = Arc::new(Mutex::new(does.iter().copied().collect()));
        let (connections, requests) = <(Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let scripted = Self {
            address,
            connections: Arc::clone(&connections),
            requests: Arc::clone(&requests),
        };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (does, requests) = (Arc::clone(&does), Arc::clone(&requests));
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(socket).await.expect("HTTP/2");
                    while let Some(Ok((_, mut respond))) = connection.accept().await {
                        requests.fetch_add(1, Ordering::Relaxed);
                        let next = does.lock().expect("no panic").pop_front();
                        match next.unwrap_or(Does::Answer) {
                            Does::Answer => {
                                let answer = Response::new(());
                                let body = respond.send_response(answer, false);
                                let mut body = body.expect("it is open");
                                body.send_data("ok".into(), true).expect("it is open");
                            }
                            Does::Refuse => respond.send_reset(h2::Reason::REFUSED_STREAM),
                            Does::Reset => respond.send_reset(h2::Reason::INTERNAL_ERROR),
                            Does::Leave => return,
                        }
                    }
                });
            }
        });
        scripted
    }

    fn seen(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.connections), load(&self.requests))
    }
}

const HTTP2: &str = "protocol: http2\n    retries: { limit: 0 }";

#[tokio::test]
async fn objects_share_a_connection() {
    let origin = Origin::builder().start().await.expect("a port");
    let bench = Bench::new(&[origin.address().expect("a port")], HTTP2);
    let first = brought(bench.fetch("/bytes/3m")).await;
    assert!(first.body.as_ref() == Ok(&origin::expected_bytes(3 << 20)));
    assert!(first.told.connect.is_some());
    let held: Vec<_> = (0..8).map(|_| run(bench.fetch("/held"))).collect();
    let arrived = |journal: &origin::Journal| journal.in_flight() == 8;
    assert!(
        origin
            .journal()
            .becomes(Duration::from_secs(20), arrived)
            .await
    );
    origin.release();
    for held in held {
        let fetched = held.await.expect("no panic").expect("it answers");
        assert_eq!(fetched.status, 200);
        assert!(fetched.told.connect.is_none());
    }
    assert_eq!(origin.journal().connections(), 1);
    assert_eq!(bench.in_flight(), 0);
}

#[tokio::test]
async fn rfc9113_8_3_1_the_authority_is_said_in_a_pseudo_field() {
    let origin = Origin::builder().start().await.expect("a port");
    let bench = Bench::new(&[origin.address().expect("a port")], HTTP2);
    let fields = [
        ("Host", "A.example:80"),
        ("Cookie", "a=1"),
        ("TE", "trailers"),
    ];
    let fetched = brought(bench.fetch_for("192.0.2.1:5", "/echo?q=1", &fields)).await;
    let body = fetched.body.expect("it is whole");
    let echo: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(echo["uri"], "http://a.example/echo?q=1");
    assert_eq!(echo["version"], "HTTP/2.0");
    let headers = echo["headers"].as_array().expect("a list").clone();
    let value = |name: &str| {
        headers
            .iter()
            .find(|line| line[0] == name)
            .map(|line| &line[1])
    };
    assert_eq!(value("host"), None);
    assert_eq!(value("te"), None);
    assert_eq!(value("cookie").expect("it is there"), "a=1");
    assert_eq!(value("x-forwarded-host").expect("it is there"), "a.example");
}

#[tokio::test]
async fn a_stream_that_is_reset_in_its_body_is_no_whole_one() {
    let origin = Origin::builder().start().await.expect("a port");
    let bench = Bench::new(&[origin.address().expect("a port")], HTTP2);
    for target in ["/close-mid/1k", "/close-mid-chunked/1k"] {
        let fetched = brought(bench.fetch(target)).await;
        assert_eq!(fetched.body, Err(Reason::UpstreamIncomplete), "{target}");
    }
    // Its connection goes on.
    assert_eq!(brought(bench.fetch("/")).await.status, 200);
    assert_eq!(origin.journal().connections(), 1);
}

#[tokio::test]
async fn the_time_of_a_request_is_that_of_its_fetch_and_its_stream_is_reset() {
    let origin = Origin::builder().start().await.expect("a port");
    let timeouts = "protocol: http2\n    timeouts: { total: 200ms }";
    let bench = Bench::new(&[origin.address().expect("a port")], timeouts);
    let (reason, _) = done(bench.fetch("/hang")).await.expect_err("it is late");
    assert_eq!(reason, Reason::TotalTimeout);
    let fetched = brought(bench.fetch("/hang-body")).await;
    assert_eq!(fetched.body, Err(Reason::TotalTimeout));
    let over = |journal: &origin::Journal| journal.in_flight() == 0;
    assert!(
        origin
            .journal()
            .becomes(Duration::from_secs(20), over)
            .await
    );
}

#[tokio::test]
async fn rfc9113_8_7_what_an_endpoint_did_nothing_with_is_asked_once_more_on_another_connection() {
    for does in [Does::Refuse, Does::Leave] {
        let endpoint = Scripted::start(&[Does::Answer, does]).await;
        let bench = Bench::new(&[endpoint.address], HTTP2);
        brought(bench.fetch("/")).await;
        assert_eq!(endpoint.seen(), (1, 1), "{does:?}");
        let fetched = brought(bench.fetch("/")).await;
        assert_eq!((fetched.status, fetched.body), (200, Ok(b"ok".to_vec())));
        assert_eq!((fetched.told.attempts, fetched.told.retries), (1, 0));
        assert_eq!(endpoint.seen(), (2, 3), "{does:?}");
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_is_retried_as_the_pool_says() {
    let endpoint = Scripted::start(&[Does::Reset, Does::Reset]).await;
    let bench = Bench::new(&[endpoint.address], HTTP2);
    let (reason, told) = done(bench.fetch("/")).await.expect_err("it is reset");
    assert_eq!((reason, told.attempts), (Reason::UpstreamReset, 1));
    let retries = "protocol: http2\n    retries: { on: [reset], backoff: { base: 1ms, max: 1ms } }";
    let bench = Bench::new(&[endpoint.address], retries);
    let fetched = brought(bench.fetch("/")).await;
    assert_eq!((fetched.told.attempts, fetched.told.retries), (2, 1));
}

#[tokio::test]
async fn an_endpoint_that_speaks_no_http2_gives_no_answer() {
    let origin = RawOrigin::start(|_| RawAnswer::new().send("HTTP/1.1 400 Bad Request\r\n\r\n"));
    let origin = origin.await.expect("a port");
    let bench = Bench::new(&[origin.address()], HTTP2);
    let (reason, _) = done(bench.fetch("/")).await.expect_err("it is no answer");
    assert_eq!(reason, Reason::UpstreamReset);
}

#[tokio::test]
async fn a_fetch_that_is_dropped_resets_its_stream() {
    let origin = Origin::builder().start().await.expect("a port");
    let bench = Bench::new(&[origin.address().expect("a port")], HTTP2);
    let waits = run(bench.fetch("/hang"));
    let enough = Duration::from_secs(20);
    let journal = origin.journal();
    assert!(
        journal
            .becomes(enough, |journal| journal.in_flight() == 1)
            .await
    );
    waits.abort();
    assert!(waits.await.expect_err("it was aborted").is_cancelled());
    assert!(
        journal
            .becomes(enough, |journal| journal.in_flight() == 0)
            .await
    );
    assert_eq!(bench.in_flight(), 0);
    assert_eq!(brought(bench.fetch("/")).await.status, 200);
    assert_eq!(journal.connections(), 1);
}
