//! What does it cost to read the metrics of a thousand endpoints, and do requests notice?
//!
//! First the text alone, in this process. Then the built binary in front of one origin at a thousand addresses, with health
//! checks and breakers: scrapes as a scraper sees them, and requests at a steady pace in phases with and without scrapes in
//! turn, so that what the machine does beside it hits both. A scraper comes each 15 s or so; here one comes four times a
//! second. `cargo bench --bench scrape`; with `--test` as short as can be.

mod support;

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use origin::Origin;
use portcullis::telemetry::Metrics;

use support::paced::{Paced, Phase, at, connect};
use support::process::Process;

/// Pools, and endpoints in each of them.
const POOLS: usize = 10;
const ENDPOINTS: usize = 100;
/// How often a scraper comes.
const SCRAPES: Duration = Duration::from_millis(250);

/// What half of the plain scrapes do not exceed.
const MOST: Duration = Duration::from_millis(50);

/// How many times longer half of the requests may take beside scrapes than without.
const DISTURBED: f64 = 1.25;

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let short = std::env::args().any(|argument| argument == "--test");
    let (texts, phase, rounds) = match short {
        true => (3, Duration::from_millis(500), 1),
        false => (100, Duration::from_secs(5), 5),
    };
    text(texts);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (plain, times) = runtime.block_on(beside_requests(phase, rounds));
    // A time of one short run tells nothing.
    if !short {
        assert!(plain < MOST, "a plain scrape took {plain:.1?}");
        assert!(times < DISTURBED, "requests took {times:.2} times as long");
    }
}

/// Every family that an endpoint can have.
fn text(times: usize) {
    let metrics = Metrics::new().expect("metrics");
    let _held: Vec<_> = (0..POOLS * ENDPOINTS)
        .map(|number| {
            let (pool, endpoint) = (
                format!("pool-{}", number / ENDPOINTS),
                address(number, 8080),
            );
            let endpoint = endpoint.to_string();
            let held = (
                metrics.endpoint(&pool, &endpoint),
                metrics.check(&pool, &endpoint),
                metrics.breaker(&pool, &endpoint),
                metrics.ejection(&pool, &endpoint),
                metrics.pool(&pool),
            );
            held.0.success.inc_by(1_000_000 + number as u64);
            held
        })
        .collect();
    let mut taken = Vec::new();
    let mut text = Vec::new();
    for _ in 0..times {
        text.clear();
        let started = Instant::now();
        metrics.render(&mut text);
        taken.push(started.elapsed());
    }
    taken.sort();
    let lines = text.split(|byte| *byte == b'\n').count();
    println!(
        "text of {} endpoints: {lines} lines, {} KiB; median {:.1?}, p99 {:.1?}",
        POOLS * ENDPOINTS,
        text.len() >> 10,
        at(&taken, 50),
        at(&taken, 99)
    );
}

fn address(number: usize, port: u16) -> SocketAddr {
    let (high, low) = (number / 250, number % 250 + 1);
    let address = format!("127.0.{high}.{low}:{port}");
    address.parse().expect("an address")
}

/// Gives what half of the plain scrapes took at most, and how many times longer half of the requests took beside scrapes.
async fn beside_requests(phase: Duration, rounds: usize) -> (Duration, f64) {
    let builder = Origin::builder().listen("0.0.0.0:0");
    let origin = builder.start().await.expect("an origin");
    let port = origin.address().expect("an origin on TCP").port();
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("portcullis.yaml");
    write(&config, port);
    let proxy = Process::start(directory.path(), &config).await;
    let clients = Paced::start(proxy.http, |_| ("a.test".to_owned(), "/".to_owned()));
    let mut scrapes = [Vec::new(), Vec::new()];
    let mut sizes = [0, 0];
    for _ in 0..rounds {
        clients.phase(Phase::Without);
        tokio::time::sleep(phase).await;
        clients.phase(Phase::With);
        let started = Instant::now();
        while started.elapsed() < phase {
            for gzip in [false, true] {
                let (taken, size) = scrape(proxy.admin, gzip).await;
                scrapes[usize::from(gzip)].push(taken);
                sizes[usize::from(gzip)] = size;
                tokio::time::sleep(SCRAPES).await;
            }
        }
    }
    let [_, without, with] = clients.stop().await;
    for ((coding, scrapes), size) in ["plain", "gzip"].iter().zip(&mut scrapes).zip(sizes) {
        scrapes.sort();
        println!(
            "scrape, {coding}: {} KiB; median {:.1?}, most {:.1?} of {}",
            size >> 10,
            at(scrapes, 50),
            at(scrapes, 100),
            scrapes.len()
        );
    }
    for (taken, what) in [
        (&without, "without scrapes"),
        (&with, "with four scrapes a second"),
    ] {
        println!(
            "requests {what}: {} of them, p50 {:.2?}, p99 {:.2?}, p99.9 {:.2?}",
            taken.len(),
            at(taken, 50),
            at(taken, 99),
            taken[taken.len() * 999 / 1000]
        );
    }
    let times = at(&with, 50).as_secs_f64() / at(&without, 50).as_secs_f64();
    (at(&scrapes[0], 50), times)
}

/// How long a scrape takes to its last byte, and how many those are.
async fn scrape(admin: SocketAddr, gzip: bool) -> (Duration, usize) {
    let mut sender = connect(admin).await;
    let request = Request::get("/metrics")
        .header("host", "localhost")
        .header("accept-encoding", if gzip { "gzip" } else { "identity" })
        .body(Empty::new())
        .expect("a request");
    let started = Instant::now();
    let response = sender.send_request(request).await.expect("an answer");
    let body = response.into_body().collect().await.expect("a whole body");
    (started.elapsed(), body.to_bytes().len())
}

/// A thousand endpoints in ten pools, with all that has series for each of them.
fn write(path: &Path, port: u16) {
    let mut text = String::from(
        "admin: { address: \"127.0.0.1:0\" }\naccess_log: { format: off }\nlisteners:\n  - { name: http, address: \"127.0.0.1:0\", limits: { requests: 0 } }\nroutes:\n  - { name: all, pool: pool-0 }\npools:\n",
    );
    for pool in 0..POOLS {
        let endpoints: Vec<String> = (0..ENDPOINTS)
            .map(|number| format!("\"{}\"", address(pool * ENDPOINTS + number, port)))
            .collect();
        writeln!(
            text,
            "  - {{ name: pool-{pool}, endpoints: [{}], health: {{ path: /, interval: 10s }}, breaker: {{ consecutive_failures: 5 }}, ejection: {{}} }}",
            endpoints.join(", ")
        )
        .expect("a string takes everything");
    }
    fs::write(path, text).expect("a file");
}
