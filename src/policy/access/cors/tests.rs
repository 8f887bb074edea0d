//! What is a page told? A matrix of requests and policies.

use std::time::{Instant, SystemTime};

use super::*;
use crate::config::Timespan;
use crate::proxy::forward::Scheme;
use crate::route::Request;

fn written(origins: &[&str]) -> Written {
    Written {
        allow_origins: list_of(origins),
        ..Written::default()
    }
}

fn list_of(items: &[&str]) -> Vec<Spanned<String>> {
    let items = items.iter();
    items.map(|item| Spanned::new((*item).to_owned())).collect()
}

fn full(origins: &[&str]) -> Written {
    Written {
        allow_methods: list_of(&["PUT", "DELETE"]),
        allow_headers: list_of(&["X-Token", "Content-Type"]),
        expose_headers: list_of(&["X-Count"]),
        max_age: Some(Spanned::new(Timespan::secs(600))),
        allow_credentials: true,
        ..written(origins)
    }
}

fn compiled(written: &Written) -> Cors {
    Cors::compile(written, &mut |key, _, message, _| {
        panic!("{key}: {message}")
    })
}

/// What the policy says, and what a client then sees of an endpoint's answer with `own` fields; the reply's fields if it
/// answers itself.
fn seen(
    cors: &Cors,
    method: &Method,
    fields: &[(&'static str, &'static str)],
    own: &[(&'static str, &'static str)],
) -> (bool, Vec<String>) {
    let map = |fields: &[(&'static str, &'static str)]| {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    };
    let headers = map(fields);
    let asked = Asked {
        told_query: None,
        request: &Request {
            host: "api.example",
            path: "/",
            query: None,
            method,
            headers: &headers,
        },
        target: b"/",
        client: None,
        scheme: Scheme::Https,
        upgrade: false,
        now: Instant::now(),
        time: SystemTime::now(),
    };
    let mut granted = Granted::default();
    let lines = |fields: &mut dyn Iterator<Item = (&HeaderName, &HeaderValue)>| {
        let mut lines: Vec<String> = fields
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
            .collect();
        lines.sort();
        lines
    };
    match cors.decide(&asked, &mut granted) {
        Verdict::Now(Ruling::Answer(reply)) => {
            assert_eq!(reply.status, StatusCode::NO_CONTENT);
            assert!(reply.body.is_empty() && granted.to_client.is_empty());
            let mut fields = reply.fields.iter().map(|(name, value)| (name, value));
            (true, lines(&mut fields))
        }
        Verdict::Now(Ruling::Pass) => {
            let mut answer = map(own);
            for edit in &granted.to_client {
                edit.apply(&mut answer);
            }
            (false, lines(&mut answer.iter()))
        }
        _ => panic!("CORS refuses nothing"),
    }
}

const A: &str = "https://a.example";

#[test]
fn a_preflight_is_answered_with_what_is_allowed() {
    let all = [
        "access-control-allow-credentials: true",
        "access-control-allow-headers: X-Token, Content-Type",
        "access-control-allow-methods: PUT, DELETE",
        "access-control-allow-origin: https://a.example",
        "access-control-max-age: 600",
        "vary: Origin",
    ];
    let origin = ("origin", A);
    let method = ("access-control-request-method", "PUT");
    let headers = ("access-control-request-headers", "x-token");
    for (what, policy, fields, told) in [
        (
            "allowed",
            full(&[A]),
            &[origin, method, headers][..],
            &all[..],
        ),
        (
            "by a pattern",
            full(&["https://*.example", "https://b.test"]),
            &[origin, method],
            &all,
        ),
        // The browser decides: it is told what is allowed whatever it asks for.
        (
            "another method",
            full(&[A]),
            &[origin, ("access-control-request-method", "PATCH")],
            &all,
        ),
        (
            "another origin",
            full(&[A]),
            &[("origin", "https://b.example"), method],
            &["vary: Origin"],
        ),
        (
            "another port",
            full(&[A]),
            &[("origin", "https://a.example:444"), method],
            &["vary: Origin"],
        ),
        (
            "null",
            full(&[A]),
            &[("origin", "null"), method],
            &["vary: Origin"],
        ),
        (
            "null that is listed",
            written(&["null"]),
            &[("origin", "null"), method],
            &["access-control-allow-origin: null", "vary: Origin"],
        ),
        (
            "two origins",
            full(&[A]),
            &[origin, origin, method],
            &["vary: Origin"],
        ),
        (
            "any",
            written(&["*"]),
            &[("origin", "https://b.example"), method],
            &["access-control-allow-origin: *"],
        ),
        (
            "any, and null",
            written(&["*"]),
            &[("origin", "null"), method],
            &["access-control-allow-origin: *"],
        ),
        (
            "nothing but an origin",
            written(&[A]),
            &[origin, method],
            &[
                "access-control-allow-origin: https://a.example",
                "vary: Origin",
            ],
        ),
    ] {
        let (answered, fields) = seen(&compiled(&policy), &Method::OPTIONS, fields, &[]);
        assert!(answered, "{what}");
        assert_eq!(fields, told, "{what}");
    }
}

