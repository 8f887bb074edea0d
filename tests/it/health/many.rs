//! Can a thousand endpoints be checked by one process as easily as one?

use std::collections::BTreeMap;

use super::*;

const COUNT: usize = 1_000;

/// How often each endpoint was checked.
async fn counts(portcullis: &Portcullis) -> BTreeMap<String, u64> {
    let metrics = Raw::connect(portcullis.admin()).await.get("/metrics").await;
    let text = metrics.text();
    let passed = text.lines().filter(|line| {
        line.starts_with("portcullis_upstream_checks_total{") && line.contains("\"passed\"")
    });
    let count = |line: &str| {
        let endpoint = line.split('"').nth(1)?.to_owned();
        Some((endpoint, line.rsplit_once(' ')?.1.parse().ok()?))
    };
    passed.filter_map(count).collect()
}

/// How many threads it has for good, and how many that runtimes have started for work that would hold others up. A reload
/// has two such jobs, one after the other, and the second may find the first one's thread free or not.
fn threads(portcullis: &Portcullis) -> (usize, usize) {
    let (mut own, mut lent) = (0, 0);
    for thread in portcullis.threads("") {
        match &*thread.name {
            "tokio-rt-worker" => lent += 1,
            // A reload's ends with it.
            "reload" => {}
            _ => own += 1,
        }
    }
    (own, lent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_endpoints_are_checked_in_turn_by_no_thread_more() {
    // One origin, which is at every address of the machine itself.
    let builder = origin::Origin::builder().listen("0.0.0.0:0");
    let origin = builder.start().await.expect("an origin");
    let port = origin.address().expect("TCP").port();
    let endpoints: Vec<SocketAddr> = (0..COUNT)
        .map(|number| {
            let (high, low) = (number / 250, number % 250 + 1);
            let address = format!("127.0.{high}.{low}:{port}");
            address.parse().expect("an address")
        })
        .collect();
    let few = |interval: &str| checked(&endpoints[..1], &format!("interval: {interval}"));
    let portcullis = Portcullis::start(&few("1s")).await;
    becomes(&portcullis, endpoints[0], true).await;
    let (own, _) = threads(&portcullis);
    portcullis
        .apply(&checked(&endpoints, "interval: 1500ms"))
        .await;
    let (mut most, mut most_own, mut most_lent) = (0, 0, 0);
    eventually("three rounds", async || {
        most = most.max(origin.journal().open_connections());
        let (own, lent) = threads(&portcullis);
        (most_own, most_lent) = (most_own.max(own), most_lent.max(lent));
        origin.journal().requests() > 3 * COUNT as u64
    })
    .await;
    assert_eq!(most_own, own);
    assert!(most_lent <= 2, "{most_lent} at once");
    assert!(most <= 256, "{most} at once");
    let counts = counts(&portcullis).await;
    assert_eq!(counts.len(), COUNT);
    for (endpoint, count) in counts {
        assert!((2..=6).contains(&count), "{endpoint}: {count}");
    }
}
