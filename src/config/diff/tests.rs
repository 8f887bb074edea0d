//! Is every difference told, in one short line and without secrets?

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Difference, Kind, Section, diff, reconnects};
use crate::config::tests::{REFERENCE, collect_keys, read};
use crate::config::{Config, schema};

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
fn a_changed_key_is_told_with_both_values() {
    assert_eq!(
        told("':80'", "':8080', http2: false"),
        ["listener web: changed: address :80 -> :8080; http2 true -> false"]
    );
    assert_eq!(
        told("listeners:", "log: { level: debug }\nlisteners:"),
        ["log: changed: level info -> debug"]
    );
    assert_eq!(
        told("hosts: [shop.example.com]", "hosts: [a.example, b.example]"),
        ["route shop: changed: match.hosts [shop.example.com] -> [a.example, b.example]"]
    );
    assert_eq!(
        told_of_route("pool: app", "pool: app, max_body: 1MiB"),
        ["route shop: changed: max_body unset -> 1MiB"]
    );
    assert_eq!(
        told_of_route(
            "respond: { body: unset }",
            "respond: { body: 'a; route b: added' }"
        ),
        ["route shop: changed: respond.body \"unset\" -> \"a; route b: added\""]
    );
}

#[test]
fn a_long_list_or_mapping_is_only_named() {
    let networks: Vec<String> = (0..9).map(|index| format!("10.{index}.0.0/16")).collect();
    let proxies = format!("forwarding: {{ trusted_proxies: {networks:?} }}\nlisteners:");
    let proxies = proxies.replace('"', "'");
    assert_eq!(
        told("listeners:", &proxies),
        ["forwarding: changed: trusted_proxies"]
    );
    assert_eq!(
        told("a.pem", "certificates/renewed.pem"),
        ["listener https: changed: tls.certificates"]
    );
    assert_eq!(
        told(
            ", tls: { certificates: [{ certificate: a.pem, key: a.key }] }",
            ""
        ),
        ["listener https: changed: tls removed"]
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
fn a_secret_is_told_of_without_its_value() {
    let headers = |value: &str| {
        format!("pool: app, request_headers: {{ set: {{ Authorization: {value} }} }}")
    };
    assert_eq!(
        told_of_route(&headers("hunter2"), &headers("hunter3")),
        ["route shop: changed: request_headers.set.Authorization"]
    );
    assert_eq!(
        told_of_route("pool: app", &headers("hunter2")),
        ["route shop: changed: request_headers added"]
    );
    assert_eq!(
        told_of_route(
            "pool: app, request_headers: { set: { X-Env: a } }",
            "pool: app, request_headers: { set: { X-Env: b, X-Api-Key: hunter2 } }"
        ),
        [
            "route shop: changed: request_headers.set.X-Api-Key added; request_headers.set.X-Env a -> b"
        ]
    );
    let sticky = |secret: &str, former: &str| {
        let cookie = format!("{{ secret: {secret}, previous_secret: {former} }}");
        read(&format!(
            "pools: [{{ name: app, endpoints: ['a:1'], sticky: {{ cookie: {cookie} }} }}]"
        ))
    };
    assert_eq!(
        lines(&diff(
            &sticky("hunter2", "hunter1"),
            &sticky("hunter3", "hunter2")
        )),
        ["pool app: changed: sticky.cookie.previous_secret; sticky.cookie.secret"]
    );
    let jwt = |secret: &str| format!("pool: app, jwt: {{ secret: {secret}, algorithms: [HS256] }}");
    assert_eq!(
        told_of_route(&jwt("hunter2"), &jwt("hunter3")),
        ["route shop: changed: jwt.secret"]
    );
    for list in ["headers", "query"] {
        let matching = |value: &str| {
            format!("pool: app, match: {{ {list}: [{{ name: token, exact: {value} }}] }}")
        };
        assert_eq!(
            told_of_route(&matching("hunter2"), &matching("hunter3")),
            [format!("route shop: changed: match.{list}")]
        );
    }
}

#[test]
fn a_line_is_short_and_stays_one_line() {
    let endpoints = |net: u8| {
        let list: Vec<String> = (0..100)
            .map(|index| format!("'10.0.{net}.{index}:80'"))
            .collect();
        format!("pools: [{{ name: app, endpoints: [{}] }}]", list.join(", "))
    };
    let told = lines(&diff(&read(&endpoints(1)), &read(&endpoints(2))));
    assert_eq!(told.len(), 1);
    assert!(
        told[0].ends_with("10.0.2.7:80 added, and 192 more"),
        "{told:?}"
    );

    let headers = |value: &str| {
        let set: Vec<String> = (0..20).map(|name| format!("H-{name}: {value}")).collect();
        format!(
            "pool: app, response_headers: {{ set: {{ {} }} }}",
            set.join(", ")
        )
    };
    let difference = diff(
        &read(&format!("routes: [{{ name: shop, {} }}]", headers("a"))),
        &read(&format!("routes: [{{ name: shop, {} }}]", headers("b"))),
    );
    assert_eq!(difference.changes[0].details.len(), 9);
    assert!(lines(&difference)[0].ends_with("; and 12 more"));

    let (long, longer) = ("x".repeat(10_000), "x".repeat(10_001));
    let respond = |body: &str| format!("respond: {{ body: \"{body}\" }}");
    let told = told_of_route(&respond("a\\n\\eb\\u202e"), &respond(&long));
    let cut = "x".repeat(60);
    assert_eq!(
        told,
        [format!(
            "route shop: changed: respond.body \"a\\n\\u{{1b}}b\\u{{202e}}\" -> \"{cut}\"…"
        )]
    );
    assert_eq!(
        told_of_route(&respond(&long), &respond(&longer)),
        ["route shop: changed: respond.body"]
    );

    let mut unchecked = read("routes: [{ name: shop, pool: app }]");
    unchecked.routes[0].name.value = "a\nb: added\r".to_owned();
    let told = lines(&diff(&Config::default(), &unchecked));
    assert_eq!(told, ["route \"a\\nb: added\\r\": added"]);
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

/// What [`REFERENCE`] leaves out, because it is given in one of several ways or empty.
const MORE: &str = "
access_log: { fields: [time], headers: { request: [X-A], response: [X-B] }, slow: 1s }
cache: { disk: { path: /var/cache/a, size: 10GiB } }
listeners:
  - name: more
    address: ':1'
    proxy_protocol: { mode: required, trusted: [10.0.0.1] }
    ip_filter: { allow_files: [a.txt], deny_files: [b.txt] }
    limits: { exempt_clients: [10.0.0.7], new_connections_per_client: 20/s, new_connections_burst: 40 }
    tls: { certificates: [{ certificate: a.pem, key: a.key, names: [a.example] }] }
routes:
  - name: more
    listeners: [more]
    match:
      hosts: [a.example]
      paths: [{ regex: /a }]
      methods: [GET]
      headers: [{ name: a, exact: b }, { name: c, present: true }]
      query: [{ name: a, regex: b }]
    ip_filter: { allow: [10.0.0.0/8], deny: [10.0.0.1] }
    rate_limits:
      - { name: a, rate: 1/s, burst: 2, key: path, ipv6_prefix: 56, keys: 9, exempt: [10.0.0.1], exempt_keys: [/a] }
      - { name: b, rate: 1/s, store: redis, while_away: 50 }
    api_key: { keys: [{ name: a, sha256: b }], file: c, user_header: X-User }
    basic_auth: { file: a, users: { b: c }, user_header: X-User }
    security_headers: true
    jwt:
      jwks: keys.json
      key: key.pem
      secret: a
      secret_file: b
      algorithms: [RS256]
      issuer: https://id.example/
      audience: [api]
      leeway: 1s
      required_claims: [sub]
      claim_values: { tenant: acme }
      scopes: [read]
      from: bearer
      claims_to_headers: { X-User: sub }
      forward: true
      optional: true
      realm: api
      refresh: 1m
      cache: 5
    priority: { header: X-Priority, default: high }
    cache: { key: { query: { deny: [b] } } }
    rewrite: { path: /index, regex: { pattern: a, replacement: b } }
    redirect: { path: /new }
pools:
  - { name: fewest, endpoints: [], balancer: { kind: least_requests, choose: all } }
  - { name: latency, endpoints: [], balancer: { kind: peak_ewma, decay: 5s } }
  - name: hashed
    endpoints: ['10.0.0.1:80']
    balancer: { kind: maglev, key: path, max_load: 1.5, points: 200, table_size: 11 }
  - { name: sticky-file, endpoints: ['10.0.0.1:1'], sticky: { cookie: { secret_file: a } } }
  - { name: app-cookie, endpoints: ['10.0.0.1:1'], sticky: { app_cookie: SESSION } }
  - { name: header, endpoints: ['10.0.0.1:1'], sticky: { header: X-Session } }
  - name: asked
    endpoints: ['10.0.0.9:80']
    health: { body_regex: a, address: '10.0.0.9:81' }
";

#[test]
fn every_key_that_differs_is_told() {
    let mut reference = read(&REFERENCE);
    let more = read(MORE);
    reference.access_log = more.access_log;
    reference.cache.disk = more.cache.disk;
    reference.listeners.extend(more.listeners);
    reference.routes.extend(more.routes);
    reference.pools.extend(more.pools);
    reference.runtime.pid_file = Some("/run/a.pid".to_owned().into());
    reference.forwarding.trusted_proxies = vec!["10.0.0.1".to_owned().into()];
    assert!(diff(&reference, &reference).is_empty());

    let json = serde_json::to_value(&reference).expect("plain values");
    let mut leaves = Vec::new();
    collect_leaves(&json, String::new(), &mut leaves);
    let mut same = Vec::new();
    for leaf in &leaves {
        let Some(changed) = with_other_value(&json, leaf, &reference) else {
            same.push(leaf.as_str());
            continue;
        };
        let difference = diff(&reference, &changed);
        assert!(!difference.is_empty(), "{leaf}");
        for line in lines(&difference) {
            assert!(line.len() < 1_000 && !line.contains('\n'), "{line}");
        }
        let fixed = !difference.needs_upgrade.is_empty();
        let wanted = [
            "/runtime/threads",
            "/runtime/directory",
            "/runtime/pid_file",
            "/cache/disk/path",
        ];
        let wanted = wanted.contains(&leaf.as_str()) || leaf.starts_with("/metrics/");
        assert_eq!(fixed, wanted, "{leaf}");
        let key = leaf.rsplit('/').next().expect("a path");
        if let [change] = difference.changes.as_slice()
            && change.section == Section::Settings
            && key.parse::<usize>().is_err()
        {
            assert_eq!(change.kind, Kind::Changed);
            assert!(change.to_string().contains(key), "{change}");
        }
    }
    // They know one value only.
    same.retain(|leaf| *leaf != "/listeners/1/redirect");
    assert!(same.is_empty(), "{same:?}");

    let mut keys = Vec::new();
    collect_keys(&schema::schema(), &mut keys);
    for key in keys {
        let known = |leaf: &String| leaf.split('/').any(|part| part == key);
        assert!(key == "include" || leaves.iter().any(known), "{key}");
    }
}

fn collect_leaves(value: &Value, path: String, leaves: &mut Vec<String>) {
    match value {
        Value::Object(entries) => entries
            .iter()
            .for_each(|(key, value)| collect_leaves(value, format!("{path}/{key}"), leaves)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| collect_leaves(value, format!("{path}/{index}"), leaves)),
        _ => leaves.push(path),
    }
}

/// The configuration with another value at `leaf`: the first that its type takes.
fn with_other_value(json: &Value, leaf: &str, reference: &Config) -> Option<Config> {
    let words = [
        "7h",
        "7/m",
        "7%",
        "status",
        "local",
        "redis",
        "always",
        "3KiB",
        "1.3",
        "duplex",
        "combined",
        "debug",
        "json",
        "optional",
        "reject",
        "http2",
        "maglev",
        "ring_hash",
        "two",
        "all",
        "low",
        "strict",
        "true",
        "http1",
        "tcp",
        "checking",
        "200-204",
        "pool",
        "HEAD",
        "allow",
        "12",
        "deny",
        "always",
        "gzip",
        "br",
        "none",
        "override",
        "refuse",
    ];
    let others: Vec<Value> = match json.pointer(leaf)? {
        Value::Bool(value) => vec![json!(!value)],
        Value::Number(number) => match number.as_u64() {
            Some(whole) => vec![json!(whole + 1)],
            None => vec![json!(number.as_f64()? + 1.0)],
        },
        Value::String(text) => std::iter::once(json!(format!("{text}x")))
            .chain(words.map(Value::from))
            .collect(),
        _ => Vec::new(),
    };
    others.into_iter().find_map(|other| {
        let mut json = json.clone();
        *json.pointer_mut(leaf)? = other;
        let changed: Config = serde_json::from_value(json).ok()?;
        (changed != *reference).then_some(changed)
    })
}
