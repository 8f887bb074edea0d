//! Does a client over its limit hurt the others?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::*;

/// Ten clients at addresses of their own that ask now and then, within their limit: how long each answer took.
async fn neighbours(address: SocketAddr) -> Vec<Duration> {
    let mut clients = JoinSet::new();
    for host in 11..=20 {
        clients.spawn(async move {
            let mut client = client_at(host, address).await;
            let mut took = Vec::new();
            let mut ticks = tokio::time::interval(Duration::from_millis(100));
            for _ in 0..12 {
                ticks.tick().await;
                let asked = Instant::now();
                assert_eq!(status(&mut client, "/echo", &[]).await, 200);
                took.push(asked.elapsed());
            }
            took
        });
    }
    let mut all: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
    all.sort_unstable();
    all
}

fn p99(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_over_its_limit_gets_429_and_ten_others_lose_nothing() {
    let origin = origin().await;
    let limit = "{name: per-client, rate: 1/s, burst: 30}";
    let config =
        limited(&origin, "", limit, "").replace("forwarding: {trusted_proxies: [127.0.0.1]}\n", "");
    let portcullis = Portcullis::start(&config).await;
    let address = portcullis.listener("http");
    let idle = neighbours(address).await;

    let done = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let mut flood = JoinSet::new();
    for _ in 0..4 {
        let done = Arc::clone(&done);
        flood.spawn(async move {
            let mut client = client_at(2, address).await;
            let (mut passed, mut refused) = (0_u32, 0_u32);
            // On a slow machine as well, more than it may.
            while !done.load(Ordering::Relaxed) || passed + refused < 40 {
                match status(&mut client, "/echo", &[]).await {
                    200 => passed += 1,
                    429 => refused += 1,
                    other => panic!("{other}"),
                }
            }
            (passed, refused)
        });
    }
    let flooded = neighbours(address).await;
    done.store(true, Ordering::Relaxed);
    let flood = flood.join_all().await.into_iter();
    let (passed, refused) = flood.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "p99 of the others {:?} idle, {:?} beside {refused} refusals",
        p99(&idle),
        p99(&flooded)
    );
    assert!(f64::from(passed) <= seconds + 30.0, "{passed} in {seconds}");
    assert!(refused > 0, "none of {passed} was refused");
    // Twice is the aim; a test beside others on two cores only sees when they are held up.
    assert!(p99(&flooded) < p99(&idle) * 2 + Duration::from_millis(500));
}
