//! Does the table agree with the precedence written down as plainly as can be?

use std::cmp::Reverse;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use regex::Regex;

use super::{Sent, table};
use crate::route::RouteTable;

const HOSTS: [&str; 7] = [
    "*",
    "*.com",
    "*.b.com",
    "*.a.b.com",
    "b.com",
    "a.b.com",
    "c.a.b.com",
];
const PATHS: [&str; 14] = [
    "/",
    "/a",
    "/a/b",
    "/a/b/c",
    "/ab",
    "=/",
    "=/a",
    "=/a/",
    "=/a/b",
    "^/.*",
    "^/a.*",
    "^/a/b",
    "^/[ab]/b/c",
    "^.*/c",
];
const METHODS: [&str; 2] = ["GET", "POST"];
const MATCHERS: [&str; 9] = [
    "h:x",
    "h:x=1",
    "h:x=^[12]",
    "h:y",
    "h:y=1,",
    "q:p",
    "q:p=1",
    "q:p=^[12]",
    "q:r=2",
];

/// Some of `words`, at least one less often than none.
fn some(words: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![
        1 => Just(Vec::new()),
        2 => subsequence(words, 0..=most),
    ]
}

fn routes() -> impl Strategy<Value = Vec<String>> {
    let route = (
        some(&HOSTS, 2),
        some(&PATHS, 2),
        some(&METHODS, 2),
        some(&MATCHERS, 3),
    );
    let route = route.prop_map(|(hosts, paths, methods, matchers)| {
        [hosts, paths, methods, matchers].concat().join(" ")
    });
    proptest::collection::vec(route, 0..24)
}

fn request() -> impl Strategy<Value = String> {
    (
        select(&["GET", "POST", "PUT"]),
        select(&[
            "",
            "com",
            "b.com",
            "a.b.com",
            "c.a.b.com",
            "d.c.a.b.com",
            "x.org",
        ]),
        select(&[
            "/", "/a", "/a/", "/ab", "/a/b", "/a/b/", "/a/b/c", "/a/b/c/d", "/b/b/c", "/x",
        ]),
        select(&["", "?", "?p", "?p=1", "?r=2&p=2", "?p=%31&p=2", "?p=3&r=2"]),
        select(&["", "x:1", "x:2 y:", "x:3", "y:1,", "x:1 y:1,", "x:1 x:2"]),
    )
        .prop_map(|(method, host, path, query, headers)| {
            format!("{method} {host}{path}{query} {headers}")
        })
}

/// What makes one route better than another, the greatest first.
type Precedence = (
    (u8, usize),
    (u8, usize, Reverse<&'static str>),
    bool,
    usize,
    usize,
    Reverse<usize>,
);

/// The route with the greatest precedence of all that match, each looked at on its own.
fn reference(routes: &[String], request: &Sent) -> Option<usize> {
    let routes = routes.iter().enumerate();
    let best = routes.filter_map(|(index, words)| precedence(index, words, request));
    best.max().map(|(.., Reverse(index))| index)
}

fn precedence(index: usize, words: &str, request: &Sent) -> Option<Precedence> {
    let words = || words.split_whitespace();
    let among = |all: &'static [&'static str]| {
        let all = all.iter().copied();
        let mut named: Vec<_> = all.filter(|word| words().any(|w| w == *word)).collect();
        named.dedup();
        named
    };
    let or = |words: Vec<&'static str>, default| {
        if words.is_empty() {
            vec![default]
        } else {
            words
        }
    };
    let hosts = or(among(&HOSTS), "*").into_iter();
    let host = hosts.filter_map(|word| host(word, &request.host)).max()?;
    let paths = or(among(&PATHS), "/").into_iter();
    let path = paths.filter_map(|word| path(word, &request.path)).max()?;
    let methods = among(&METHODS);
    if !methods.is_empty() && !methods.contains(&request.method.as_str()) {
        return None;
    }
    let matchers = among(&MATCHERS);
    if !matchers.iter().all(|word| matches(word, request)) {
        return None;
    }
    let count = |kind| {
        matchers
            .iter()
            .filter(|word| word.starts_with(kind))
            .count()
    };
    let method = !methods.is_empty();
    Some((host, path, method, count("h:"), count("q:"), Reverse(index)))
}

