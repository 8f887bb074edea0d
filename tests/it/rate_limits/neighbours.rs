//! Does a client over its limit hurt the others?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::*;

/// Ten clients at addresses of their own, from this one on, that ask now and then, within their limit: how long each
/// answer took.
async fn neighbours(address: SocketAddr, first: u8) -> Vec<Duration> {
    let mut clients = JoinSet::new();
    for host in first..first + 10 {
        clients.spawn(async move {
            let mut client = client_at(host, address).await;
            let mut took = Vec::new();
            let mut ticks = tokio::time::interval(Duration::from_millis(50));
            for _ in 0..20 {
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

/// The answer that so many in a hundred are not slower than.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

/// Clients over their limit, until they are told to stop.
struct Flood {
    done: Arc<AtomicBool>,
    clients: JoinSet<(u32, u32)>,
}

impl Flood {
    fn start(address: SocketAddr) -> Self {
        let (done, mut clients) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for _ in 0..4 {
            let done = Arc::clone(&done);
            clients.spawn(async move {
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
        Self { done, clients }
    }

    /// How many requests have passed, and how many were refused.
    async fn end(self) -> (u32, u32) {
        self.done.store(true, Ordering::Relaxed);
        let each = self.clients.join_all().await.into_iter();
        each.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_over_its_limit_gets_429_and_ten_others_lose_nothing() {
    /// What the others' answers may take longer than twice the time they took before: those of a debug build on two cores
    /// that the flood keeps busy.
    const SLACK: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));
    let origin = origin().await;
    let limit = "{name: per-client, rate: 1/s, burst: 30}";
    let config =
        limited(&origin, "", limit, "").replace("forwarding: {trusted_proxies: [127.0.0.1]}\n", "");
    let portcullis = Portcullis::start(&config).await;
    let address = portcullis.listener("http");
    let started = Instant::now();
    let (mut all_passed, mut rounds) = (0, Vec::new());
    // What other tests do to the machine, they don't do three times.
    for round in 0..3 {
        let idle = neighbours(address, 11 + round * 20).await;
        let flood = Flood::start(address);
        let flooded = neighbours(address, 21 + round * 20).await;
        let (passed, refused) = flood.end().await;
        assert!(refused > 0, "none of {passed} was refused");
        all_passed += passed;
        let of = |percent| (percentile(&idle, percent), percentile(&flooded, percent));
        let (median, p99) = (of(50), of(99));
        eprintln!(
            "the others' answers beside {refused} refusals: median {:?} (before {:?}), p99 {:?} (before {:?})",
            median.1, median.0, p99.1, p99.0
        );
        rounds.push((median, p99));
        if median.1 < median.0 * 2 + SLACK.0 && p99.1 < p99.0 * 2 + SLACK.1 {
            break;
        }
        assert!(round < 2, "median and p99, before and beside: {rounds:?}");
    }
    let seconds = started.elapsed().as_secs_f64();
    assert!(
        f64::from(all_passed) <= seconds + 30.0,
        "{all_passed} in {seconds}"
    );
}
