//! Do typed values and diagnostics come out of a tree as an operator expects?

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::Spanned;
use super::{loaded, told, value};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Site {
    #[serde(default)]
    routes: Vec<Route>,
    #[serde(default)]
    pools: BTreeMap<String, Pool>,
    #[serde(default)]
    limit: u32,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Route {
    path: String,
    pool: Spanned<String>,
    #[serde(default, alias = "prio")]
    priority: i8,
    note: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Pool {
    endpoints: Vec<Endpoint>,
    #[serde(default)]
    balancer: Balancer,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Endpoint {
    address: IpAddr,
    #[serde(default)]
    weight: Option<NonZeroU16>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Balancer {
    #[default]
    RoundRobin,
    Hash {
        header: String,
    },
    Least(u8),
    Pair(u8, u8),
}

#[test]
fn a_document_without_problems_becomes_its_value() {
    let site: Site = value(
        "routes:\n- {path: /, pool: web, prio: -1, note: ~}\npools:\n  web:\n    endpoints:\n    - address: 10.0.0.1\n      weight: 3\n    balancer: {hash: {header: Host}}\n",
    );
    let pool = &site.pools["web"];
    assert_eq!(site.routes[0].path, "/");
    assert_eq!(site.routes[0].priority, -1);
    assert_eq!(site.routes[0].note, None);
    assert_eq!(pool.endpoints[0].weight, NonZeroU16::new(3));
    let header = "Host".to_owned();
    assert_eq!(pool.balancer, Balancer::Hash { header });
}

#[test]
fn every_problem_of_a_document_is_told_at_its_place() {
    let text = "\
routes:
- {path: /, pool: web, priority: 200}
- {pth: /, pool: web}
- path: [a]
  pool: web
  prioritty: 1
  wait: 2
- {path: /, pool: web}
- a
pools:
  a: {endpoints: [{address: 10.0.0.1}, {address: x}, {}]}
  b: {endpoints: [], balancer: hsh}
  c: {}
limit: many
";
    assert_eq!(
        told::<Site>(text),
        [
            "f:2:34: error: routes[0].priority: expected a whole number from -128 to 127, found \"200\"",
            "f:3:3: error: routes[1]: the key \"path\" is missing",
            "f:3:4: error: routes[1]: unknown key \"pth\"; did you mean \"path\"?",
            "  hint: valid keys: path, pool, prio, priority, note",
            "f:4:9: error: routes[2].path: expected a string, found a list",
            "f:6:3: error: routes[2]: unknown key \"prioritty\"; did you mean \"priority\"?",
            "  hint: valid keys: path, pool, prio, priority, note",
            "f:7:3: error: routes[2]: unknown key \"wait\"",
            "  hint: valid keys: path, pool, prio, priority, note",
            "f:9:3: error: routes[4]: expected a mapping, found \"a\"",
            "f:11:50: error: pools.a.endpoints[1].address: invalid IP address syntax",
            "f:11:54: error: pools.a.endpoints[2]: the key \"address\" is missing",
            "f:12:32: error: pools.b.balancer: unknown choice \"hsh\"; did you mean \"hash\"?",
            "  hint: valid choices: round_robin, hash, least, pair",
            "f:13:6: error: pools.c: the key \"endpoints\" is missing",
            "f:14:8: error: limit: expected a whole number from 0 to 4294967295, found \"many\"",
        ]
    );
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<u8>")]
struct NotEmpty;

impl TryFrom<Vec<u8>> for NotEmpty {
    type Error = &'static str;

    fn try_from(list: Vec<u8>) -> Result<Self, &'static str> {
        if list.is_empty() {
            return Err("must not be empty\nhint: add one");
        }
        Ok(NotEmpty)
    }
}

#[test]
fn a_check_of_a_type_does_not_blame_what_was_left_out() {
    assert_eq!(
        told::<Vec<NotEmpty>>("- [1]\n- []\n- [x]\n"),
        [
            "f:2:3: error: [1]: must not be empty",
            "  hint: add one",
            "f:3:4: error: [2][0]: expected a whole number from 0 to 255, found \"x\"",
        ]
    );
}

#[test]
fn a_scalar_is_what_its_type_asks_for() {
    assert_eq!(
        value::<Vec<String>>("[1.10, 0755, true, 'x', 1e3]"),
        ["1.10", "0755", "true", "x", "1e3"]
    );
    assert_eq!(value::<Vec<i64>>("[1, -1, 0x1F, 0o17]"), [1, -1, 31, 15]);
    assert_eq!(
        value::<Vec<f64>>("[1, 1.5, .5, -1e3]"),
        [1.0, 1.5, 0.5, -1000.0]
    );
    assert_eq!(value::<Vec<bool>>("[true, False]"), [true, false]);
    assert_eq!(
        value::<Vec<Option<u8>>>("[1, ~, null, ]"),
        [Some(1), None, None]
    );
    assert_eq!(value::<Vec<char>>("[a, 'b']"), ['a', 'b']);
    assert_eq!(
        value::<(u8, PathBuf)>("[1, /etc]"),
        (1, PathBuf::from("/etc"))
    );
    assert_eq!(
        value::<BTreeMap<u16, bool>>("{80: true}"),
        BTreeMap::from([(80, true)])
    );
}

#[test]
fn a_scalar_of_the_wrong_kind_gets_a_hint_where_one_is_known() {
    let number = "expected a whole number from 0 to 255, found";
    for (text, lines) in [
        (
            "['8']",
            vec![
                format!("f:1:2: error: [0]: {number} the string \"8\""),
                "  hint: write `8` without quotation marks".to_owned(),
            ],
        ),
        (
            "[017]",
            vec![
                format!("f:1:2: error: [0]: {number} \"017\""),
                "  hint: write `17` for the decimal number, `0o17` for the octal".to_owned(),
            ],
        ),
        (
            "[256]",
            vec![format!("f:1:2: error: [0]: {number} \"256\"")],
        ),
        ("[-1]", vec![format!("f:1:2: error: [0]: {number} \"-1\"")]),
        (
            "[1.0]",
            vec![format!("f:1:2: error: [0]: {number} \"1.0\"")],
        ),
        (
            "[~]",
            vec!["f:1:2: error: [0]: expected a whole number, found nothing".to_owned()],
        ),
    ] {
        assert_eq!(told::<Vec<u8>>(text), lines, "{text}");
    }
    assert_eq!(
        told::<Vec<bool>>("[yes, 'true']"),
        [
            "f:1:2: error: [0]: expected `true` or `false`, found \"yes\"",
            "  hint: write `true`",
            "f:1:7: error: [1]: expected `true` or `false`, found the string \"true\"",
            "  hint: write `true` without quotation marks",
        ]
    );
    assert_eq!(
        told::<Vec<String>>("[~]"),
        ["f:1:2: error: [0]: expected a string, found nothing"]
    );
    assert_eq!(
        told::<Vec<u8>>("a: b"),
        ["f:1:1: error: expected a list, found a mapping"]
    );
    assert_eq!(
        told::<(u8, u8)>("[1]"),
        ["f:1:1: error: expected a list of 2 entries, found 1"]
    );
    assert_eq!(told::<Vec<(u8, u8)>>("[[1, x], [y, 2]]").len(), 2);
    assert_eq!(
        told::<BTreeMap<u16, u8>>("{x: 1, 80: y}"),
        [
            "f:1:2: error: expected a whole number from 0 to 65535, found \"x\"",
            "f:1:12: error: [\"80\"]: expected a whole number from 0 to 255, found \"y\"",
        ]
        .map(|line| line.replace("[\"80\"]", "80"))
    );
}

#[test]
fn a_variant_is_a_word_or_a_mapping_with_one_key() {
    assert_eq!(
        value::<Vec<Balancer>>("[round_robin, {least: 2}, {pair: [1, 2]}]"),
        [
            Balancer::RoundRobin,
            Balancer::Least(2),
            Balancer::Pair(1, 2)
        ]
    );
    assert_eq!(
        value::<BTreeMap<Word, u8>>("{one: 1}"),
        BTreeMap::from([(Word::One, 1)])
    );
    let choices = "  hint: valid choices: round_robin, hash, least, pair";
    for (text, lines) in [
        (
            "[{hsh: 1}]",
            vec![
                "f:1:3: error: [0]: unknown choice \"hsh\"; did you mean \"hash\"?",
                choices,
            ],
        ),
        (
            "[{least: 1, hash: 2}]",
            vec![
                "f:1:13: error: [0]: only one key can stand here, found \"least\" and \"hash\"",
                choices,
            ],
        ),
        (
            "[{}]",
            vec!["f:1:2: error: [0]: expected one key, found none", choices],
        ),
        (
            "[[]]",
            vec![
                "f:1:2: error: [0]: expected a word or a mapping with one key, found a list",
                choices,
            ],
        ),
        (
            "[least]",
            vec![
                "f:1:2: error: [0]: \"least\" needs a value",
                "  hint: write `least:` with its value",
            ],
        ),
        (
            "[{round_robin: ~}]",
            vec![
                "f:1:2: error: [0]: \"round_robin\" takes no value",
                "  hint: write `round_robin` alone, without a colon",
            ],
        ),
        (
            "[{hash: {heder: x}}]",
            vec![
                "f:1:9: error: [0].hash: the key \"header\" is missing",
                "f:1:10: error: [0].hash: unknown key \"heder\"; did you mean \"header\"?",
                "  hint: valid keys: header",
            ],
        ),
    ] {
        assert_eq!(told::<Vec<Balancer>>(text), lines, "{text}");
    }
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
enum Word {
    One,
}

#[test]
fn a_spanned_value_knows_its_place() {
    let site: Site = value("routes:\n- path: /\n  pool: web\n");
    let pool = &site.routes[0].pool;
    assert_eq!(pool.as_str(), "web");
    assert_eq!(
        pool.position.as_ref().map(ToString::to_string).as_deref(),
        Some("f:3:9")
    );
    let nested: Spanned<Vec<Spanned<u8>>> = value("- 1\n- 2\n");
    let places: Vec<_> = nested
        .iter()
        .map(|one| one.position.as_ref().map(|at| at.line))
        .collect();
    assert_eq!(nested.position.as_ref().map(|at| at.line), Some(1));
    assert_eq!(places, [Some(1), Some(2)]);
    let keys: BTreeMap<Spanned<String>, u8> = value("a: 1\nb: 2\n");
    assert!(keys.keys().all(|key| key.position.is_some()));
}

#[test]
fn a_spanned_value_is_only_its_value_elsewhere() {
    #[derive(Debug, Deserialize, Serialize, schemars::JsonSchema)]
    struct Holder {
        port: Spanned<u16>,
    }
    let holder: Holder = serde_json::from_str("{\"port\": 80}").expect("a port");
    assert_eq!(holder.port, Spanned::new(80));
    assert_eq!(holder.port.position, None);
    assert_eq!(
        serde_json::to_string(&holder).expect("JSON"),
        "{\"port\":80}"
    );
    let schema = schemars::schema_for!(Holder);
    assert_eq!(schema.as_value()["properties"]["port"]["format"], "uint16");
}

#[test]
fn types_that_take_anything_get_the_core_types() {
    let any: serde_json::Value = value("{a: [1, -1, 1.5, true, ~, '1', x, 0755]}");
    assert_eq!(
        any,
        serde_json::json!({"a": [1, -1, 1.5, true, null, "1", "x", "0755"]})
    );

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    assert_eq!(value::<OneOrMany>("a"), OneOrMany::One("a".to_owned()));
    assert_eq!(
        value::<OneOrMany>("[a]"),
        OneOrMany::Many(vec!["a".to_owned()])
    );
    assert_eq!(told::<OneOrMany>("a: b").len(), 1);
}

#[test]
fn units_are_told_with_their_hints() {
    use crate::config::units::{ByteSize, Timespan};
    assert_eq!(value::<ByteSize>("512"), ByteSize::bytes(512));
    assert_eq!(
        told::<Vec<Timespan>>("[30, []]"),
        [
            "f:1:2: error: [0]: \"30\" is not a length of time: a number has no unit",
            "  hint: write `30s` for seconds, `30ms` for milliseconds",
            "f:1:6: error: [1]: expected a length of time such as `30s`, found a list",
        ]
    );
}

#[test]
fn ten_thousand_problems_take_no_longer_than_one_look_at_each() {
    let mut text = "routes:\n".to_owned();
    for number in 0..10_000 {
        text.push_str(&format!(
            "- {{path: /{number}, pool: web, priority: high}}\n"
        ));
    }
    let (site, diagnostics) = loaded::<Site>(&text);
    assert_eq!(site, None);
    assert_eq!(diagnostics.len(), 10_000);
}