fn host(word: &str, host: &str) -> Option<(u8, usize)> {
    match word.strip_prefix('*') {
        None => (word == host).then_some((2, 0)),
        Some("") => Some((0, 0)),
        Some(suffix) => host.ends_with(suffix).then_some((1, word.len())),
    }
}

fn path(word: &'static str, path: &str) -> Option<(u8, usize, Reverse<&'static str>)> {
    if let Some(exact) = word.strip_prefix('=') {
        (exact == path).then_some((2, 0, Reverse("")))
    } else if let Some(pattern) = word.strip_prefix('^') {
        let whole = Regex::new(&format!("^(?:{pattern})$")).unwrap();
        let rank = (1, pattern.len(), Reverse(pattern));
        whole.is_match(path).then_some(rank)
    } else {
        let below = format!("{}/", word.trim_end_matches('/'));
        let matched = path == word || path.starts_with(&below);
        matched.then_some((0, word.len(), Reverse("")))
    }
}

fn matches(word: &str, request: &Sent) -> bool {
    let (kind, word) = word.split_at(2);
    let (name, asked) = word
        .split_once('=')
        .map_or((word, None), |(n, v)| (n, Some(v)));
    let value = if kind == "h:" {
        let lines = request.headers.get_all(name).iter();
        let lines: Vec<_> = lines.map(|line| line.to_str().unwrap()).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    } else {
        let pairs = request.query.iter().flat_map(|query| query.split('&'));
        let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let pair = pairs.find(|(key, _)| *key == name);
        pair.map(|(_, value)| value.replace("%31", "1"))
    };
    match (value, asked) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(value), Some("^[12]")) => value == "1" || value == "2",
        (Some(value), Some(asked)) => value == asked,
    }
}

/// The table without one of its routes.
fn without(routes: &[String], left_out: usize) -> RouteTable {
    let words = routes.iter().enumerate();
    let kept = words.filter(|(index, _)| *index != left_out);
    table(kept.map(|(_, words)| words.as_str()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_lookup_agrees_with_the_precedence_taken_literally(
        routes in routes(),
        requests in proptest::collection::vec(request(), 32),
    ) {
        let table = table(routes.iter().map(String::as_str));
        for words in requests {
            let request = Sent::new(&words);
            let found = request.find(&table).map(|found| found.index);
            prop_assert_eq!(found, reference(&routes, &request), "{}", words);
        }
    }

    #[test]
    fn no_request_goes_to_a_route_reported_as_conflicting_or_unreachable(
        routes in routes(),
        requests in proptest::collection::vec(request(), 32),
    ) {
        let table = table(routes.iter().map(String::as_str));
        let reported = table.conflicts().into_iter().map(|(_, later)| later);
        let reported: Vec<_> = reported
            .chain(table.unreachable().into_iter().map(|(route, _)| route))
            .collect();
        for words in requests {
            let found = Sent::new(&words).find(&table).map(|found| found.index);
            prop_assert!(found.is_none_or(|index| !reported.contains(&index)), "{}", words);
        }
    }

    #[test]
    fn a_route_that_loses_can_be_left_out(
        routes in routes(),
        request in request(),
        left_out in any::<proptest::sample::Index>(),
    ) {
        prop_assume!(!routes.is_empty());
        let left_out = left_out.index(routes.len());
        let request = Sent::new(&request);
        let table = table(routes.iter().map(String::as_str));
        let Some(found) = request.find(&table) else { return Ok(()) };
        prop_assume!(found.index != left_out);
        let expected = found.index - usize::from(found.index > left_out);
        let rest = request.find(&without(&routes, left_out));
        prop_assert_eq!(rest.map(|found| found.index), Some(expected));
    }
}
