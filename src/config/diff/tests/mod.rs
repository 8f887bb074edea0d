//! Is every difference told, and nothing else?

mod every_key;
mod wording;

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Difference, diff, reconnects};
use crate::config::Config;
use crate::config::tests::read;

const BEFORE: &str = "
listeners:
  - { name: web, address: ':80' }
  - { name: https, address: ':443', tls: { certificates: [{ certificate: a.pem, key: a.key }] } }
routes:
  - { name: shop, match: { hosts: [shop.example.com] }, pool: app }
  - { name: blog, match: { hosts: [blog.example.com] }, pool: app }
  - { name: rest, pool: app }
pools:
  - { name: app, endpoints: ['10.0.0.1:8080', '10.0.0.2:8080'] }
";

fn lines(difference: &Difference) -> Vec<String> {
    let changes = difference.changes.iter().map(ToString::to_string);
    let fixed = difference.needs_upgrade.iter().map(ToString::to_string);
    changes.chain(fixed).collect()
}

/// The lines between [`BEFORE`] and the same text with `from` replaced by `to`.
fn told(from: &str, to: &str) -> Vec<String> {
    assert!(BEFORE.contains(from), "{from}");
    lines(&diff(&read(BEFORE), &read(&BEFORE.replace(from, to))))
}

fn told_of_route(before: &str, after: &str) -> Vec<String> {
    let config = |more: &str| read(&format!("routes: [{{ name: shop, {more} }}]"));
    lines(&diff(&config(before), &config(after)))
}

#[test]
fn equal_configurations_have_no_difference() {
    let difference = diff(&read(BEFORE), &read(BEFORE));
    assert!(difference.is_empty(), "{difference:?}");
}

#[test]
fn what_means_the_same_is_no_difference() {
    assert!(told("'10.0.0.1:8080'", "{ address: '10.0.0.1:8080', weight: 1 }").is_empty());
    assert!(told("pools:", "include: more.yaml\npools:").is_empty());
    assert!(told_of_route("redirect: {}", "redirect: { status: 302 }").is_empty());
    let balancer = |written: &str| {
        let pool = format!("{{ name: app, endpoints: ['10.0.0.1:80'], balancer: {written} }}");
        read(&format!("pools: [{pool}]"))
    };
    for (short, long) in [
        ("least_requests", "{ kind: least_requests, choose: two }"),
        ("peak_ewma", "{ kind: peak_ewma, decay: 10s }"),
    ] {
        assert!(diff(&balancer(short), &balancer(long)).is_empty(), "{long}");
    }
}

#[test]
fn what_came_and_what_went_is_named() {
    let shop = "  - { name: shop, match: { hosts: [shop.example.com] }, pool: app }\n";
    assert_eq!(told(shop, ""), ["route shop: removed"]);
    let new = format!("{shop}  - {{ name: new, pool: app }}\n");
    assert_eq!(told(shop, &new), ["route new: added"]);
    assert_eq!(
        told("name: https,", "name: tls,"),
        ["listener tls: added", "listener https: removed"]
    );
    assert_eq!(
        told("name: app,", "name: web,"),
        ["pool web: added", "pool app: removed"]
    );
}

#[test]
fn endpoints_are_matched_by_address() {
    let before = "['10.0.0.1:8080', '10.0.0.2:8080'] ";
    let after =
        "[{ address: '10.0.0.2:8080', weight: 5 }, '10.0.0.3:8080'], timeouts: { read: 10s } ";
    assert_eq!(
        told(before, after),
        [
            "pool app: changed: endpoints 10.0.0.3:8080 added, 10.0.0.1:8080 removed, \
          weight of 10.0.0.2:8080 1 -> 5; timeouts.read 1m -> 10s"
        ]
    );
    assert_eq!(
        told(before, "['10.0.0.2:8080', '10.0.0.1:8080'] "),
        ["pool app: changed: endpoints order changed"]
    );
}

#[test]
fn another_order_is_told_once_and_only_of_routes() {
    let shop = "  - { name: shop, match: { hosts: [shop.example.com] }, pool: app }\n";
    let blog = "  - { name: blog, match: { hosts: [blog.example.com] }, pool: app }\n";
    let (forth, back) = (format!("{shop}{blog}"), format!("{blog}{shop}"));
    assert_eq!(told(&forth, &back), ["routes: order changed"]);
    let new = "  - { name: new, pool: app }\n";
    assert_eq!(told(shop, new), ["route new: added", "route shop: removed"]);
    let listeners = read("listeners: [{ name: a, address: ':1' }, { name: b, address: ':2' }]");
    let mut turned = listeners.clone();
    turned.listeners.reverse();
    assert!(diff(&listeners, &turned).is_empty());
}

