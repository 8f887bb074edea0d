//! Is a difference told in one short line, and without secrets?

use super::{lines, told, told_of_route};
use crate::config::Config;
use crate::config::diff::diff;
use crate::config::tests::read;

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