#[test]
fn what_is_no_preflight_goes_on() {
    let cors = compiled(&full(&[A]));
    let origin = ("origin", A);
    let method = ("access-control-request-method", "PUT");
    for (what, asked, fields) in [
        (
            "OPTIONS of a page without the question",
            Method::OPTIONS,
            &[origin][..],
        ),
        ("the question without a page", Method::OPTIONS, &[method]),
        ("another method", Method::GET, &[origin, method]),
    ] {
        assert!(!seen(&cors, &asked, fields, &[]).0, "{what}");
    }
}

#[test]
fn an_answer_tells_the_page_what_it_may_read_and_nothing_of_the_endpoints_own() {
    let own = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "X-Secret"),
        ("access-control-max-age", "1"),
        ("x-count", "1"),
    ];
    let allowed = [
        "access-control-allow-credentials: true",
        "access-control-allow-origin: https://a.example",
        "access-control-expose-headers: X-Count",
        "vary: Origin",
        "x-count: 1",
    ];
    let plain = ["vary: Origin", "x-count: 1"];
    for (what, policy, fields, told) in [
        ("allowed", full(&[A]), &[("origin", A)][..], &allowed[..]),
        (
            "another origin",
            full(&[A]),
            &[("origin", "https://b.example")],
            &plain,
        ),
        ("no page", full(&[A]), &[], &plain),
        (
            "any",
            written(&["*"]),
            &[("origin", A)],
            &["access-control-allow-origin: *", "x-count: 1"],
        ),
        // The answer may be kept for all, so it says the same to all (Fetch §3.3.6).
        (
            "any, and no page",
            written(&["*"]),
            &[],
            &["access-control-allow-origin: *", "x-count: 1"],
        ),
    ] {
        let (_, fields) = seen(&compiled(&policy), &Method::GET, fields, &own);
        assert_eq!(fields, told, "{what}");
    }
}

#[test]
fn vary_names_the_origin_once() {
    let cors = compiled(&written(&[A]));
    for (own, vary) in [
        (&[][..], &["vary: Origin"][..]),
        (
            &[("vary", "Accept-Encoding")],
            &["vary: Accept-Encoding", "vary: Origin"],
        ),
        (&[("vary", "Accept, origin")], &["vary: Accept, origin"]),
        (&[("vary", "*")], &["vary: *"]),
    ] {
        let (_, fields) = seen(&cors, &Method::GET, &[], own);
        assert_eq!(fields, vary);
    }
}

#[test]
fn everything_that_is_not_valid_is_told() {
    let wrong = Written {
        allow_methods: list_of(&["put", "*", "A B"]),
        allow_headers: list_of(&["X Token", "*"]),
        expose_headers: list_of(&["*"]),
        allow_credentials: true,
        ..written(&["*", "a.example"])
    };
    let mut told = Vec::new();
    Cors::compile(&wrong, &mut |key, _, _, _| told.push(key.to_owned()));
    assert_eq!(
        told,
        [
            "allow_origins[0]",
            "allow_origins[1]",
            "allow_methods[0]",
            "allow_methods[2]",
            "allow_headers[0]",
            "allow_origins[0]",
            "allow_methods[1]",
            "allow_headers[1]",
            "expose_headers[0]",
        ]
    );
}
