//! What does finding a route cost, and does it depend on how many there are?

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, Method};
use portcullis::route::{
    HostPattern, Matcher, PathPattern, Request, RouteTable, normalise_host, normalise_path,
};

/// Near the golden section of 10,000 and without a divisor in common with it: visits a whole table in
/// an order no cache can guess.
const STRIDE: usize = 6_177;

fn host_route(number: usize) -> Matcher {
    Matcher {
        hosts: vec![HostPattern::parse(&host(number)).expect("a valid host")],
        ..Matcher::default()
    }
}

fn path_route(number: usize) -> Matcher {
    Matcher {
        hosts: vec![HostPattern::parse("api.example.com").expect("a valid host")],
        paths: vec![PathPattern::prefix(&path(number)).expect("a valid path")],
        ..Matcher::default()
    }
}

fn host(number: usize) -> String {
    format!("host-{number:05}.example.com")
}

fn path(number: usize) -> String {
    format!("/service-{number:05}/v1")
}

fn lookups(c: &mut Criterion, name: &str, counts: &[usize], route: fn(usize) -> Matcher) {
    let headers = HeaderMap::new();
    let mut group = c.benchmark_group(name);
    for count in counts {
        let routes: Vec<Matcher> = (0..*count).map(route).collect();
        let table = RouteTable::build(&routes);
        // As many requests for every table, so that only the tables differ in size.
        let requests: Vec<(String, String)> = (0..10_000)
            .map(|number| {
                let wanted = number * STRIDE % count;
                if routes[wanted].paths.is_empty() {
                    (host(wanted), "/v1/items/42".to_owned())
                } else {
                    (
                        "api.example.com".to_owned(),
                        format!("{}/items/42", path(wanted)),
                    )
                }
            })
            .collect();
        let mut next = requests.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| {
                let (host, path) = next.next()?;
                table.find(black_box(&Request {
                    host,
                    path,
                    query: None,
                    method: &Method::GET,
                    headers: &headers,
                }))
            });
        });
    }
    group.finish();
}

fn hosts(c: &mut Criterion) {
    lookups(c, "lookup/hosts", &[10, 1_000, 10_000], host_route);
}

fn paths(c: &mut Criterion) {
    lookups(c, "lookup/paths", &[10, 1_000], path_route);
}

fn build(c: &mut Criterion) {
    let mut group = c.benchmark_group("build");
    group.sample_size(20);
    for (name, route) in [
        ("hosts", host_route as fn(usize) -> Matcher),
        ("paths", path_route),
    ] {
        let routes: Vec<Matcher> = (0..10_000).map(route).collect();
        group.bench_function(BenchmarkId::new(name, routes.len()), |b| {
            b.iter(|| RouteTable::build(black_box(&routes)));
        });
        let table = RouteTable::build(&routes);
        group.bench_function(
            BenchmarkId::new(format!("{name}-checked"), routes.len()),
            |b| {
                b.iter(|| (table.conflicts(), table.unreachable()));
            },
        );
    }
    group.finish();
}

fn normal_forms(c: &mut Criterion) {
    let mut group = c.benchmark_group("normalise");
    for (name, path) in [
        ("root", "/"),
        ("normal", "/api/v1/users/12345/items"),
        ("normal-escapes", "/search/caf%C3%A9/%5Ba%5D"),
        ("rewritten", "/api//v1/%7euser/../items"),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| normalise_path(black_box(path.as_bytes())).is_ok())
        });
    }
    for (name, host) in [
        ("host", "www.example.com:8443"),
        ("host-upper", "WWW.Example.com"),
    ] {
        group.bench_function(name, |b| b.iter(|| normalise_host(black_box(host)).is_ok()));
    }
    group.finish();
}

criterion_group!(benches, hosts, paths, build, normal_forms);
criterion_main!(benches);
