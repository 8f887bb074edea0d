//! Do two requests have the same key exactly when they mean the same object?

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

fn parts<'r>(query: Option<&'r str>, fields: &'r HeaderMap) -> KeyParts<'r> {
    KeyParts {
        scheme: "https",
        host: "a.example",
        port: None,
        path: "/x",
        query,
        fields,
    }
}

fn key(rule: &KeyRule, space: &str, parts: &KeyParts<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    rule.write(space, parts, &mut out);
    out
}

fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::try_from(*name).expect("a name");
        fields.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    fields
}

fn names(patterns: &[&str]) -> Names {
    let patterns = patterns.iter().map(|name| match name.strip_suffix('*') {
        Some(start) => NamePattern::Prefix(start.into()),
        None => NamePattern::Name((*name).into()),
    });
    Names::new(patterns.collect())
}

fn with_query(query: QueryRule, sort_query: bool) -> KeyRule {
    KeyRule {
        query,
        sort_query,
        ..KeyRule::default()
    }
}

fn shown(rule: &KeyRule, query: &str) -> Option<String> {
    rule.query(Some(query)).map(Cow::into_owned)
}

#[test]
fn whatever_an_endpoint_could_answer_by_tells_keys_apart() {
    let none = HeaderMap::new();
    let rule = KeyRule::default();
    let plain = parts(Some("a=1&b=2"), &none);
    let same = key(&rule, "s", &plain);
    assert_eq!(key(&rule, "s", &plain), same);
    let port = Some(8443);
    for other in [
        KeyParts {
            scheme: "http",
            ..plain
        },
        KeyParts {
            host: "b.example",
            ..plain
        },
        KeyParts { port, ..plain },
        KeyParts {
            path: "/X",
            ..plain
        },
        KeyParts {
            path: "/x/",
            ..plain
        },
        KeyParts {
            query: None,
            ..plain
        },
        KeyParts {
            query: Some(""),
            ..plain
        },
        KeyParts {
            query: Some("b=2&a=1"),
            ..plain
        },
        KeyParts {
            query: Some("a=1&b=2&"),
            ..plain
        },
        KeyParts {
            query: Some("a=1;b=2"),
            ..plain
        },
        KeyParts {
            query: Some("%61=1&b=2"),
            ..plain
        },
    ] {
        assert_ne!(key(&rule, "s", &other), same, "{other:?}");
    }
    assert_ne!(key(&rule, "t", &plain), same);
    let empty = parts(Some(""), &none);
    assert_ne!(
        key(&rule, "s", &empty),
        key(&rule, "s", &parts(None, &none))
    );
}

#[test]
fn what_the_rule_leaves_out_does_not() {
    let none = HeaderMap::new();
    let rule = KeyRule {
        scheme: false,
        host: false,
        query: QueryRule::None,
        ..KeyRule::default()
    };
    let one = parts(Some("a=1"), &none);
    let other = KeyParts {
        scheme: "http",
        host: "b.example",
        port: Some(81),
        query: None,
        ..one
    };
    assert_eq!(key(&rule, "s", &one), key(&rule, "s", &other));
    assert_eq!(rule.url(&other), "/x");
    // Of another rule they are others.
    assert_ne!(key(&rule, "s", &one), key(&KeyRule::default(), "s", &one));
}

#[test]
fn fields_and_cookies_count_by_all_of_their_values() {
    let rule = KeyRule {
        headers: Box::new([HeaderName::from_static("x-country")]),
        cookies: Box::new(["lang".into()]),
        ..KeyRule::default()
    };
    let all = [
        fields(&[]),
        fields(&[("x-country", "")]),
        fields(&[("x-country", "de")]),
        fields(&[("x-country", "de"), ("x-country", "")]),
        fields(&[("x-country", "de"), ("x-country", "fr")]),
        fields(&[("x-country", "fr"), ("x-country", "de")]),
        fields(&[("x-country", "de, fr")]),
        fields(&[("cookie", "lang=")]),
        fields(&[("cookie", "lang=de")]),
        fields(&[("cookie", "lang=de; lang=fr")]),
        fields(&[("cookie", "lang=\"de\"")]),
    ];
    let keys: Vec<_> = all
        .iter()
        .map(|fields| key(&rule, "s", &parts(None, fields)))
        .collect();
    for (index, one) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(one), "{:?}", all[index]);
    }
    let other = fields(&[("x-other", "de"), ("cookie", "language=de")]);
    assert_eq!(key(&rule, "s", &parts(None, &other)), keys[0]);
    let lines = fields(&[("cookie", "a=1"), ("cookie", "b=2;lang=de")]);
    assert_eq!(key(&rule, "s", &parts(None, &lines)), keys[8]);
    assert!(!rule.is_url_alone() && KeyRule::default().is_url_alone());
}

