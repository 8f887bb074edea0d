//! Is Portcullis after ten minutes of everything at once what it was before: the same memory, the same descriptors, and no
//! request failed that nothing was done to?
//!
//! The built binary with clients of all kinds (HTTP/1.1, HTTP/2, TLS, uploads, WebSockets, server-sent events), a cached route, a
//! limited one, clients that leave in the middle, a reload every three seconds, every fourth of them with a mistake in it, and
//! endpoints that are taken out and put back by reloads, or killed and started again.
//!
//! `cargo bench --bench soak` takes ten minutes and some; `CI=true cargo test --bench soak` two and some, with the binary that
//! tests use. Ends with exit code 1, and what was wrong, if anything was.

mod changes;
mod clients;
mod measured;
mod site;
#[path = "../../tests/it/support/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "the integration tests use the rest of it"
)]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clients::Clients;
use measured::Measured;
use site::Site;
use support::{Ledger, eventually};

/// How long the clients have been at it before anything is measured: caches are full then, and every path was taken once.
const WARM_UP: Duration = Duration::from_secs(20);

/// How often what the process takes is written down.
const LOOK_EVERY: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let short = std::env::var_os("CI").is_some() || std::env::args().any(|word| word == "--test");
    let length = Duration::from_secs(if short { 120 } else { 600 });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let wrong = runtime.block_on(soak(length));
    for line in &wrong {
        println!("WRONG: {line}");
    }
    match wrong.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Runs it, prints what was measured, and gives what is wrong.
async fn soak(length: Duration) -> Vec<String> {
    let site = Site::start().await;
    load(&site, WARM_UP).await;
    let before = at_rest(&site).await;
    println!("before: {before}");
    let mut wrong = load(&site, length).await;
    let after = at_rest(&site).await;
    println!("after:  {after}");
    wrong.extend(after.worse_than(&before));
    wrong.extend(site.complaints().await);
    wrong
}

/// What the process takes when nobody asks for anything, and nothing is left of those who did.
async fn at_rest(site: &Site) -> Measured {
    eventually("all connections have ended", async || {
        let connections = site.portcullis.metric("portcullis_connections{").await;
        let in_flight = site
            .portcullis
            .metric("portcullis_requests_in_flight{")
            .await;
        connections + in_flight == 0.0
    })
    .await;
    // Back to the first configuration, so that the same endpoints are known, and until former ones are forgotten.
    site.apply(0).await;
    eventually("former configurations are forgotten", async || {
        let used = site
            .portcullis
            .metric("portcullis_config_generations_in_use")
            .await;
        used == 1.0
    })
    .await;
    site.idle_connections_end().await;
    Measured::of(&site.portcullis)
}

/// Everything at once for so long; what failed that should not have.
async fn load(site: &Site, length: Duration) -> Vec<String> {
    let plain = Ledger::start(site.http());
    let tls = Ledger::builder(site.https())
        .https(site::NAME, &site.roots())
        .start();
    let clients = Clients::start(site);
    let started = Instant::now();
    let look = async {
        let mut next = Instant::now() + LOOK_EVERY;
        while started.elapsed() < length {
            tokio::time::sleep_until(next.into()).await;
            next += LOOK_EVERY;
            let at = started.elapsed().as_secs();
            println!("{at:>4} s  {}", Measured::of(&site.portcullis));
        }
    };
    let ((), reloads, kills) = tokio::join!(
        look,
        changes::reload_every_few_seconds(site, length),
        changes::endpoints_come_and_go(site, length),
    );
    let mut wrong = clients.stop().await;
    for (name, ledger) in [("plain", plain), ("TLS", tls)] {
        let report = ledger.stop().await;
        println!("{name}:\n{report}");
        wrong.extend(report.failures.iter().map(|failure| {
            let (when, kind, what) = (failure.when, failure.kind, &failure.what);
            format!("{name}, after {when:.1?}, {kind:?}: {what}")
        }));
        if report.answered.values().any(|count| *count == 0) {
            wrong.push(format!("{name}: a kind of client had no answer"));
        }
    }
    println!("{reloads} reloads, {kills} endpoints killed and started again");
    wrong
}
