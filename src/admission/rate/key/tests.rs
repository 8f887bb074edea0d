//! Which requests share a bucket?

use std::hash::DefaultHasher;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;
use crate::route::Request;

fn number(text: &str, client: Option<IpAddr>, fields: &[(&str, &str)]) -> u64 {
    let key = RateKey::parse(text, 64).expect("a key");
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::try_from(*name).expect("a name");
        headers.append(name, HeaderValue::try_from(*value).expect("a value"));
    }
    let request = Request {
        host: "a.example",
        path: "/x",
        query: None,
        method: &Method::GET,
        headers: &headers,
    };
    let from = Source {
        request: &request,
        client,
        claims: None,
    };
    let mut hasher = DefaultHasher::new();
    key.feed(&from, &mut hasher);
    hasher.finish()
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().expect("an address"))
}

#[test]
fn an_ipv6_client_is_its_network_and_an_ipv4_client_itself() {
    let of = |client: &str| number("client_ip", ip(client), &[]);
    assert_eq!(
        of("2001:db8:0:1::1"),
        of("2001:db8:0:1:ffff:ffff:ffff:ffff")
    );
    assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    assert_eq!(
        number("client_ip", None, &[]),
        number("client_ip", None, &[("x-a", "b")])
    );
    assert_ne!(number("client_ip", None, &[]), of("0.0.0.0"));
}

#[test]
fn who_leaves_the_key_out_is_counted_by_address() {
    let (one, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
    let key = "header.x-key";
    assert_eq!(
        number(key, one, &[("x-key", "a")]),
        number(key, other, &[("x-key", "a")])
    );
    assert_ne!(number(key, one, &[]), number(key, other, &[]));
    assert_eq!(number(key, one, &[]), number(key, one, &[("x-key", "")]));
    assert_ne!(
        number(key, one, &[]),
        number(key, one, &[("x-key", "192.0.2.1")])
    );
    // In a template it is that part which is replaced.
    let key = "{path}{header.x-key}";
    assert_ne!(number(key, one, &[]), number(key, other, &[]));
}

#[test]
fn one_bucket_for_all_goes_by_nothing() {
    assert_eq!(
        number("global", ip("192.0.2.1"), &[]),
        number("global", ip("192.0.2.2"), &[("x-a", "b")])
    );
}

#[test]
fn a_part_can_not_be_written_so_that_it_looks_like_two() {
    let key = "{header.a}{header.b}";
    let of = |a: &str, b: &str| number(key, ip("192.0.2.1"), &[("a", a), ("b", b)]);
    assert_ne!(of("x", "yz"), of("xy", "z"));
    let key = "{header.a}{client_ip}";
    let of = |a: &str, client: &str| number(key, ip(client), &[("a", a)]);
    assert_ne!(of("1", "2.2.2.2"), of("", "12.2.2.2"));
}