#[test]
fn the_same_value_of_another_field_is_another_key() {
    let by = |headers: &[&'static str], cookies: &[&str]| KeyRule {
        headers: headers
            .iter()
            .map(|name| HeaderName::from_static(name))
            .collect(),
        cookies: cookies.iter().map(|name| (*name).into()).collect(),
        ..KeyRule::default()
    };
    let fields = fields(&[("x-a", "1"), ("x-b", "1"), ("cookie", "a=1; b=1")]);
    let rules = [
        by(&[], &[]),
        by(&["x-a"], &[]),
        by(&["x-b"], &[]),
        by(&["x-a", "x-b"], &[]),
        by(&[], &["a"]),
        by(&[], &["b"]),
        by(&[], &["a", "b"]),
    ];
    let keys: Vec<_> = rules
        .iter()
        .map(|rule| key(rule, "s", &parts(None, &fields)))
        .collect();
    for (index, one) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(one), "{index}");
    }
}

#[test]
fn parameters_are_kept_by_their_decoded_names() {
    let allow = with_query(QueryRule::Allow(names(&["a", "page_*"])), false);
    for (query, left) in [
        ("a=1&b=2&page_size=3&page=4&a", Some("a=1&page_size=3&a")),
        ("%61=1&p%61ge_x=2&%62=3", Some("%61=1&p%61ge_x=2")),
        ("b=2", None),
        ("", None),
        ("a", Some("a")),
        ("A=1", None),
        ("b=1;a=2", None),
        ("a=1;b=2", Some("a=1;b=2")),
        ("?a=1", None),
    ] {
        assert_eq!(shown(&allow, query).as_deref(), left, "{query}");
    }
    let deny = with_query(QueryRule::Deny(names(&["fbclid", "utm_*"])), false);
    for (query, left) in [
        ("utm_source=x&a=1&fbclid=y&&b=2", Some("a=1&&b=2")),
        ("utm%5Fsource=x", None),
        ("utm=x", Some("utm=x")),
        ("", Some("")),
        ("utm_source=x;a=1", None),
    ] {
        assert_eq!(shown(&deny, query).as_deref(), left, "{query}");
    }
    assert_eq!(shown(&with_query(QueryRule::None, true), "a=1"), None);
    assert_eq!(allow.query(None), None);
}

#[test]
fn sorted_parameters_of_one_name_keep_their_order() {
    let rule = with_query(QueryRule::All, true);
    for (query, sorted) in [
        ("b=2&a=1", "a=1&b=2"),
        ("b=2&a=2&b=1&a=1", "a=2&a=1&b=2&b=1"),
        ("b=1&a=1&%61=0", "a=1&%61=0&b=1"),
        ("a=1&%61=0", "a=1&%61=0"),
        ("b&a&", "&a&b"),
        ("", ""),
    ] {
        assert_eq!(shown(&rule, query).as_deref(), Some(sorted), "{query}");
    }
    let filtered = with_query(QueryRule::Deny(names(&["x"])), true);
    assert_eq!(shown(&filtered, "b=2&x=1&a=1").as_deref(), Some("a=1&b=2"));
}

#[test]
fn nothing_is_allocated_for_a_query_that_stays_as_it_came() {
    for rule in [
        with_query(QueryRule::All, true),
        with_query(QueryRule::Allow(names(&["a", "b"])), true),
        with_query(QueryRule::Deny(names(&["c"])), true),
    ] {
        assert!(matches!(
            rule.query(Some("a=1&b=2")),
            Some(Cow::Borrowed(_))
        ));
    }
}

#[test]
fn a_url_is_what_a_purge_names() {
    let none = HeaderMap::new();
    let rule = with_query(QueryRule::Deny(names(&["utm_*"])), false);
    let plain = parts(Some("a=1&utm_x=2"), &none);
    assert_eq!(rule.url(&plain), "a.example/x?a=1");
    let ported = KeyParts {
        port: Some(8080),
        query: None,
        ..plain
    };
    assert_eq!(rule.url(&ported), "a.example:8080/x");
}

/// What tells objects apart, told in another way than the key tells it.
type Meaning = (
    String,
    (Option<String>, Option<String>, Option<u16>),
    String,
    Option<String>,
    Vec<(String, Vec<String>)>,
);

