//! Which requests have the same key?

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::*;

struct Asked {
    host: &'static str,
    path: &'static str,
    query: Option<&'static str>,
    headers: HeaderMap,
    client: Option<&'static str>,
}

fn asked(fields: &[(&str, &str)]) -> Asked {
    let headers = fields.iter().map(|(name, value)| {
        let name = HeaderName::try_from(*name).expect("a name");
        (
            name,
            HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
        )
    });
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value);
    }
    Asked {
        host: "a.example",
        path: "/x/y",
        query: Some("a=1&u=7%32+b&empty="),
        headers: map,
        client: Some("192.0.2.1"),
    }
}

fn rule(text: &str) -> KeyRule {
    KeyRule::parse(text, Digest::Crc32).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn key(text: &str, asked: &Asked) -> Option<u64> {
    let of = |digest| {
        let rule = KeyRule::parse(text, digest).expect("a rule");
        let request = Request {
            host: asked.host,
            path: asked.path,
            query: asked.query,
            method: &Method::GET,
            headers: &asked.headers,
        };
        rule.of(
            &request,
            asked.client.map(|ip| ip.parse().expect("an address")),
        )
    };
    let (crc, xxh) = (of(Digest::Crc32), of(Digest::Xxh3));
    assert_eq!(crc.is_some(), xxh.is_some());
    crc
}

#[track_caller]
fn is(rule: &str, asked: &Asked, text: &str) {
    let wanted = u64::from(crc32fast::hash(text.as_bytes()));
    assert_eq!(key(rule, asked), Some(wanted), "{rule} is {text}");
}

#[test]
fn each_word_is_a_part_of_the_request() {
    let asked = asked(&[
        ("x-user", "ann"),
        ("x-user", "bob"),
        ("cookie", "a=1; sid=\"s 1\";b"),
        ("cookie", "sid=2; last=x=y ; e="),
    ]);
    is("client_ip", &asked, "192.0.2.1");
    is("path", &asked, "/x/y");
    is("host", &asked, "a.example");
    is("header.X-User", &asked, "ann");
    is("cookie.sid", &asked, "\"s 1\"");
    is("cookie.last", &asked, "x=y");
    is("query.a", &asked, "1");
    is("query.u", &asked, "72 b");
    let v6 = Asked {
        client: Some("2001:db8:ffff:ffff:ffff:ffff:192.168.100.200"),
        ..asked
    };
    is("client_ip", &v6, "2001:db8:ffff:ffff:ffff:ffff:c0a8:64c8");
}

#[test]
fn what_is_absent_or_empty_is_no_key() {
    let mut asked = asked(&[("x-empty", ""), ("cookie", "e=; sid; Sid=1; xsid=1")]);
    for rule in [
        "header.x-user",
        "header.x-empty",
        "cookie.e",
        "cookie.sid",
        "query.b",
        "query.empty",
        "{header.x-user}-{cookie.e}",
    ] {
        assert_eq!(key(rule, &asked), None, "{rule}");
    }
    (asked.client, asked.host, asked.query) = (None, "", None);
    for rule in ["client_ip", "host", "query.a", "{client_ip}{host}"] {
        assert_eq!(key(rule, &asked), None, "{rule}");
    }
}

#[test]
fn a_template_joins_what_is_there() {
    let asked = asked(&[("x-user", "ann")]);
    is("{client_ip}-{header.X-User}", &asked, "192.0.2.1-ann");
    is("{client_ip}-{header.X-Absent}", &asked, "192.0.2.1-");
    is("a{{b}}{path}c", &asked, "a{b}/x/yc");
    is("{path}", &asked, "/x/y");
    assert_eq!(rule("{path}"), rule("path"));
}

#[test]
fn a_rule_that_can_not_be_read_is_told_what_is_wrong() {
    for (text, part) in [
        ("", "is empty"),
        ("ip", "`ip` is not a part"),
        ("Client_IP", "`Client_IP` is not a part"),
        ("client_ip.x", "is not a part"),
        ("header", "is not a part"),
        ("header.", "no name that a header field can have"),
        ("header.a b", "no name that a header field can have"),
        ("header.Host", "absent from many requests of HTTP/2"),
        ("cookie.", "no name that a cookie can have"),
        ("cookie.a=b", "no name that a cookie can have"),
        ("query.", "no name that a query parameter can have"),
        ("{path", "`}` is missing after `{path`"),
        ("{{{path}-{host", "`}` is missing after `{host`"),
        ("path}", "a `}` stands alone"),
        ("{}", "`` is not a part"),
        ("{{path}}", "the same for every request"),
        ("{ path }", "` path ` is not a part"),
    ] {
        let error = KeyRule::parse(text, Digest::Xxh3).expect_err(text);
        assert!(error.to_string().contains(part), "{text}: {error}");
        assert!(!error.hint(Purpose::Balance).is_empty());
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[{}a-z._]{0,20}|.*") {
        let _ = KeyRule::parse(&text, Digest::Crc32);
    }

    #[test]
    fn a_template_of_one_word_and_no_other_has_the_key_of_the_word(cookie in "[ -~]{0,60}") {
        let asked = asked(&[("cookie", cookie.as_str())]);
        let joined = key("{cookie.a}{cookie.b}", &asked);
        let alone = (key("cookie.a", &asked), key("cookie.b", &asked));
        match alone {
            (Some(only), None) | (None, Some(only)) => prop_assert_eq!(joined, Some(only)),
            (None, None) => prop_assert_eq!(joined, None),
            (Some(_), Some(_)) => prop_assert!(joined.is_some()),
        }
    }
}
