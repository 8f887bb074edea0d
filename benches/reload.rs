//! What does a reload cost while requests are served: how long does it take, what do the requests notice, and how much
//! memory does it need?
//!
//! The built binary with 1,000 and 10,000 routes, requests at a steady pace, and phases with and without reloads in turn,
//! so that what the machine does beside it hits both. `cargo bench --bench reload`; with `--test` as short as can be.

mod support;

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::{Method, Request};
use origin::Origin;

use support::paced::{CLIENTS, Paced, Phase, at, connect};
use support::process::Process;

/// Routes for each pool.
const ROUTES_PER_POOL: usize = 10;

struct Lengths {
    phase: Duration,
    rounds: usize,
    pause: Duration,
}

fn main() {
    let short = std::env::args().any(|argument| argument == "--test");
    let lengths = if short {
        Lengths {
            phase: Duration::from_millis(500),
            rounds: 1,
            pause: Duration::from_millis(100),
        }
    } else {
        Lengths {
            phase: Duration::from_secs(4),
            rounds: 6,
            pause: Duration::from_millis(200),
        }
    };
    println!(
        "| routes | to applied, median / most | p50, p99 without | p50, p99 with reloads | p99 ratio | RSS before / peak / after |"
    );
    println!("|---:|---|---|---|---:|---|");
    for routes in [1_000, 10_000] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        println!("{}", runtime.block_on(measure(routes, &lengths)));
    }
}

async fn measure(routes: usize, lengths: &Lengths) -> String {
    let origin = Origin::builder().start().await.expect("an origin");
    let endpoint = origin.address().expect("an origin on TCP");
    let directory = tempfile::tempdir().expect("a directory");
    let proxy = Proxy::start(directory.path(), routes, endpoint).await;
    let clients = Paced::start(proxy.process.http, |number| {
        // Spread over the routes, so that what a reload has just made is what is used.
        let path = format!("/service-{}/echo", number * (routes / CLIENTS));
        let host = format!("host-{}.example.com", number * (routes / CLIENTS) / 4);
        (host, path)
    });
    tokio::time::sleep(lengths.phase / 4).await;
    let mut applied = Vec::new();
    // Once before it counts, as in a process that has been reloaded before.
    proxy.write(routes, endpoint, 1);
    proxy.reload().await;
    proxy.one_generation().await;
    let before = proxy.memory("VmRSS");
    // Makes the peak begin anew (proc(5)).
    fs::write(
        format!("/proc/{}/clear_refs", proxy.process.child.id()),
        "5",
    )
    .expect("its own child");
    for _ in 0..lengths.rounds {
        clients.phase(Phase::Without);
        quiet(&proxy, routes, endpoint, lengths).await;
        clients.phase(Phase::Between);
        tokio::time::sleep(SETTLE).await;
        clients.phase(Phase::With);
        let started = Instant::now();
        while started.elapsed() < lengths.phase {
            proxy.write(routes, endpoint, applied.len() + 2);
            applied.push(proxy.reload().await);
            tokio::time::sleep(lengths.pause).await;
        }
        clients.phase(Phase::Between);
        proxy.one_generation().await;
        tokio::time::sleep(SETTLE).await;
    }
    let peak = proxy.memory("VmHWM");
    let after = proxy.memory("VmRSS");
    let [_, quiet, reloading] = clients.stop().await;
    applied.sort();
    let (calm, busy) = (at(&quiet, 99), at(&reloading, 99));
    format!(
        "| {routes} | {:.1?} / {:.1?} ({} reloads) | {:.2?}, {calm:.2?} | {:.2?}, {busy:.2?} | {:.2} | {} / {} / {} MiB |",
        at(&applied, 50),
        applied.last().expect("at least one"),
        applied.len(),
        at(&quiet, 50),
        at(&reloading, 50),
        busy.as_secs_f64() / calm.as_secs_f64(),
        before >> 10,
        peak >> 10,
        after >> 10,
    )
}

/// Between phases, so that none is measured with what is left of the one before.
const SETTLE: Duration = Duration::from_millis(500);

/// The same writing of files as with reloads, on the same cores, but nobody is asked to read them.
async fn quiet(proxy: &Proxy, routes: usize, endpoint: SocketAddr, lengths: &Lengths) {
    let started = Instant::now();
    while started.elapsed() < lengths.phase {
        proxy.write(routes, endpoint, 0);
        tokio::time::sleep(lengths.pause).await;
    }
}

/// The process, and the file that it reads.
struct Proxy {
    process: Process,
    config: PathBuf,
}

impl Proxy {
    async fn start(directory: &Path, routes: usize, endpoint: SocketAddr) -> Self {
        let config = directory.join("portcullis.yaml");
        write(&config, routes, endpoint, 0);
        let process = Process::start(directory, &config).await;
        Self { process, config }
    }

    fn write(&self, routes: usize, endpoint: SocketAddr, number: usize) {
        write(&self.config, routes, endpoint, number);
    }

    /// Waits until nothing of former configurations is in memory.
    async fn one_generation(&self) {
        loop {
            let metrics = self.ask(Method::GET, "/metrics").await.1;
            if metrics.contains("\nportcullis_config_generations_in_use 1\n") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How long a reload takes from the question to the answer.
    async fn reload(&self) -> Duration {
        let (taken, body) = self.ask(Method::POST, "/reload").await;
        assert!(body.contains("\"applied\""), "{body}");
        taken
    }

    async fn ask(&self, method: Method, path: &str) -> (Duration, String) {
        let mut sender = connect(self.process.admin).await;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .body(Empty::new())
            .expect("a request");
        let started = Instant::now();
        let response = sender.send_request(request).await.expect("an answer");
        let taken = started.elapsed();
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        (taken, String::from_utf8_lossy(&body).into_owned())
    }

    /// A size of the process in KiB.
    fn memory(&self, which: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.child.id()));
        let status = status.expect("it runs");
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix(&format!("{which}:")));
        let size = line.expect("it is there").trim().trim_end_matches(" kB");
        size.parse().expect("a number")
    }
}

/// A configuration as a platform team has it, every time with another value in some routes.
fn write(path: &Path, routes: usize, endpoint: SocketAddr, number: usize) {
    let mut text = String::from(
        "admin: { address: \"127.0.0.1:0\" }\naccess_log: { format: off }\nlisteners:\n  - { name: http, address: \"127.0.0.1:0\", limits: { requests: 0 } }\nroutes:\n",
    );
    for route in 0..routes {
        let value = if route % 100 == 0 { number } else { 0 };
        write!(
            text,
            "  - name: route-{route}\n    match:\n      hosts: [host-{}.example.com]\n      paths:\n        - prefix: /service-{route}\n    rewrite: {{ prefix: / }}\n    request_headers:\n      set: {{ X-Route: \"{route}-{value}\" }}\n    pool: pool-{}\n",
            route / 4,
            route / ROUTES_PER_POOL,
        )
        .expect("a string takes everything");
    }
    text.push_str("pools:\n");
    for pool in 0..routes.div_ceil(ROUTES_PER_POOL) {
        writeln!(
            text,
            "  - {{ name: pool-{pool}, endpoints: [\"{endpoint}\"] }}"
        )
        .expect("a string takes everything");
    }
    let new = path.with_extension("new");
    fs::write(&new, text).expect("a file");
    fs::rename(new, path).expect("renamed");
}
