//! Does choosing an endpoint, or taking and giving back a lease, allocate? It is a binary of its own because it counts with
//! a global allocator.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use allocation_counter::measure;
use portcullis::config::load::load_str;
use portcullis::config::{Config, Diagnostics};
use portcullis::pool::{Ask, Ending, Pool, Tried, Wanted};
use portcullis::snapshot;
use portcullis::state::State;
use portcullis::telemetry::Metrics;

/// Every balancer, as it is written.
const BALANCERS: [&str; 9] = [
    "round_robin",
    "random",
    "least_requests",
    "{ kind: least_requests, choose: all }",
    "peak_ewma",
    "ring_hash",
    "{ kind: ring_hash, max_load: 0 }",
    "maglev",
    "{ kind: maglev, max_load: 0 }",
];

/// A pool of 20 endpoints, of which some have just come and one is a backup.
fn pool(balancer: &str) -> Arc<Pool> {
    let endpoints: Vec<String> = (1..20)
        .map(|port| {
            format!(
                "{{ address: '127.0.0.1:{port}', weight: {} }}",
                port % 3 + 1
            )
        })
        .collect();
    let text = format!(
        "admin: {{ address: 'off' }}\n\
         listeners: [{{ name: http, address: '127.0.0.1:0' }}]\n\
         routes: [{{ name: all, pool: p }}]\n\
         pools: [{{ name: p, balancer: {balancer}, slow_start: 1h, \
         endpoints: [{}, {{ address: '127.0.0.1:20', backup: true }}] }}]\n",
        endpoints.join(", ")
    );
    let mut diagnostics = Diagnostics::default();
    let loaded = load_str("test.yaml", &text, &|_| None, &mut diagnostics).expect("YAML");
    let config = Config::read(&loaded.root, &mut diagnostics);
    let metrics = Metrics::new().expect("every metric is registered once");
    let state = State::new(Arc::new(metrics));
    let compiled = snapshot::compile(&config, &state, &Default::default(), SystemTime::now());
    let snapshot = compiled
        .snapshot
        .unwrap_or_else(|| panic!("{}", compiled.diagnostics));
    let pool = Arc::clone(&snapshot.pools[0]);
    for endpoint in &pool.members().endpoints[..5] {
        endpoint.state.rises(Instant::now());
    }
    pool
}

/// Picks, and takes and gives back leases, with endpoints that are available, that are tried already and that are not
/// available at all.
fn work(pool: &Pool, tried: &[Tried]) -> usize {
    let members = pool.members();
    let start = Instant::now();
    let mut picked = 0;
    for step in 0..300u32 {
        let now = start + Duration::from_millis(7) * step;
        for tried in tried {
            let ask = Ask {
                now,
                tried,
                key: Some(u64::from(step)),
                fail_open: false,
            };
            picked += usize::from(members.pick(&ask).is_some());
            let wanted = Wanted {
                key: Some(u64::from(step)),
                ..Wanted::new(tried)
            };
            let first = pool.try_lease(&wanted, now);
            let second = pool.try_lease(&wanted, now);
            for (lease, status) in [(first, 200), (second, 503)] {
                if let Ok(mut lease) = lease {
                    lease.settle(Ending::Answered(status), now + Duration::from_millis(3));
                    picked += 1;
                }
            }
        }
    }
    picked
}

#[test]
fn no_pick_and_no_lease_allocates() {
    for balancer in BALANCERS {
        let pool = pool(balancer);
        let mut some = Tried::default();
        pool.members().endpoints[..3]
            .iter()
            .for_each(|endpoint| some.insert(endpoint));
        let tried = [Tried::default(), some];
        // Once before, for what is made when it is first used.
        work(&pool, &tried);
        let mut picked = 0;
        let all = measure(|| picked = work(&pool, &tried));
        assert_eq!(picked, 1800, "{balancer}");
        assert_eq!(all.count_total, 0, "{balancer}: {all:?}");

        // All but the last and the backup are down; then all but the backup; then all.
        for (down, wanted) in [(0..18, 1800), (18..19, 1800), (19..20, 0)] {
            for endpoint in &pool.members().endpoints[down] {
                endpoint.state.set_drained(true);
            }
            let all = measure(|| picked = work(&pool, &tried));
            assert_eq!(picked, wanted, "{balancer}");
            assert_eq!(all.count_total, 0, "{balancer}: {all:?}");
        }
    }
}

#[test]
fn what_allocates_is_counted() {
    let one = measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(one.count_total, 1);
}
