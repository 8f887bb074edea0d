//! What does it cost a request that its pool guards itself with a breaker and by ejecting endpoints?

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::config::load::load_str;
use portcullis::config::{Config, Diagnostics};
use portcullis::error::Reason;
use portcullis::pool::{Ending, Lesson, Pool, Tried, Wanted};
use portcullis::snapshot;
use portcullis::state::State;
use portcullis::telemetry::Metrics;

/// What a pool may have, from nothing to everything.
const GUARDS: [(&str, &str); 4] = [
    ("none", ""),
    ("in-a-row", "breaker: { consecutive_failures: 4000000000 }"),
    (
        "window",
        "breaker: { error_ratio: 100, slow_ratio: 100, slow_after: 1h, min_requests: 4000000000 }",
    ),
    (
        "all",
        "breaker: { consecutive_failures: 4000000000 }, ejection: { consecutive_failures: 4000000000 }, panic_threshold: 50",
    ),
];

fn pool(state: &State, guards: &str) -> Arc<Pool> {
    let text = format!(
        "listeners: [{{ name: http, address: '127.0.0.1:0' }}]\nroutes: [{{ name: all, pool: p }}]\n\
         pools: [{{ name: p, endpoints: ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'], {guards} }}]\n"
    );
    let mut diagnostics = Diagnostics::default();
    let loaded = load_str("bench.yaml", &text, &|_| None, &mut diagnostics).expect("a document");
    let config = Config::read(&loaded.root, &mut diagnostics);
    let compiled = snapshot::compile(&config, state, &Default::default(), SystemTime::UNIX_EPOCH);
    let snapshot = compiled.snapshot.expect("a configuration that compiles");
    Arc::clone(&snapshot.pools[0])
}

fn lesson(ending: Ending) -> Lesson {
    Lesson {
        ending,
        took: Duration::from_millis(1),
    }
}

fn guards(c: &mut Criterion) {
    let metrics = Metrics::new().expect("metrics that fit together");
    let state = State::new(Arc::new(metrics));
    let success = lesson(Ending::Answered(200));
    let failure = lesson(Ending::Failed(Reason::UpstreamReset));
    for (name, settings) in GUARDS {
        let mut group = c.benchmark_group(format!("guards/{name}"));
        let pool = pool(&state, settings);
        let endpoint = Arc::clone(&pool.members().endpoints[0]);
        let now = Instant::now();
        group.bench_function("refusal", |b| {
            b.iter(|| black_box(&endpoint).refusal(now, false));
        });
        for (what, lesson) in [("success", success), ("failure", failure)] {
            group.bench_function(format!("acquire-and-record-{what}"), |b| {
                b.iter(|| {
                    let permit = endpoint
                        .breaker
                        .acquire(&endpoint, now)
                        .expect("it is closed");
                    endpoint
                        .breaker
                        .record(&endpoint, permit, black_box(lesson), now);
                });
            });
        }
        group.bench_function("lease-settle-drop", |b| {
            let tried = Tried::default();
            let wanted = Wanted::new(&tried);
            b.iter(|| {
                let mut lease = pool.try_lease(black_box(&wanted), now).expect("a lease");
                lease.settle(Ending::Answered(200), now);
            });
        });
        group.finish();
    }
}

criterion_group!(benches, guards);
criterion_main!(benches);
