//! Are stored responses validated and freshened as RFC 9111 §4.3 says?

use super::*;
use crate::cache::rules::tests::{A_SECOND_LATER, AN_HOUR_LATER, SUNDAY, fields};

fn same(stored: &[(&'static str, &str)], newer: &[(&'static str, &str)]) -> bool {
    same_representation(&Validators::of(&fields(stored)), &fields(newer))
}

#[test]
fn rfc9111_4_3_1_an_endpoint_is_asked_with_the_stored_validators_in_place_of_the_clients() {
    let mut request = fields(&[
        ("if-match", "\"a\""),
        ("if-none-match", "\"b\""),
        ("if-none-match", "\"c\""),
        ("if-modified-since", AN_HOUR_LATER),
        ("if-unmodified-since", AN_HOUR_LATER),
        ("if-range", "\"d\""),
        ("range", "bytes=0-1"),
        ("accept", "text/html"),
    ]);
    let stored = fields(&[
        ("etag", "W/\"1\""),
        ("last-modified", "Sunday, 06-Nov-94 08:49:37 GMT"),
    ]);
    ask_whether_modified(&mut request, &Validators::of(&stored));
    let expected = fields(&[
        ("accept", "text/html"),
        ("if-none-match", "W/\"1\""),
        ("if-modified-since", SUNDAY),
    ]);
    assert_eq!(request, expected);
}

#[test]
fn rfc9111_4_3_1_no_more_is_asked_than_is_known() {
    let mut request = fields(&[("if-modified-since", SUNDAY)]);
    ask_whether_modified(&mut request, &Validators::of(&fields(&[("etag", "\"1\"")])));
    assert_eq!(request, fields(&[("if-none-match", "\"1\"")]));
    let mut request = fields(&[("range", "bytes=0-1")]);
    ask_whether_modified(&mut request, &Validators::of(&fields(&[("date", SUNDAY)])));
    assert!(request.is_empty());
}

#[test]
fn rfc9111_4_3_4_a_304_freshens_what_has_its_strong_validator() {
    assert!(same(&[("etag", "\"1\"")], &[("etag", "\"1\"")]));
    assert!(!same(&[("etag", "\"1\"")], &[("etag", "\"2\"")]));
    assert!(!same(&[("etag", "W/\"1\"")], &[("etag", "\"1\"")]));
    assert!(!same(&[], &[("etag", "\"1\"")]));
    let modified = [("last-modified", SUNDAY), ("date", AN_HOUR_LATER)];
    let tagged = [
        ("etag", "\"1\""),
        ("last-modified", SUNDAY),
        ("date", AN_HOUR_LATER),
    ];
    assert!(same(&modified, &tagged));
    assert!(same(&tagged, &modified));
    assert!(!same(&[("last-modified", SUNDAY)], &tagged));
}

#[test]
fn rfc9111_4_3_4_a_304_with_a_weak_validator_freshens_what_has_the_same() {
    assert!(same(&[("etag", "\"1\"")], &[("etag", "W/\"1\"")]));
    assert!(same(&[("etag", "W/\"1\"")], &[("etag", "W/\"1\"")]));
    assert!(!same(&[("etag", "W/\"1\"")], &[("etag", "W/\"2\"")]));
    assert!(same(
        &[("last-modified", SUNDAY)],
        &[("last-modified", SUNDAY)]
    ));
    assert!(!same(
        &[("last-modified", SUNDAY)],
        &[("last-modified", A_SECOND_LATER)]
    ));
}

#[test]
fn rfc9111_4_3_4_a_304_without_validators_is_about_what_was_asked_for() {
    assert!(same(&[("etag", "\"1\"")], &[("date", SUNDAY)]));
    assert!(same(&[("last-modified", SUNDAY)], &[]));
    assert!(same(&[], &[]));
}

#[test]
fn rfc9111_3_2_each_newer_field_replaces_all_stored_ones_of_its_name() {
    let mut stored = fields(&[
        ("cache-control", "max-age=1"),
        ("x-many", "a"),
        ("x-many", "b"),
        ("x-kept", "1"),
        ("date", SUNDAY),
    ]);
    let newer = fields(&[
        ("cache-control", "max-age=60"),
        ("x-many", "c"),
        ("x-new", "1"),
        ("x-new", "2"),
        ("date", AN_HOUR_LATER),
        ("content-type", "text/plain"),
    ]);
    freshen(&mut stored, &newer);
    let expected = fields(&[
        ("cache-control", "max-age=60"),
        ("x-many", "c"),
        ("x-kept", "1"),
        ("x-new", "1"),
        ("x-new", "2"),
        ("date", AN_HOUR_LATER),
        ("content-type", "text/plain"),
    ]);
    assert_eq!(stored, expected);
}

#[test]
fn rfc9110_6_6_1_the_stored_date_is_not_that_of_a_304_without_one() {
    let mut stored = fields(&[("date", SUNDAY), ("x-kept", "1")]);
    freshen(&mut stored, &fields(&[("expires", AN_HOUR_LATER)]));
    let expected = fields(&[("expires", AN_HOUR_LATER), ("x-kept", "1")]);
    assert_eq!(stored, expected);
}

#[test]
fn rfc9111_3_2_what_says_how_the_stored_body_is_coded_and_framed_stays() {
    let mut stored = fields(&[("content-length", "42"), ("content-encoding", "gzip")]);
    let before = stored.clone();
    let newer = fields(&[
        ("content-length", "0"),
        ("content-encoding", "br"),
        ("content-range", "bytes 0-1/2"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "timeout=5"),
    ]);
    freshen(&mut stored, &newer);
    assert_eq!(stored, before);
}

#[test]
fn rfc9111_5_2_2_4_a_field_that_a_304_keeps_from_the_store_leaves_it() {
    let mut stored = fields(&[
        ("x-own", "1"),
        ("x-other", "1"),
        ("cache-control", "max-age=1"),
    ]);
    let newer = fields(&[
        (
            "cache-control",
            "max-age=1, no-cache=\"x-own\", private=\"x-new\"",
        ),
        ("x-new", "1"),
    ]);
    freshen(&mut stored, &newer);
    let mut left: Vec<_> = stored.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["cache-control", "x-other"]);
}

#[test]
fn rfc9110_15_4_5_a_304_says_what_a_200_would_but_for_the_body() {
    let stored = fields(&[
        ("cache-control", "max-age=1"),
        ("content-location", "/a"),
        ("date", SUNDAY),
        ("etag", "\"1\""),
        ("expires", AN_HOUR_LATER),
        ("vary", "accept"),
        ("access-control-allow-origin", "*"),
        ("content-security-policy", "default-src 'self'"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("last-modified", SUNDAY),
        ("content-type", "text/html"),
        ("content-length", "42"),
        ("content-encoding", "gzip"),
        ("content-language", "en"),
        ("repr-digest", "sha-256=:x:"),
        ("accept-ranges", "bytes"),
    ]);
    let expected = fields(&[
        ("cache-control", "max-age=1"),
        ("content-location", "/a"),
        ("date", SUNDAY),
        ("etag", "\"1\""),
        ("expires", AN_HOUR_LATER),
        ("vary", "accept"),
        ("access-control-allow-origin", "*"),
        ("content-security-policy", "default-src 'self'"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ]);
    assert_eq!(not_modified(&stored), expected);
}

#[test]
fn rfc9110_15_4_5_the_time_of_modification_goes_with_a_304_where_nothing_else_tells_the_version() {
    let stored = fields(&[("last-modified", SUNDAY), ("content-length", "42")]);
    assert_eq!(not_modified(&stored), fields(&[("last-modified", SUNDAY)]));
}