#[test]
fn what_takes_a_new_process_is_told_apart_from_what_changes() {
    let after = "runtime: { threads: 4, grace: 1m }\nlisteners:";
    let difference = diff(
        &read(BEFORE),
        &read(&BEFORE.replacen("listeners:", after, 1)),
    );
    assert_eq!(
        lines(&difference),
        [
            "runtime: changed: grace 30s -> 1m",
            "runtime.threads: 0 is running, 4 is wanted"
        ]
    );
    let difference = diff(&Config::default(), &read("runtime: { threads: 4 }"));
    assert!(difference.changes.is_empty() && !difference.is_empty());
}

#[test]
fn the_same_can_be_read_as_json() {
    let difference = diff(
        &read(BEFORE),
        &read("runtime: { threads: 2 }\nlog: { format: json }"),
    );
    let json = serde_json::to_value(&difference).expect("plain values");
    let change = json!({
        "section": "settings", "name": "log", "kind": "changed", "details": ["format text -> json"],
    });
    assert_eq!(json["changes"][0], change);
    assert_eq!(json["changes"][1]["section"], "listener");
    assert_eq!(
        json["needs_upgrade"],
        json!([{ "key": "runtime.threads", "running": "0", "wanted": "2" }])
    );
}

#[test]
fn an_endpoint_that_becomes_a_backup_changes_its_priority() {
    let endpoint = |more: &str| {
        read(&format!(
            "pools: [{{ name: app, endpoints: [{{ address: 'a:1', {more} }}] }}]"
        ))
    };
    let told = lines(&diff(&endpoint("weight: 1"), &endpoint("backup: true")));
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("priority of a:1 0 -> 255"), "{told:?}");
    let printed = endpoint("backup: true, priority: 255");
    assert!(diff(&endpoint("backup: true"), &printed).is_empty());
}

#[test]
fn connections_go_on_unless_they_were_set_up_otherwise() {
    let listener = |more: &str| {
        let config = read(&format!(
            "listeners: [{{ name: web, address: ':80', {more} }}]"
        ));
        config.listeners[0].clone()
    };
    let tls = |more: &str| {
        listener(&format!(
            "tls: {{ certificates: [{{ certificate: a.pem, key: a.key }}], {more} }}"
        ))
    };
    let plain = listener("");
    for other in [
        tls(""),
        listener("http2: false"),
        listener("proxy_protocol: { mode: required, trusted: [10.0.0.1] }"),
    ] {
        assert!(reconnects(&plain, &other), "{other:?}");
        assert!(reconnects(&other, &plain), "{other:?}");
    }
    assert!(reconnects(&tls(""), &tls("min_version: 1.3")));
    assert!(reconnects(&tls(""), &tls("unknown_name: reject")));

    let mut renewed = tls("hsts: { max_age: 1d }");
    renewed.limits.requests.value = 1;
    renewed.timeouts.idle.value = crate::config::Timespan::secs(1);
    if let Some(tls) = &mut renewed.tls {
        tls.certificates[0].certificate.value = "b.pem".to_owned();
    }
    assert!(!reconnects(&tls(""), &renewed));
    assert!(!reconnects(&plain, &plain));
}

#[test]
fn ten_thousand_routes_take_no_time() {
    let mut old = read(BEFORE);
    let route = old.routes[0].clone();
    old.routes = (0..10_000)
        .map(|index| {
            let mut route = route.clone();
            route.name.value = format!("route-{index}");
            route
        })
        .collect();
    let mut new = old.clone();
    new.routes.swap(0, 9_999);
    new.routes[5_000].https_redirect = true;
    let start = Instant::now();
    let difference = diff(&old, &new);
    let took = start.elapsed();
    assert_eq!(
        lines(&difference),
        [
            "route route-5000: changed: https_redirect false -> true",
            "routes: order changed"
        ]
    );
    // Quadratic, it would be minutes without optimisation.
    assert!(took < Duration::from_secs(2), "{took:?}");
}
