//! Is there no key whose difference goes untold?

use serde_json::{Value, json};

use super::lines;
use crate::config::diff::{Kind, Section, diff};
use crate::config::tests::{REFERENCE, collect_keys, read};
use crate::config::{Config, schema};

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
