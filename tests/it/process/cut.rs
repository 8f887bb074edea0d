//! What is known of requests that are cut because the process ends?

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::support::*;

/// A frame with `hello`, under a mask of zeros (RFC 6455 §5.3), and how long its echo is.
const TEXT: &[u8] = b"\x81\x85\0\0\0\0hello";
const ECHO: u64 = 7;

/// How long a request to the pool `brief` may take, unless it has become a WebSocket.
const BRIEF: Duration = Duration::from_secs(3);

/// The pool `narrow` serves one request at a time; what the route `kept` gets is stored.
fn yaml([endpoint, other]: [SocketAddr; 2], runtime: &str) -> String {
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes:\n\
         - {{name: narrow, match: {{hosts: [narrow.test]}}, pool: narrow}}\n\
         - {{name: hedged, match: {{hosts: [hedged.test]}}, pool: hedged}}\n\
         - {{name: brief, match: {{hosts: [brief.test]}}, pool: brief}}\n\
         - {{name: kept, match: {{hosts: [kept.test]}}, pool: wide, cache: {{}}}}\n\
         - {{name: all, pool: wide}}\n\
         pools:\n\
         - {{name: narrow, endpoints: [\"{endpoint}\"], limits: {{requests: 1, queue: 4, queue_timeout: 1m}}}}\n\
         - {{name: hedged, endpoints: [\"{endpoint}\", \"{other}\"], hedging: {{after: 1ms, budget: 100}}}}\n\
         - {{name: brief, endpoints: [\"{endpoint}\"], timeouts: {{total: {BRIEF:?}}}}}\n\
         - {{name: wide, endpoints: [\"{endpoint}\"]}}\n\
         runtime: {{{runtime}}}\n"
    )
}

/// What stands in the access log in the end: of each target the status, and phase and reason if there is one.
async fn ends(portcullis: &mut Portcullis, signal: &str) -> BTreeMap<String, Vec<String>> {
    portcullis.signal(signal);
    assert_eq!(portcullis.end().await.code(), Some(0));
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in portcullis.access_log() {
        let word = |field: &str| line[field].as_str().unwrap_or("-").to_owned();
        let (reason, phase) = (word("reason"), word("phase"));
        assert_eq!(
            reason == "process_ended",
            word("ended_by") == "portcullis",
            "{line}"
        );
        if word("target") == "/ws?talks" {
            assert_eq!(line["bytes_sent"], ECHO, "{line}");
        }
        if word("target") == "/hang?hedged" {
            let upstream = line["upstream"].as_array().map_or(1, Vec::len);
            assert_eq!(line["attempts"], upstream, "{line}");
        }
        let told = format!("{} {phase} {reason}", line["status"]);
        found.entry(word("target")).or_default().push(told);
    }
    found
}

async fn each_has_one_line(runtime: &str, signal: &str) {
    let [origin, other] = [origin().await, origin().await];
    let endpoints = [&origin, &other].map(|one| one.address().expect("TCP"));
    let mut portcullis = Portcullis::start(&yaml(endpoints, runtime)).await;
    let address = portcullis.listener("http");
    let mut done = http1(address).await;
    assert_eq!(done.get("/?done").await.status, 200);
    let held = [
        "GET /hang?waits HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /hang-body?reads HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /hang?uploads HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab",
        "GET /hang?slot HTTP/1.1\r\nHost: narrow.test\r\n\r\n",
        "GET /hang?hedged HTTP/1.1\r\nHost: hedged.test\r\n\r\n",
        "GET /hang?fetched HTTP/1.1\r\nHost: kept.test\r\n\r\n",
        "GET /ws?talks HTTP/1.1\r\nHost: brief.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ];
    let mut raws = Vec::new();
    for request in held {
        raws.push(Raw::sent(address, request).await);
    }
    let (mut one, mut two) = (http2(address).await, http2(address).await);
    let stream = tokio::spawn(async move { one.get("/hang?stream").await });
    let read = two.send(
        request("GET", "/hang-body?stream")
            .body(full(""))
            .expect("a request"),
    );
    let _read = read.await.expect("a header");
    raws[1].until(b"\r\n\r\n").await;
    let upgraded = raws[6].until(b"\r\n\r\n").await;
    assert!(upgraded.starts_with(b"HTTP/1.1 101 "), "{upgraded:?}");
    // The duplex asks one endpoint at a time.
    let hedges = u64::from(!runtime.contains("duplex"));
    eventually("all are at the origins", async || {
        let at = [&origin, &other].map(|one| one.journal().in_flight());
        at.iter().sum::<u64>() == held.len() as u64 + 2 + hedges
    })
    .await;
    raws[6].send(TEXT).await;
    raws[6].until(b"hello").await;
    // That limit is over, and does not hold for it.
    tokio::time::sleep(BRIEF).await;
    let queued = "GET /hang?queued HTTP/1.1\r\nHost: narrow.test\r\n\r\n";
    raws.push(Raw::sent(address, queued).await);
    let waiting = "portcullis_pool_queue_length{pool=\"narrow\"}";
    eventually("one waits", async || {
        portcullis.metric(waiting).await == 1.0
    })
    .await;
    // These are no requests yet.
    raws.push(Raw::connect(address).await);
    raws.push(Raw::sent(address, "GET /?half HTTP/1.1\r\n").await);

    let found = ends(&mut portcullis, signal).await;
    stream.abort();
    let wanted = [
        ("/?done", "200 - -"),
        ("/hang-body?reads", "200 body process_ended"),
        ("/hang-body?stream", "200 body process_ended"),
        // It waits for what fetches it.
        ("/hang?fetched", "503 pool process_ended"),
        ("/hang?hedged", "503 response process_ended"),
        ("/hang?queued", "503 pool process_ended"),
        ("/hang?slot", "503 response process_ended"),
        ("/hang?stream", "503 response process_ended"),
        ("/hang?uploads", "503 request process_ended"),
        ("/hang?waits", "503 response process_ended"),
        ("/ws?talks", "101 body process_ended"),
    ];
    let wanted = wanted.map(|(target, told)| (target.to_owned(), vec![told.to_owned()]));
    assert_eq!(found, BTreeMap::from(wanted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_has_one_line_that_says_so_however_the_process_ends() {
    each_has_one_line("", "INT").await;
    each_has_one_line("carrier: duplex", "INT").await;
    each_has_one_line("grace: 300ms", "TERM").await;
}
