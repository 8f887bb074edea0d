//! Which of several routes that match wins?

use super::{Sent, table};

/// `cases`: a request, and the route it must go to.
fn wins(routes: &[&str], cases: &[(&str, Option<usize>)]) {
    let table = table(routes.iter().copied());
    for (request, expected) in cases {
        let found = Sent::new(request).find(&table).map(|found| found.index);
        assert_eq!(found, *expected, "{request}");
    }
}

#[test]
fn gateway_api_the_most_specific_host_wins_over_everything_else() {
    wins(
        &[
            "=/x GET h:a=1 q:b=2",
            "*.com =/x GET h:a=1",
            "*.example.com =/x GET",
            "www.example.com",
        ],
        &[
            ("GET www.example.com/x?b=2 a:1", Some(3)),
            ("GET a.example.com/x?b=2 a:1", Some(2)),
            ("GET a.b.example.com/x?b=2 a:1", Some(2)),
            ("GET example.com/x?b=2 a:1", Some(1)),
            ("GET example.org/x?b=2 a:1", Some(0)),
            ("GET /x?b=2 a:1", Some(0)),
            ("GET example.org/y", None),
        ],
    );
}

#[test]
fn a_request_falls_through_to_the_next_host_when_no_route_of_the_first_matches() {
    wins(
        &[
            "a.b.com /x",
            "*.b.com /y",
            "*.com /z POST",
            "* /z",
            "/w h:a",
        ],
        &[
            ("GET a.b.com/x", Some(0)),
            ("GET a.b.com/y", Some(1)),
            ("POST a.b.com/z", Some(2)),
            ("GET a.b.com/z", Some(3)),
            ("GET a.b.com/w a:", Some(4)),
            ("GET a.b.com/w", None),
        ],
    );
}

#[test]
fn gateway_api_exact_then_regex_then_the_longest_prefix_wins_over_method_headers_and_queries() {
    wins(
        &[
            "/ GET h:a=1 h:b h:c q:d",
            "/api GET h:a=1 h:b q:d",
            "/api/v1 GET h:a=1 q:d",
            "^/api/v./.* GET h:a=1",
            "^/api/v./[a-z]+ GET",
            "=/api/v1/x",
        ],
        &[
            ("GET /api/v1/x?d a:1 b:1 c:1", Some(5)),
            ("GET /api/v1/y?d a:1 b:1 c:1", Some(4)),
            ("GET /api/v1/7?d a:1 b:1 c:1", Some(3)),
            ("GET /api/v1?d a:1 b:1 c:1", Some(2)),
            ("GET /api/v2?d a:1 b:1 c:1", Some(1)),
            ("GET /?d a:1 b:1 c:1", Some(0)),
        ],
    );
}

#[test]
fn a_request_falls_back_to_the_shorter_prefix_when_the_longer_one_asks_for_more() {
    wins(
        &[
            "/",
            "/a",
            "/a/b POST",
            "/a/b/c h:x",
            "=/a/b/c/d q:y",
            "^/a/b/.* h:z",
        ],
        &[
            ("GET /a/b/c/d?y x:1 z:1", Some(4)),
            ("GET /a/b/c/d x:1 z:1", Some(5)),
            ("GET /a/b/c/d x:1", Some(3)),
            ("POST /a/b/c/d", Some(2)),
            ("GET /a/b/c/d", Some(1)),
            ("GET /b", Some(0)),
        ],
    );
}

#[test]
fn gateway_api_a_method_beats_headers_which_beat_queries_which_beat_the_order() {
    wins(
        &[
            "/x",
            "/x q:a",
            "/x q:b",
            "/x q:a q:b",
            "/x h:c",
            "/x h:c h:d",
            "/x h:c q:a",
            "/x GET POST",
        ],
        &[
            ("GET /x?a&b c:1 d:1", Some(7)),
            ("POST /x?a&b c:1 d:1", Some(7)),
            ("HEAD /x?a&b c:1 d:1", Some(5)),
            ("PUT /x?a&b c:1", Some(6)),
            ("PUT /x?b c:1", Some(4)),
            ("PUT /x?a&b", Some(3)),
            ("PUT /x?a", Some(1)),
            ("PUT /x?b", Some(2)),
            ("PUT /x", Some(0)),
        ],
    );
}

#[test]
fn among_equals_the_earlier_route_wins() {
    wins(&["a.com /x", "a.com /x/"], &[("GET a.com/x", Some(0))]);
    wins(
        &["h:a=1", "h:b=1"],
        &[("GET /x b:1 a:1", Some(0)), ("GET /x b:1", Some(1))],
    );
}

#[test]
fn a_route_with_several_hosts_and_paths_takes_each_with_each() {
    wins(
        &["a.com *.b.com /x =/y", "*"],
        &[
            ("GET a.com/x", Some(0)),
            ("GET a.com/y", Some(0)),
            ("GET c.b.com/x/z", Some(0)),
            ("GET c.b.com/y", Some(0)),
            ("GET b.com/x", Some(1)),
            ("GET a.com/y/z", Some(1)),
        ],
    );
}

#[test]
fn an_empty_table_takes_nothing_and_an_empty_route_takes_everything() {
    wins(&[], &[("GET a.com/x", None)]);
    wins(&[""], &[("GET a.com/x", Some(0)), ("GET /", Some(0))]);
}

#[test]
fn a_match_tells_how_much_of_the_path_a_rewrite_of_the_prefix_replaces() {
    let table = table(["/", "/api/", "=/exact", "^/regex/.*"]);
    for (request, expected) in [
        ("GET /x", 0),
        ("GET /api", 4),
        ("GET /api/x", 4),
        ("GET /exact", 6),
        ("GET /regex/x", 8),
    ] {
        let found = Sent::new(request).find(&table).unwrap();
        assert_eq!(found.prefix_len, expected, "{request}");
    }
}
