//! Are the routes that can't be reached found, those and no others?

use std::time::{Duration, Instant};

use super::{Matcher, RouteTable, route, table};

#[test]
fn routes_that_match_the_same_requests_conflict() {
    let table = table([
        "a.com b.com /x GET POST h:a h:b=1",
        "a.com /x",
        "b.com a.com /x/ POST GET h:b=1 h:a",
        "a.com /x GET",
        "",
        "* /",
        "b.com a.com a.com /x /x POST GET h:b=1 h:a",
        "a.com =/x",
        "a.com ^/x",
        "a.com /x h:a",
        "a.com /x q:a",
    ]);
    assert_eq!(table.conflicts(), [(0, 2), (4, 5), (0, 6)]);
    assert_eq!(table.unreachable(), []);
}

/// The last of `routes` is reported, with `by`.
fn shadowed(routes: &[&str], by: usize) {
    let found = table(routes.iter().copied()).unreachable();
    assert_eq!(found, [(routes.len() - 1, by)], "{routes:?}");
}

fn reached(routes: &[&str]) {
    assert_eq!(
        table(routes.iter().copied()).unreachable(),
        [],
        "{routes:?}"
    );
}

#[test]
fn a_route_whose_every_host_and_path_is_taken_is_unreachable() {
    shadowed(&["a.com b.com /x", "a.com /x"], 0);
    shadowed(&["a.com /x", "b.com /x", "a.com b.com /x"], 1);
    shadowed(&["a.com /x /y", "a.com /x"], 0);
    reached(&["a.com /x", "a.com b.com /x"]);
    reached(&["a.com /x", "a.com /x /y"]);
}

#[test]
fn a_route_whose_methods_are_taken_is_unreachable() {
    shadowed(&["GET POST /x", "GET /x"], 0);
    shadowed(&["GET /x", "POST PUT /x", "POST GET /x"], 0);
    reached(&["GET /x", "GET POST /x"]);
    reached(&["GET /x", "/x"]);
    reached(&["/x", "GET /x"]);
}

#[test]
fn a_route_that_asks_for_a_certain_value_after_one_that_takes_any_is_unreachable() {
    shadowed(&["/x h:a", "/x h:a=1"], 0);
    shadowed(&["/x h:a=^[0-9]", "/x h:a=1"], 0);
    shadowed(&["/x q:a GET", "/x q:a=^x GET"], 0);
    shadowed(&["/x h:a h:b=1", "/x h:a=1 h:b=1"], 0);
    reached(&["/x h:a=^[0-9]", "/x h:a=x"]);
    reached(&["/x h:a=1", "/x h:a"]);
    reached(&["/x h:a", "/x h:a=1 h:b"]);
    reached(&["/x h:a", "/x h:b=1"]);
    reached(&["/x h:a", "/x h:a=1 q:b"]);
    reached(&["/x h:a GET", "/x h:a=1"]);
    reached(&["/x h:a", "/y h:a=1"]);
}

#[test]
fn a_regex_for_every_path_makes_the_prefixes_of_its_host_unreachable() {
    shadowed(&["a.com ^/.*", "a.com /x"], 0);
    shadowed(&["a.com ^.*", "a.com ^/ GET"], 0);
    reached(&["a.com ^/.*", "a.com =/x"]);
    reached(&["a.com ^/.*", "b.com /x"]);
    reached(&["a.com ^/.* GET", "a.com /x"]);
    reached(&["a.com ^/.*", "a.com ^/x/.*"]);
    reached(&["a.com ^/.* /x"]);
}

#[test]
fn ten_thousand_routes_are_built_and_checked_quickly() {
    let tables = [
        (0..10_000)
            .map(|n| route(&format!("h{n}.example.com /api")))
            .collect::<Vec<Matcher>>(),
        (0..10_000)
            .map(|n| route(&format!("/api/v{n}/x")))
            .collect(),
        (0..10_000)
            .map(|n| route(&format!("h:tenant={n}")))
            .collect(),
        (0..10_000)
            .map(|n| route(&format!("h:tenant h:id={n}")))
            .collect(),
    ];
    for routes in tables {
        let start = Instant::now();
        let table = RouteTable::build(&routes);
        assert_eq!((table.conflicts(), table.unreachable()), (vec![], vec![]));
        // Without optimisation and next to other tests; quadratic work would take far longer.
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}
