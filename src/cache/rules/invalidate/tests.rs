//! Does an answer invalidate what RFC 9111 §4.4 says, and nothing of another origin?

use proptest::prelude::*;

use super::*;
use crate::cache::rules::tests::fields;

const ASKED: Place = Place {
    scheme: "http",
    host: "shop.example",
    port: Some(8080),
    path: "/cart/items",
    query: Some("id=7"),
};

fn of(method: &str, status: u16, answered: &[(&'static str, &str)]) -> Vec<String> {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let status = StatusCode::from_u16(status).expect("a status");
    invalidated(&method, status, &fields(answered), &ASKED)
        .into_iter()
        .map(|changed| match changed.query {
            Some(query) => format!("{}?{query}", changed.path),
            None => changed.path,
        })
        .collect()
}

/// What a `Location` adds to what was asked for.
fn located(reference: &str) -> Option<String> {
    let mut all = of("POST", 201, &[("location", reference)]);
    assert_eq!(all.remove(0), "/cart/items?id=7");
    all.pop()
}

#[test]
fn rfc9111_4_4_what_an_unsafe_method_was_sent_to_is_invalidated() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "MKCOL", "get", "X-OWN"] {
        assert_eq!(of(method, 200, &[]), ["/cart/items?id=7"], "{method}");
    }
    for status in [200, 201, 204, 206, 299, 301, 303, 304, 399] {
        assert_eq!(of("POST", status, &[]), ["/cart/items?id=7"], "{status}");
    }
}

#[test]
fn rfc9111_4_4_neither_safe_methods_nor_errors_invalidate() {
    for method in [
        "GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "REPORT", "SEARCH",
    ] {
        assert!(
            of(method, 200, &[("location", "/a")]).is_empty(),
            "{method}"
        );
    }
    for status in [100, 103, 400, 404, 500, 503, 999] {
        assert!(
            of("POST", status, &[("location", "/a")]).is_empty(),
            "{status}"
        );
    }
}

#[test]
fn rfc9111_4_4_location_and_content_location_are_invalidated_too() {
    assert_eq!(
        of(
            "POST",
            201,
            &[("location", "/a"), ("content-location", "/b?c")]
        ),
        ["/cart/items?id=7", "/a", "/b?c"]
    );
    assert_eq!(
        of(
            "PUT",
            200,
            &[("location", "/a"), ("content-location", "/a#b")]
        ),
        ["/cart/items?id=7", "/a"]
    );
    // Who knows which one is meant.
    assert_eq!(
        of("POST", 201, &[("location", "/a"), ("location", "/b")]),
        ["/cart/items?id=7"]
    );
}

#[test]
fn rfc9111_4_4_nothing_of_another_origin_is_invalidated() {
    for elsewhere in [
        "https://shop.example:8080/a",
        "http://shop.example/a",
        "http://shop.example:80/a",
        "http://shop.example:8081/a",
        "http://other.example:8080/a",
        "//other.example:8080/a",
        "//shop.example/a",
        "http://shop.example.evil:8080/a",
        "http://shop.example:8080@evil/a",
        "http://user@shop.example:8080/a",
        "http:/a",
        "http:a",
        "mailto:a@shop.example",
        "http://shop.example:99999/a",
        "http://",
    ] {
        assert_eq!(located(elsewhere), None, "{elsewhere}");
    }
}

#[test]
fn rfc9110_4_3_1_the_port_that_goes_without_saying_is_the_same_port() {
    let asked = Place {
        port: None,
        ..ASKED
    };
    for (scheme, reference, same) in [
        ("http", "http://shop.example:80/a", true),
        ("http", "http://shop.example/a", true),
        ("http", "HTTP://SHOP.example./a", true),
        ("http", "http://shop.example:/a", true),
        ("https", "https://shop.example:443/a", true),
        ("https", "https://shop.example:80/a", false),
        ("https", "http://shop.example:443/a", false),
    ] {
        let asked = Place { scheme, ..asked };
        let all = invalidated(
            &Method::POST,
            StatusCode::CREATED,
            &fields(&[("location", reference)]),
            &asked,
        );
        assert_eq!(all.len() == 2, same, "{scheme} {reference}");
    }
}

#[test]
fn rfc3986_5_2_references_are_resolved_against_the_request() {
    for (reference, resolved) in [
        ("http://shop.example:8080/a?b", "/a?b"),
        ("HTTP://Shop.Example:8080/a", "/a"),
        ("http://shop.example:8080", "/"),
        ("http://shop.example:8080?b", "/?b"),
        ("//shop.example:8080/a", "/a"),
        ("/a/../b/./%41", "/b/A"),
        ("a", "/cart/a"),
        ("./a?b=c", "/cart/a?b=c"),
        ("../a", "/a"),
        ("a:b/c", "-"),
        ("./a:b", "/cart/a:b"),
        ("?id=8", "/cart/items?id=8"),
        ("/a?", "/a?"),
        ("/a#b?c", "/a"),
        ("/\u{e4}", "/%C3%A4"),
        // Above the root, or read in more than one way: nothing is stored there.
        ("../../a", "-"),
        ("/a%2Fb", "-"),
        ("/a b", "-"),
    ] {
        assert_eq!(
            located(reference).as_deref().unwrap_or("-"),
            resolved,
            "{reference}"
        );
    }
    // What was asked for is named once.
    assert_eq!(located(""), None);
    assert_eq!(located("#top"), None);
    assert_eq!(located("items?id=7"), None);
}

#[test]
fn a_request_for_everything_has_no_folder() {
    let asked = Place {
        path: "*",
        query: None,
        ..ASKED
    };
    let method = Method::from_bytes(b"X-OWN").expect("a method");
    let all = invalidated(
        &method,
        StatusCode::OK,
        &fields(&[("location", "a")]),
        &asked,
    );
    assert_eq!(all.len(), 1);
}

proptest! {
    #[test]
    fn nothing_an_endpoint_sends_makes_it_panic(
        reference in "(http:|https:)?(//)?(shop\\.example|\\[::1\\]|é)?(:[0-9]{0,6})?[ -~é]{0,30}",
    ) {
        located(&reference);
    }
}
