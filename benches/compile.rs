//! How long does a reload keep an operator waiting, and where does the time go?

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::SystemTime;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis::config::load::load_str;
use portcullis::config::{Config, Diagnostics};
use portcullis::snapshot;
use portcullis::state::State;
use portcullis::telemetry::Metrics;

/// Routes for each pool: enough that pools are shared, few enough that there are many.
const ROUTES_PER_POOL: usize = 10;

/// A configuration as a platform team has it: a host for each customer, some paths below it, shared pools.
fn written(routes: usize) -> String {
    let mut text = String::from(
        "admin: { address: \"off\" }\nlisteners:\n  - { name: http, address: \"127.0.0.1:0\" }\nroutes:\n",
    );
    for number in 0..routes {
        write!(
            text,
            "  - name: route-{number}\n    match:\n      hosts: [host-{}.example.com]\n      paths:\n        - prefix: /service-{number}\n    request_headers:\n      set: {{ X-Route: \"{number}\" }}\n    pool: pool-{}\n",
            number / 4,
            number / ROUTES_PER_POOL,
        )
        .expect("a string takes everything");
    }
    text.push_str("pools:\n");
    for number in 0..routes.div_ceil(ROUTES_PER_POOL) {
        writeln!(
            text,
            "  - {{ name: pool-{number}, endpoints: [\"10.0.{}.{}:8080\", \"10.1.{0}.{1}:8080\"] }}",
            number / 250,
            number % 250 + 1,
        )
        .expect("a string takes everything");
    }
    text
}

fn read(text: &str) -> Config {
    let mut diagnostics = Diagnostics::default();
    let loaded =
        load_str("bench.yaml", text, &|_| None, &mut diagnostics).expect("a valid document");
    let config = Config::read(&loaded.root, &mut diagnostics);
    assert!(!diagnostics.has_errors(), "a valid configuration");
    config
}

fn compile(config: &Config, state: &State) -> snapshot::Compiled {
    snapshot::compile(config, state, &Default::default(), SystemTime::UNIX_EPOCH)
}

fn reload(c: &mut Criterion) {
    let mut group = c.benchmark_group("reload");
    group.sample_size(10);
    for routes in [1_000, 10_000] {
        let text = written(routes);
        group.bench_function(BenchmarkId::new("document", routes), |b| {
            b.iter(|| {
                load_str(
                    "bench.yaml",
                    black_box(&text),
                    &|_| None,
                    &mut Diagnostics::default(),
                )
            });
        });
        group.bench_function(BenchmarkId::new("document-and-values", routes), |b| {
            b.iter(|| read(black_box(&text)));
        });
        let config = read(&text);
        let state = State::new(Arc::new(Metrics::new().expect("metrics that fit together")));
        // The generation that serves holds the state, as it does in a reload.
        let serving = compile(&config, &state);
        assert!(serving.snapshot.is_some(), "a configuration that compiles");
        group.bench_function(BenchmarkId::new("snapshot", routes), |b| {
            b.iter(|| compile(black_box(&config), &state));
        });
        group.bench_function(BenchmarkId::new("whole", routes), |b| {
            b.iter(|| compile(&read(black_box(&text)), &state));
        });
    }
    group.finish();
}

criterion_group!(benches, reload);
criterion_main!(benches);
