//! Whose word about the client is passed on?

use super::super::{Keep, TrustedProxies, strip_request};
use super::*;
use http::HeaderMap;

const ALL: AddedFields = AddedFields {
    x_forwarded: true,
    forwarded: true,
    x_real_ip: true,
    via: true,
};

fn received(peer: &str) -> Received {
    let ip: IpAddr = peer.parse().expect("a test's address is valid");
    let trusted = TrustedProxies::new(["10.0.0.0/8".parse().expect("a valid network")]);
    Received {
        peer: Peer::ip(ip, &trusted),
        client: Some(ip),
        scheme: Scheme::Https,
        host: Some(HeaderValue::from_static("a.example:8443")),
        port: Some(8443),
        version: http::Version::HTTP_11,
        request_id: HeaderValue::from_static("id-1"),
        id_field: crate::proxy::forward::X_REQUEST_ID.clone(),
    }
}

fn sent(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(*name, HeaderValue::from_static(value));
    }
    map
}

fn forwarded(lines: &[(&'static str, &'static str)], received: &Received) -> HeaderMap {
    let mut map = sent(lines);
    add_request_fields(&mut map, received, ALL);
    map
}

fn lines<'a>(map: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    map.get_all(name)
        .iter()
        .map(|value| value.to_str().expect("tests use ASCII"))
        .collect()
}

const CLAIMED: &[(&str, &str)] = &[
    ("x-forwarded-for", "6.6.6.6"),
    ("x-forwarded-for", "7.7.7.7, 8.8.8.8"),
    ("x-forwarded-proto", "ftp"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-port", "1"),
    ("forwarded", "for=6.6.6.6"),
    ("x-real-ip", "6.6.6.6"),
    ("x-request-id", "spoofed"),
    ("x-forwarded-prefix", "/admin"),
    ("x_forwarded_for", "6.6.6.6"),
];

#[test]
fn an_untrusted_peers_claims_are_replaced() {
    let map = forwarded(CLAIMED, &received("192.0.2.1"));
    for (name, value) in [
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "a.example:8443"),
        ("x-forwarded-port", "8443"),
        (
            "forwarded",
            "for=192.0.2.1;proto=https;host=\"a.example:8443\"",
        ),
        ("x-real-ip", "192.0.2.1"),
        ("x-request-id", "id-1"),
        ("via", "1.1 portcullis"),
    ] {
        assert_eq!(lines(&map, name), [value], "{name}");
    }
    assert_eq!(map.len(), 8, "{map:?}");
}

#[test]
fn a_trusted_peers_claims_are_kept_and_its_address_appended() {
    let map = forwarded(CLAIMED, &received("10.0.0.1"));
    for (name, value) in [
        ("x-forwarded-for", "6.6.6.6, 7.7.7.7, 8.8.8.8, 10.0.0.1"),
        ("x-forwarded-proto", "ftp"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-prefix", "/admin"),
        (
            "forwarded",
            "for=6.6.6.6, for=10.0.0.1;proto=https;host=\"a.example:8443\"",
        ),
    ] {
        assert_eq!(lines(&map, name), [value], "{name}");
    }
    assert!(!map.contains_key("x_forwarded_for"));
}

#[test]
fn a_trusted_peer_that_says_nothing_is_described_like_any_other() {
    let map = forwarded(&[], &received("10.0.0.1"));
    assert_eq!(lines(&map, "x-forwarded-for"), ["10.0.0.1"]);
    assert_eq!(lines(&map, "x-forwarded-proto"), ["https"]);
}

#[test]
fn rfc9110_7_6_1_a_nomination_removes_nothing_the_proxy_adds() {
    let mut map = sent(&[("connection", "x-forwarded-for, via, x-request-id")]);
    strip_request(&mut map, Keep::default());
    add_request_fields(&mut map, &received("192.0.2.1"), ALL);
    for name in ["x-forwarded-for", "via", "x-request-id"] {
        assert!(map.contains_key(name), "{name}");
    }
}

#[test]
fn rfc7239_6_an_ipv6_address_is_bracketed_and_quoted() {
    let map = forwarded(&[], &received("2001:db8::1"));
    let value = "for=\"[2001:db8::1]\";proto=https;host=\"a.example:8443\"";
    assert_eq!(lines(&map, "forwarded"), [value]);
    assert_eq!(lines(&map, "x-forwarded-for"), ["2001:db8::1"]);
}

#[test]
fn rfc7239_4_a_host_is_a_token_or_quoted_or_left_out() {
    let with_host = |host| {
        let mut received = received("192.0.2.1");
        received.host = Some(HeaderValue::from_static(host));
        let map = forwarded(&[], &received);
        lines(&map, "forwarded")[0].to_owned()
    };
    let value = "for=192.0.2.1;proto=https";
    assert_eq!(with_host("a.example"), format!("{value};host=a.example"));
    assert_eq!(with_host("[::1]:80"), format!("{value};host=\"[::1]:80\""));
    assert_eq!(with_host("a\";for=6.6.6.6"), value);
}

#[test]
fn a_unix_peer_has_no_address_to_add() {
    let unix = |trusted| Received {
        peer: Peer::unix(trusted),
        client: None,
        port: None,
        host: None,
        ..received("192.0.2.1")
    };
    let map = forwarded(CLAIMED, &unix(false));
    assert!(!map.contains_key("x-forwarded-for"));
    assert!(!map.contains_key("x-real-ip"));
    assert_eq!(lines(&map, "forwarded"), ["for=unknown;proto=https"]);
    let map = forwarded(&CLAIMED[..1], &unix(true));
    assert_eq!(lines(&map, "x-forwarded-for"), ["6.6.6.6"]);
}

#[test]
fn rfc9110_7_6_3_via_is_appended() {
    let mut received = received("192.0.2.1");
    received.version = http::Version::HTTP_2;
    let map = forwarded(&[("via", "1.1 other")], &received);
    assert_eq!(lines(&map, "via"), ["1.1 other", "2 portcullis"]);
}

#[test]
fn a_field_that_is_switched_off_is_still_removed() {
    let mut map = sent(CLAIMED);
    let none = AddedFields {
        x_forwarded: false,
        forwarded: false,
        x_real_ip: false,
        via: false,
    };
    add_request_fields(&mut map, &received("192.0.2.1"), none);
    assert_eq!(map.len(), 1);
    assert_eq!(lines(&map, "x-request-id"), ["id-1"]);
}