#[derive(Clone, Debug)]
struct Asked {
    space: String,
    scheme: String,
    host: String,
    port: Option<u16>,
    path: String,
    query: Option<String>,
    lines: Vec<(&'static str, String)>,
    rule: (bool, bool, Vec<&'static str>),
}

impl Asked {
    fn key(&self) -> Vec<u8> {
        let lines: Vec<_> = self
            .lines
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let fields = fields(&lines);
        let rule = KeyRule {
            scheme: self.rule.0,
            host: self.rule.1,
            headers: self
                .rule
                .2
                .iter()
                .map(|name| HeaderName::from_static(name))
                .collect(),
            ..KeyRule::default()
        };
        let parts = KeyParts {
            scheme: &self.scheme,
            host: &self.host,
            port: self.port,
            path: &self.path,
            query: self.query.as_deref(),
            fields: &fields,
        };
        key(&rule, &self.space, &parts)
    }

    fn meaning(&self) -> Meaning {
        let (scheme, host, headers) = &self.rule;
        let of = |name: &str| -> Vec<String> {
            let lines = self.lines.iter().filter(|(line, _)| *line == name);
            lines.map(|(_, value)| value.clone()).collect()
        };
        (
            self.space.clone(),
            (
                scheme.then(|| self.scheme.clone()),
                host.then(|| self.host.clone()),
                self.port.filter(|_| *host),
            ),
            self.path.clone(),
            self.query.clone(),
            headers
                .iter()
                .map(|name| ((*name).to_owned(), of(name)))
                .collect(),
        )
    }
}

/// Texts that are easily taken for one another, and for what frames them.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[\u{0}-\u{5}ab/?]{0,3}",
        1 => "[a\u{1}]{126,130}",
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    let port = prop_oneof![Just(None), Just(Some(97)), any::<u16>().prop_map(Some)];
    let name = || prop_oneof![Just("a"), Just("b")];
    let lines = proptest::collection::vec((name(), "[ab]{0,2}"), 0..3);
    let headers = prop_oneof![
        Just(vec![]),
        Just(vec!["a"]),
        Just(vec!["b"]),
        Just(vec!["a", "b"])
    ];
    (
        (text(), text(), text(), port, text()),
        proptest::option::of(text()),
        lines,
        (any::<bool>(), any::<bool>(), headers),
    )
        .prop_map(
            |((space, scheme, host, port, path), query, lines, rule)| Asked {
                space,
                scheme,
                host,
                port,
                path,
                query,
                lines,
                rule,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keys_are_the_same_exactly_when_all_that_counts_is(one in asked(), other in asked()) {
        prop_assert_eq!(one.key() == other.key(), one.meaning() == other.meaning());
    }

    #[test]
    fn one_difference_makes_another_key(one in asked(), other in asked(), part in 0..8) {
        let mut near = one.clone();
        match part {
            0 => near.space = other.space,
            1 => near.scheme = other.scheme,
            2 => near.host = other.host,
            3 => near.port = other.port,
            4 => near.path = other.path,
            5 => near.query = other.query,
            6 => near.lines = other.lines,
            _ => near.rule = other.rule,
        }
        prop_assert_eq!(one.key() == near.key(), one.meaning() == near.meaning());
    }

    #[test]
    fn no_key_begins_as_another(one in asked(), other in asked()) {
        let (one, other) = (one.key(), other.key());
        prop_assert!(one == other || !one.starts_with(&other));
    }

    #[test]
    fn a_query_that_was_filtered_and_sorted_stays_as_it_is(query in "[ab&=%61+;]{0,16}") {
        for rule in [
            with_query(QueryRule::Allow(names(&["a"])), true),
            with_query(QueryRule::Deny(names(&["a*", ""])), true),
            with_query(QueryRule::All, true),
        ] {
            let once = rule.query(Some(&query)).map(Cow::into_owned);
            let twice = rule.query(once.as_deref()).map(Cow::into_owned);
            prop_assert_eq!(&once, &twice);
            // What is left is what an endpoint would find under the names that are kept.
            let left = once.unwrap_or_default();
            for name in ["a", "b"] {
                let before: Vec<_> = crate::route::query_values(&query, name).collect();
                let after: Vec<_> = crate::route::query_values(&left, name).collect();
                let kept = rule.query.keeps(name.as_bytes());
                prop_assert_eq!(after, if kept { before } else { Vec::new() });
            }
        }
    }
}
