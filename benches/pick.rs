//! What does it cost to choose an endpoint, and to take and give back the right to use it, and does that depend on how many
//! there are?

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis::config::load::load_str;
use portcullis::config::{Config, Diagnostics};
use portcullis::pool::{Ask, Ending, Pool, Tried, Wanted};
use portcullis::snapshot;
use portcullis::state::State;
use portcullis::telemetry::Metrics;

/// Settings of a balancer with which it goes another way, beside each kind as it is by default.
const SETTINGS: [&str; 3] = [
    "{ kind: least_requests, choose: all }",
    "{ kind: ring_hash, max_load: 0 }",
    "{ kind: maglev, max_load: 0 }",
];

/// Every balancer, as it is written: the kinds are those of the configuration's schema, so that none is left out.
fn balancers() -> Vec<String> {
    let schema = portcullis::config::schema::schema();
    let kinds = schema["$defs"]["BalancerKind"]["oneOf"].as_array().cloned();
    let kinds = kinds.expect("a list of kinds");
    let kinds = kinds.iter().map(|kind| kind["const"].as_str());
    let kinds = kinds.map(|kind| kind.expect("a word").to_owned());
    kinds.chain(SETTINGS.map(str::to_owned)).collect()
}

const COUNTS: [usize; 4] = [3, 100, 1_000, 10_000];

/// A pool of so many endpoints with several weights, each of which has answered once.
fn pool(balancer: &str, count: usize) -> Arc<Pool> {
    let mut text = format!(
        "admin: {{ address: \"off\" }}\nlisteners: [{{ name: http, address: \"127.0.0.1:0\" }}]\n\
         routes: [{{ name: all, pool: p }}]\npools:\n  - name: p\n    balancer: {balancer}\n    endpoints:\n"
    );
    for number in 0..count {
        let (high, low, weight) = (number / 250, number % 250 + 1, number % 3 + 1);
        writeln!(
            text,
            "      - {{ address: \"10.0.{high}.{low}:80\", weight: {weight} }}"
        )
        .expect("a string takes everything");
    }
    let mut diagnostics = Diagnostics::default();
    let loaded =
        load_str("bench.yaml", &text, &|_| None, &mut diagnostics).expect("a valid document");
    let config = Config::read(&loaded.root, &mut diagnostics);
    let state = State::new(Arc::new(
        Metrics::new().expect("every metric is registered once"),
    ));
    let compiled = snapshot::compile(&config, &state, &Default::default(), SystemTime::UNIX_EPOCH);
    let pool = Arc::clone(&compiled.snapshot.expect("a valid configuration").pools[0]);
    let (tried, now) = (Tried::default(), Instant::now());
    let wanted = Wanted::new(&tried);
    for number in 0..3 * count as u64 {
        if let Ok(mut lease) = pool.try_lease(&wanted, now) {
            let took = Duration::from_micros(1000 + number % 97);
            lease.settle(Ending::Answered(200), now + took);
        }
    }
    pool
}

/// The name of a balancer, without what YAML needs.
fn name(balancer: &str) -> String {
    let words = balancer.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    let words = words.filter(|word| !["", "kind", "choose"].contains(word));
    words.collect::<Vec<_>>().join("-")
}

fn picks(c: &mut Criterion) {
    for balancer in &balancers() {
        let mut group = c.benchmark_group(format!("pick/{}", name(balancer)));
        for count in COUNTS {
            let pool = pool(balancer, count);
            let members = pool.members();
            let tried = Tried::default();
            let mut ask = ask(&tried, None);
            let mut key = 0u64;
            group.bench_function(BenchmarkId::from_parameter(count), |b| {
                b.iter(|| {
                    // Another key each time, which only a consistent balancer goes by.
                    key = key.wrapping_add(0x9E37_79B9_7F4A_7C15);
                    ask.key = Some(key);
                    members
                        .pick(black_box(&ask))
                        .map(|(endpoint, _)| endpoint.weight)
                });
            });
        }
        group.finish();
    }
}

/// A request for one key, or for any.
fn ask(tried: &Tried, key: Option<u64>) -> Ask<'_> {
    Ask {
        now: Instant::now(),
        tried,
        key,
        fail_open: false,
    }
}

/// Where a choice may have to go through all of them.
const LARGE: [usize; 2] = [1_000, 10_000];

fn picks_of_the_last_one(c: &mut Criterion) {
    for balancer in ["round_robin", "random", "least_requests", "ring_hash"] {
        let mut group = c.benchmark_group(format!("pick-all-but-one-drained/{balancer}"));
        for count in LARGE {
            let pool = pool(balancer, count);
            let members = pool.members();
            for (index, endpoint) in members.endpoints.iter().enumerate() {
                endpoint.state.set_drained(index != count / 2);
            }
            let tried = Tried::default();
            let mut ask = ask(&tried, None);
            let mut key = 0u64;
            group.bench_function(BenchmarkId::from_parameter(count), |b| {
                b.iter(|| {
                    key = key.wrapping_add(0x9E37_79B9_7F4A_7C15);
                    ask.key = Some(key);
                    let picked = members.pick(black_box(&ask));
                    picked.expect("one is left").0.weight
                });
            });
        }
        group.finish();
    }
}

fn picks_of_a_hot_key(c: &mut Criterion) {
    for kind in ["ring_hash", "maglev"] {
        let mut group = c.benchmark_group(format!("pick-hot-key/{kind}"));
        for count in LARGE {
            let pool = pool(&format!("{{ kind: {kind}, max_load: 1.25 }}"), count);
            let members = pool.members();
            let tried = Tried::default();
            let wanted = Wanted {
                key: Some(7),
                ..Wanted::new(&tried)
            };
            // As many as there are endpoints: those that come first for the key have long been full.
            let take = |_| pool.try_lease(&wanted, Instant::now()).expect("a lease");
            let leases: Vec<_> = (0..count).map(take).collect();
            let ask = ask(&tried, wanted.key);
            group.bench_function(BenchmarkId::from_parameter(count), |b| {
                b.iter(|| {
                    let picked = members.pick(black_box(&ask));
                    picked.expect("one has room").0.weight
                });
            });
            drop(leases);
        }
        group.finish();
    }
}

fn leases(c: &mut Criterion) {
    for balancer in ["round_robin", "least_requests", "peak_ewma"] {
        let mut group = c.benchmark_group(format!("lease/{balancer}"));
        for count in COUNTS {
            let pool = pool(balancer, count);
            let tried = Tried::default();
            let wanted = Wanted {
                key: Some(7),
                ..Wanted::new(&tried)
            };
            group.bench_function(BenchmarkId::from_parameter(count), |b| {
                b.iter(|| {
                    let now = Instant::now();
                    let mut lease = pool.try_lease(black_box(&wanted), now).ok()?;
                    lease.settle(Ending::Answered(200), now + Duration::from_millis(1));
                    Some(lease)
                });
            });
        }
        group.finish();
    }
}

criterion_group!(
    benches,
    picks,
    picks_of_the_last_one,
    picks_of_a_hot_key,
    leases
);
criterion_main!(benches);
