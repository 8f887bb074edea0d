//! Does a fetch bring what an endpoint has, over sockets, with no client?

mod http2;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use origin::{Origin, RawAnswer, RawOrigin};
use tokio::task::JoinHandle;

use super::*;
use crate::proxy::decide::{Next, Step, decide};
use crate::proxy::tests::{about, compiled, request};
use crate::snapshot::Snapshot;

/// What a fetch has come to.
#[derive(Debug)]
struct Fetched {
    status: u16,
    body: Result<Vec<u8>, Reason>,
    told: Told,
}

/// A proxy with one pool, and the connections of one worker.
struct Bench {
    snapshot: Arc<Snapshot>,
    idle: Arc<IdlePool>,
}

impl Bench {
    fn new(endpoints: &[std::net::SocketAddr], pool: &str) -> Self {
        Self::with_cache(endpoints, pool, "{}")
    }

    fn with_cache(endpoints: &[std::net::SocketAddr], pool: &str, cache: &str) -> Self {
        let endpoints: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
        let config = format!(
            "listeners: [{{ name: plain, address: '127.0.0.1:1' }}]
forwarding: {{ trusted_proxies: [10.0.0.0/8] }}
routes: [{{ name: all, pool: app, cache: {cache} }}]
pools:
  - name: app
    endpoints: {endpoints:?}
    {pool}
"
        );
        Self {
            snapshot: compiled(&config),
            idle: Arc::default(),
        }
    }

    fn fetch_for(&self, peer: &str, target: &str, fields: &[(&'static str, &str)]) -> Fetch {
        let about = about(&self.snapshot, "plain", peer, false);
        let mut ctx = RequestCtx::new(Arc::clone(&self.snapshot));
        let header = request(target, fields);
        match decide(&header, &about, &mut ctx) {
            Ok(Step::Decided(Next::Carry)) => {}
            _ => panic!("{target} is not carried"),
        }
        Fetch::new(&header, &ctx, Arc::clone(&self.idle))
    }

    fn fetch(&self, target: &str) -> Fetch {
        self.fetch_for("192.0.2.1:5", target, &[("Host", "a.example")])
    }

    /// How many requests the endpoints serve.
    fn in_flight(&self) -> u32 {
        let pool = self.snapshot.pools.iter().find(|pool| &*pool.name == "app");
        pool.expect("it is configured").state.in_flight()
    }
}

/// Asks and reads all, in a task of its own.
fn run(mut fetch: Fetch) -> JoinHandle<Result<Fetched, (Reason, Told)>> {
    tokio::spawn(async move {
        let mut answer = match fetch.ask().await {
            Ok(answer) => answer,
            Err(error) => return Err((error.reason, fetch.told())),
        };
        let status = answer.header().status.as_u16();
        let mut body = BytesMut::new();
        let body = loop {
            match answer.piece().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break Ok(body.to_vec()),
                Err(error) => break Err(error.reason),
            }
        };
        answer.end().await;
        let told = fetch.told();
        Ok(Fetched { status, body, told })
    })
}

async fn done(fetch: Fetch) -> Result<Fetched, (Reason, Told)> {
    run(fetch).await.expect("it does not panic")
}

async fn brought(fetch: Fetch) -> Fetched {
    let fetched = done(fetch).await;
    fetched.unwrap_or_else(|(reason, told)| panic!("{reason}: {told:?}"))
}

/// Answers with `begin` until `turn` answers were given, and then with 200.
async fn turns(begin: RawAnswer, turn: u64) -> RawOrigin {
    let given = std::sync::atomic::AtomicU64::new(0);
    let answer = move |_: &[u8]| match given.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        before if before < turn => begin.clone(),
        _ => RawAnswer::new().send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    };
    RawOrigin::start(answer).await.expect("a port")
}

#[tokio::test]
async fn an_object_comes_whole_and_its_connection_is_used_again() {
    let origin = Origin::builder().start().await.expect("a port");
    let bench = Bench::new(&[origin.address().expect("a port")], "");
    for (target, length) in [("/bytes/100k", 102_400), ("/chunked/64k", 65_536)] {
        let fetched = brought(bench.fetch(target)).await;
        let expected = origin::expected_bytes(length);
        assert_eq!(fetched.status, 200, "{target}");
        assert!(fetched.body.as_ref() == Ok(&expected), "{target}");
        assert_eq!((fetched.told.attempts, fetched.told.retries), (1, 0));
        assert_eq!(fetched.told.upstream_status, Some(200));
        assert!(fetched.told.first_byte.is_some());
    }
    assert_eq!(origin.journal().connections(), 1);
    assert_eq!(bench.in_flight(), 0);
}

#[tokio::test]
async fn rfc9110_9_3_2_the_answer_to_head_is_whole_without_its_body() {
    let origin = Origin::builder().start().await.expect("a port");
    let bench = Bench::new(&[origin.address().expect("a port")], "");
    for _ in 0..2 {
        let mut fetch = bench.fetch("/bytes/100");
        fetch.header_mut().set_method(Method::HEAD);
        let mut answer = fetch.ask().await.expect("it answers");
        assert_eq!(answer.header().headers["content-length"], "100");
        assert_eq!(answer.length(), Some(0));
        assert_eq!(answer.piece().await, Ok(None));
        answer.end().await;
    }
    assert_eq!(origin.journal().connections(), 1);
}

