//! What becomes of those who come when the process is told to stop?

use std::io::{Read, Write};
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
    let yaml = site("", origin.address()) + "runtime: {stop_delay: 1s, grace: 600ms}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    let _hanging = Raw::sent(address, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(ready(&portcullis).await, 200);
    let told = Instant::now();
    portcullis.signal("TERM");
    eventually("not ready", async || ready(&portcullis).await == 503).await;
    let noticed = told.elapsed();
    assert!(noticed < Duration::from_millis(900), "{noticed:?}");
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
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(answered > 5, "{answered} new connections");
    assert!(closed >= Duration::from_secs(1), "{closed:?}");
    // Whoever watches can see why nobody comes any more.
    assert_eq!(ready(&portcullis).await, 503);
    assert_eq!(portcullis.end().await.code(), Some(0));
    // The grace counts from the end of the delay.
    let ended = told.elapsed();
    assert!(ended >= Duration::from_millis(1600), "{ended:?}");
    let said = portcullis.stderr();
    assert!(
        said.contains("the grace is over; 1 connections are cut"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_kept_open_by_the_stop_delay_gets_one_more_answer() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "runtime: {stop_delay: 1s}\n";
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
    let refused =
        |what: &What| matches!(what, What::NoConnection(more) if more.contains("refused"));
    let failures = report.failures.iter();
    let lost = failures.filter(|failure| !refused(&failure.what));
    lost.map(|failure| format!("{:?}: {}", failure.kind, failure.what))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_at_work_lose_nothing_at_a_stop_on_a_busy_machine() {
    let _busy = Busy::start();
    let kinds = [Kind::Keepalive, Kind::Fresh, Kind::Http2, Kind::Upload];
    for round in 0..4 {
        let origin = origin().await;
        let mut portcullis = Portcullis::start(&site("", origin.address())).await;
        let ledger = Ledger::builder(portcullis.listener("http"));
        let ledger = ledger.kinds(&kinds).start();
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
async fn a_new_http2_connection_at_sigterm_is_served_or_refused_but_not_reset() {
    let _busy = Busy::start();
    for round in 0..8 {
        let origin = origin().await;
        let mut portcullis = Portcullis::start(&site("", origin.address())).await;
        let ledger = Ledger::builder(portcullis.listener("http"));
        let ledger = ledger.kinds(&[Kind::Http2]).start();
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

/// Connects, asks, and tells what came: nothing if it was refused.
fn ask_at_once(address: std::net::SocketAddr) -> Option<std::io::Result<Vec<u8>>> {
    let mut stream = TcpStream::connect(address).ok()?;
    let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let answered = asked.and_then(|()| stream.read_to_end(&mut answer));
    Some(answered.map(|_| answer))
}

#[test]
fn connections_that_wait_in_the_queue_at_sigterm_are_answered() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let yaml = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\n\
                routes: [{name: hello, respond: {body: hello}}]\n";
    for round in 0..4 {
        let mut portcullis = runtime.block_on(Portcullis::start(yaml));
        let address = portcullis.listener("http");
        // While it is held, connections pile up in the kernel, and so does the signal.
        portcullis.signal("STOP");
        let clients: Vec<_> = (0..50)
            .map(|_| std::thread::spawn(move || ask_at_once(address)))
            .collect();
        std::thread::sleep(Duration::from_millis(100));
        portcullis.signal("TERM");
        portcullis.signal("CONT");
        for client in clients {
            let answer = client.join().expect("no panic").expect("connected");
            let answer = answer.unwrap_or_else(|error| panic!("round {round}: {error}"));
            let answer = String::from_utf8_lossy(&answer).into_owned();
            assert!(answer.ends_with("hello"), "round {round}: {answer:?}");
        }
        let status = runtime.block_on(portcullis.end());
        assert_eq!(status.code(), Some(0), "{}", portcullis.stderr());
    }
}

#[test]
fn connections_that_come_while_it_stops_are_answered_or_refused_but_not_reset() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let yaml = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\n\
                routes: [{name: hello, respond: {body: hello}}]\n";
    for round in 0..6 {
        let mut portcullis = runtime.block_on(Portcullis::start(yaml));
        let address = portcullis.listener("http");
        let clients: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(move || {
                    let mut answers = 0;
                    while let Some(answer) = ask_at_once(address) {
                        let answer = answer?;
                        let answer = String::from_utf8_lossy(&answer).into_owned();
                        if !answer.ends_with("hello") {
                            return Err(std::io::Error::other(format!("{answer:?}")));
                        }
                        answers += 1;
                    }
                    Ok(answers)
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(100));
        portcullis.signal("TERM");
        for client in clients {
            let answers = client.join().expect("no panic");
            let answers = answers.unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert!(answers > 0);
        }
        let status = runtime.block_on(portcullis.end());
        assert_eq!(status.code(), Some(0), "{}", portcullis.stderr());
    }
}
