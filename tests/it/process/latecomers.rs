//! What becomes of those who come when the process is told to stop?

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::*;

async fn ready(portcullis: &Portcullis) -> u16 {
    let mut raw = Raw::connect(portcullis.admin()).await;
    raw.get("/readyz").await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_stop_delay_it_is_not_ready_at_once_and_closes_its_doors_later() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "runtime: {stop_delay: 3s, grace: 600ms}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    let _hanging = Raw::sent(address, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await;
    arrived(&origin, 1).await;
    assert_eq!(ready(&portcullis).await, 200);
    let told = Instant::now();
    portcullis.signal("TERM");
    eventually("not ready", async || ready(&portcullis).await == 503).await;
    let mut answered = 0;
    let closed = loop {
        let Ok(stream) = tokio::net::TcpStream::connect(address).await else {
            break told.elapsed();
        };
        assert!(told.elapsed() < PATIENCE, "it accepts on and on");
        let mut raw = Raw::over(stream);
        raw.send("GET /bytes/3 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = raw.last_response().await;
        assert_eq!((answer.status, answer.closes()), (200, true), "{answer:?}");
        answered += 1;
        // For three seconds on end somebody comes, and that is no flood.
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(answered > 0, "not ready only when nobody is let in");
    assert!(closed >= Duration::from_secs(3), "{closed:?}");
    // Whoever watches can see why nobody comes any more.
    assert_eq!(ready(&portcullis).await, 503);
    assert_eq!(portcullis.end().await.code(), Some(0));
    // The grace counts from the end of the delay.
    let ended = told.elapsed();
    assert!(ended >= Duration::from_millis(3600), "{ended:?}");
    let cut = "the grace is over; 1 connections are cut";
    portcullis.says(cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_kept_open_by_the_stop_delay_gets_one_more_answer() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "runtime: {stop_delay: 1h}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    let mut silent = Raw::connect(portcullis.listener("http")).await;
    assert!(!raw.get("/bytes/3").await.closes());
    assert!(!silent.get("/bytes/3").await.closes());
    portcullis.signal("TERM");
    eventually("not ready", async || ready(&portcullis).await == 503).await;
    raw.send("GET /bytes/4 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let last = raw.last_response().await;
    assert_eq!((last.body.len(), last.closes()), (4, true));
    // Who does not ask stays as long as the delay does.
    let end = tokio::time::timeout(Duration::from_millis(100), silent.rest()).await;
    assert!(end.is_err(), "{end:?}");
    portcullis.signal("TERM");
    assert!(silent.rest().await.is_empty());
    assert_eq!(portcullis.end().await.code(), Some(0));
}

/// Keeps every core busy until it is dropped.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || while !stop.load(Ordering::Relaxed) {});
        }
        Self(stop)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What failed although it was let in: to be refused is what happens at a stop without a successor.
fn lost(report: &Report) -> Vec<String> {
    let may_be = |what: &What| match what {
        What::NoConnection(more) => more.contains("refused"),
        // The library of these clients answers the PING behind the first GOAWAY before it sends what is queued already.
        // What it sends then comes after the second GOAWAY, and is known to have had no effect (RFC 9113 §6.8).
        What::PastGoAway(_) => true,
        _ => false,
    };
    let failures = report.failures.iter();
    let lost = failures.filter(|failure| !may_be(&failure.what));
    lost.map(|failure| format!("{:?}: {}", failure.kind, failure.what))
        .collect()
}

/// Stops one on a busy machine while clients of these kinds are at work, so many times.
async fn nothing_is_lost_at_a_stop(kinds: &[Kind], rounds: usize) {
    let _busy = Busy::start();
    for round in 0..rounds {
        let origin = origin().await;
        let mut portcullis = Portcullis::start(&site("", origin.address())).await;
        let ledger = Ledger::builder(portcullis.listener("http"));
        let ledger = ledger.kinds(kinds).start();
        eventually("an answer", async || ledger.answered() > 0).await;
        let status = portcullis.stop().await;
        assert_eq!(status.code(), Some(0), "{}", portcullis.stderr());
        let report = ledger.stop().await;
        let lost = lost(&report);
        assert!(
            lost.is_empty(),
            "round {round}: {lost:#?}\n{report}\n{}",
            portcullis.stderr()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_at_work_lose_nothing_at_a_stop_on_a_busy_machine() {
    let kinds = [Kind::Keepalive, Kind::Fresh, Kind::Http2, Kind::Upload];
    nothing_is_lost_at_a_stop(&kinds, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_http2_connection_at_sigterm_is_served_or_refused_but_not_reset() {
    nothing_is_lost_at_a_stop(&[Kind::Http2], 5).await;
}

const HELLO: &str = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\n\
                     routes: [{name: hello, respond: {body: hello}}]\n";

#[test]
fn connections_that_wait_in_the_queue_at_sigterm_are_answered() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for round in 0..4 {
        let mut portcullis = runtime.block_on(Portcullis::start(HELLO));
        let address = portcullis.listener("http");
        // While it is held, connections pile up in the kernel, and so does the signal.
        portcullis.signal("STOP");
        let connect = |_| TcpStream::connect(address).expect("connected");
        let clients: Vec<_> = (0..50).map(connect).collect();
        portcullis.signal("TERM");
        // Half of them ask before it goes on, the others while it stops.
        let asking: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(number, client)| {
                if number == 25 {
                    portcullis.signal("CONT");
                }
                std::thread::spawn(move || Callers::ask(client))
            })
            .collect();
        for client in asking {
            let answer = client.join().expect("no panic");
            let answer = answer.unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert!(answer.ends_with("hello"), "round {round}: {answer:?}");
        }
        let status = runtime.block_on(portcullis.end());
        assert_eq!(status.code(), Some(0), "{}", portcullis.stderr());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_has_just_come_may_still_ask() {
    // The shortest way counts: who came more than a second ago may be let go, and on a busy machine anything can be late.
    for round in 1.. {
        assert!(round <= 10, "never quick enough");
        let mut portcullis = Portcullis::start(HELLO).await;
        let came = Instant::now();
        let quick = || came.elapsed() < Duration::from_secs(1);
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        eventually("it is in", async || {
            portcullis.metric("portcullis_connections_total").await == 1.0
        })
        .await;
        portcullis.signal("TERM");
        portcullis.says("connections have 30s to end").await;
        let end = tokio::time::timeout(Duration::from_millis(200), raw.rest()).await;
        assert!(end.is_err() || !quick(), "let go at once");
        let asked = raw.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        if asked.is_ok() && quick() {
            let answer = raw.last_response().await;
            assert_eq!((answer.text().as_str(), answer.closes()), ("hello", true));
            assert_eq!(portcullis.end().await.code(), Some(0));
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_come_while_it_stops_are_answered_or_refused_but_not_reset() {
    for round in 0..6 {
        eprintln!("round {round}:");
        let mut portcullis = Portcullis::start(HELLO).await;
        let callers = Callers::start(portcullis.listener("http"), 4);
        callers.answered().await;
        portcullis.signal("TERM");
        callers.refused();
        let status = portcullis.end().await;
        assert_eq!(status.code(), Some(0), "{}", portcullis.stderr());
    }
}