#[tokio::test]
async fn an_answer_that_the_pool_retries_is_asked_for_again() {
    let ill = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let origin = turns(RawAnswer::new().send(ill), 1).await;
    let bench = Bench::new(
        &[origin.address()],
        "retries: { limit: 2, on: [503], backoff: { base: 1ms, max: 1ms } }",
    );
    let fetched = brought(bench.fetch("/")).await;
    assert_eq!((fetched.status, fetched.body), (200, Ok(b"ok".to_vec())));
    assert_eq!((fetched.told.attempts, fetched.told.retries), (2, 1));
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_is_replaced_without_a_retry() {
    let origin = RawOrigin::start(|head| match head.starts_with(b"GET /stale") {
        true => RawAnswer::new().close(),
        false => RawAnswer::new().send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    });
    let origin = origin.await.expect("a port");
    let bench = Bench::new(&[origin.address()], "retries: { limit: 0 }");
    brought(bench.fetch("/")).await;
    assert_eq!(origin.connections(), 1);
    // On the connection that was idle, and again on one of its own.
    let (reason, told) = done(bench.fetch("/stale")).await.expect_err("it is closed");
    assert_eq!(reason, Reason::UpstreamReset);
    assert_eq!((told.attempts, told.retries), (1, 0));
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn interim_answers_are_passed_by() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let answer = RawAnswer::new().send([hints, hints, answer].concat());
    let origin = turns(answer, 1).await;
    let bench = Bench::new(&[origin.address()], "");
    let fetched = brought(bench.fetch("/")).await;
    assert_eq!((fetched.status, fetched.body), (200, Ok(b"ok".to_vec())));
}

#[tokio::test]
async fn rfc9112_8_a_body_that_breaks_off_is_no_whole_one() {
    let origin = Origin::builder().start().await.expect("a port");
    let bench = Bench::new(&[origin.address().expect("a port")], "");
    for target in ["/close-mid/1k", "/close-mid-chunked/1k"] {
        let fetched = brought(bench.fetch(target)).await;
        assert_eq!(fetched.body, Err(Reason::UpstreamIncomplete), "{target}");
    }
    assert_eq!(bench.in_flight(), 0);
}

#[tokio::test]
async fn the_time_of_a_request_is_that_of_its_fetch_header_and_body() {
    let origin = Origin::builder().start().await.expect("a port");
    let bench = Bench::new(
        &[origin.address().expect("a port")],
        "timeouts: { total: 200ms }",
    );
    let began = Instant::now();
    let (reason, _) = done(bench.fetch("/hang")).await.expect_err("it is late");
    assert_eq!(reason, Reason::TotalTimeout);
    let fetched = brought(bench.fetch("/hang-body")).await;
    assert_eq!(fetched.body, Err(Reason::TotalTimeout));
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_fetch_that_is_dropped_gives_back_what_it_has() {
    let origin = Origin::builder().start().await.expect("a port");
    let bench = Bench::new(&[origin.address().expect("a port")], "");
    let waits = run(bench.fetch("/hang"));
    let arrived = |journal: &origin::Journal| journal.in_flight() == 1;
    let enough = Duration::from_secs(20);
    assert!(origin.journal().becomes(enough, arrived).await);
    assert_eq!(bench.in_flight(), 1);
    waits.abort();
    assert!(waits.await.expect_err("it was aborted").is_cancelled());
    assert_eq!(bench.in_flight(), 0);
    let closed = |journal: &origin::Journal| journal.open_connections() == 0;
    assert!(origin.journal().becomes(enough, closed).await);
    // So does an answer that is dropped before its end.
    let answer = bench.fetch("/hang-body").ask().await.expect("it answers");
    assert_eq!(bench.in_flight(), 1);
    drop(answer);
    assert_eq!(bench.in_flight(), 0);
    assert!(origin.journal().becomes(enough, closed).await);
}

#[tokio::test]
async fn an_endpoint_is_told_what_the_key_says_and_nothing_else_that_may_choose_an_answer() {
    let origin =
        RawOrigin::start(|_| RawAnswer::new().send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    let origin = origin.await.expect("a port");
    let key =
        "{ key: { headers: [X-Forwarded-Path], query: { deny: [utm_*] }, sort_query: true } }";
    let bench = Bench::with_cache(&[origin.address()], "", key);
    let fields = [
        ("Host", "A.Example:443"),
        ("X-Forwarded-For", "192.0.2.9"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "4443"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Forwarded-Path", "/keyed"),
        ("X-Original-URL", "/admin"),
        ("X-HTTP-Method-Override", "POST"),
        ("Accept-Language", "de"),
        ("Expect", "100-continue"),
        ("TE", "trailers"),
    ];
    // One that is trusted, for what another says is not believed in any case.
    brought(bench.fetch_for("10.0.0.1:5", "/a//b?c=2&utm_x=evil&a=1", &fields)).await;
    let received = origin.received().concat();
    let received = String::from_utf8(received).expect("text").to_lowercase();
    for line in [
        "get /a/b?a=1&c=2 http/1.1",
        "x-forwarded-path: /keyed",
        "host: a.example",
        "x-forwarded-host: a.example",
        "x-forwarded-proto: https",
        "x-forwarded-port: 443",
        "x-forwarded-for: 192.0.2.9, 10.0.0.1",
        "accept-language: de",
    ] {
        let found = received.lines().filter(|one| *one == line).count();
        assert_eq!(found, 1, "{line}: {received}");
    }
    for name in [
        "evil",
        "x-original-url",
        "x-http-method",
        "x-forwarded-prefix",
        "expect",
        "te:",
    ] {
        assert!(!received.contains(name), "{name}: {received}");
    }
}
