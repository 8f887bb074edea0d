//! Are a client's conditions evaluated as RFC 9110 §13 says?

use proptest::prelude::*;

use super::*;
use crate::cache::rules::tests::{A_SECOND_LATER, AN_HOUR_LATER, SUNDAY, fields};

const STORED: [(&str, &str); 3] = [
    ("etag", "\"1\""),
    ("last-modified", A_SECOND_LATER),
    ("date", AN_HOUR_LATER),
];

fn of(asked: &[(&'static str, &str)], stored: &[(&'static str, &str)]) -> Precondition {
    let validators = Validators::of(&fields(stored));
    precondition(&Method::GET, &fields(asked), StatusCode::OK, &validators)
}

#[test]
fn rfc9110_13_2_2_a_request_without_conditions_goes_on() {
    assert_eq!(of(&[], &STORED), Precondition::Go);
    assert_eq!(of(&[("if-range", "\"2\"")], &STORED), Precondition::Go);
}

#[test]
fn rfc9110_13_1_1_if_match_compares_strongly() {
    for (value, outcome) in [
        ("\"1\"", Precondition::Go),
        ("*", Precondition::Go),
        ("\"0\", \"1\"", Precondition::Go),
        ("\"2\"", Precondition::Failed),
        ("W/\"1\"", Precondition::Failed),
        ("1", Precondition::Failed),
        ("", Precondition::Failed),
        ("*, \"1\"", Precondition::Failed),
    ] {
        assert_eq!(of(&[("if-match", value)], &STORED), outcome, "{value}");
    }
    let weak = [("etag", "W/\"1\"")];
    assert_eq!(of(&[("if-match", "W/\"1\"")], &weak), Precondition::Failed);
    assert_eq!(of(&[("if-match", "*")], &[]), Precondition::Go);
    assert_eq!(of(&[("if-match", "\"1\"")], &[]), Precondition::Failed);
}

#[test]
fn rfc9110_13_1_2_if_none_match_compares_weakly() {
    for (value, outcome) in [
        ("\"1\"", Precondition::NotModified),
        ("W/\"1\"", Precondition::NotModified),
        ("*", Precondition::NotModified),
        ("\"0\",\t\"1\" , \"2\"", Precondition::NotModified),
        (",, ,\"1\"", Precondition::NotModified),
        ("\"a,b\", \"1\"", Precondition::NotModified),
        ("\"2\"", Precondition::Go),
        ("\"2, \"1\"", Precondition::Go),
        ("\"2\" \"1\"", Precondition::Go),
        ("1", Precondition::Go),
        ("\"*\"", Precondition::Go),
        ("", Precondition::Go),
    ] {
        assert_eq!(of(&[("if-none-match", value)], &STORED), outcome, "{value}");
    }
    let lines = [("if-none-match", "\"0\""), ("if-none-match", "\"1\"")];
    assert_eq!(of(&lines, &STORED), Precondition::NotModified);
    assert_eq!(
        of(&[("if-none-match", "\"1\"")], &[("etag", "W/\"1\"")]),
        Precondition::NotModified
    );
}

#[test]
fn rfc9110_13_1_3_if_modified_since_counts_without_if_none_match_only() {
    let since = |value| of(&[("if-modified-since", value)], &STORED);
    assert_eq!(since(A_SECOND_LATER), Precondition::NotModified);
    assert_eq!(since(AN_HOUR_LATER), Precondition::NotModified);
    assert_eq!(since(SUNDAY), Precondition::Go);
    assert_eq!(since("tomorrow"), Precondition::Go);
    // Not the same as none: it decides, and says that the client's is another version.
    let both = [
        ("if-none-match", "\"2\""),
        ("if-modified-since", AN_HOUR_LATER),
    ];
    assert_eq!(of(&both, &STORED), Precondition::Go);
    let twice = [
        ("if-modified-since", AN_HOUR_LATER),
        ("if-modified-since", AN_HOUR_LATER),
    ];
    assert_eq!(of(&twice, &STORED), Precondition::Go);
}

#[test]
fn rfc9111_4_3_2_a_response_without_time_of_modification_is_measured_by_its_date() {
    let stored = [("date", A_SECOND_LATER)];
    assert_eq!(
        of(&[("if-modified-since", A_SECOND_LATER)], &stored),
        Precondition::NotModified
    );
    assert_eq!(
        of(&[("if-modified-since", SUNDAY)], &stored),
        Precondition::Go
    );
    assert_eq!(
        of(&[("if-modified-since", AN_HOUR_LATER)], &[]),
        Precondition::Go
    );
}

#[test]
fn rfc9110_13_1_4_if_unmodified_since_counts_without_if_match_only() {
    let since = |value| of(&[("if-unmodified-since", value)], &STORED);
    assert_eq!(since(SUNDAY), Precondition::Failed);
    assert_eq!(since(A_SECOND_LATER), Precondition::Go);
    assert_eq!(since("tomorrow"), Precondition::Go);
    let both = [("if-match", "\"1\""), ("if-unmodified-since", SUNDAY)];
    assert_eq!(of(&both, &STORED), Precondition::Go);
    // What was made is not what was modified.
    assert_eq!(
        of(
            &[("if-unmodified-since", SUNDAY)],
            &[("date", AN_HOUR_LATER)]
        ),
        Precondition::Go
    );
}

#[test]
fn rfc9110_13_2_2_what_fails_comes_before_what_is_not_modified() {
    let both = [("if-none-match", "\"1\""), ("if-match", "\"2\"")];
    assert_eq!(of(&both, &STORED), Precondition::Failed);
    let both = [("if-none-match", "\"1\""), ("if-match", "\"1\"")];
    assert_eq!(of(&both, &STORED), Precondition::NotModified);
    let both = [
        ("if-modified-since", AN_HOUR_LATER),
        ("if-unmodified-since", SUNDAY),
    ];
    assert_eq!(of(&both, &STORED), Precondition::Failed);
}

#[test]
fn rfc9110_13_2_1_conditions_count_only_where_the_answer_would_be_a_200() {
    let asked = fields(&[("if-none-match", "*"), ("if-match", "\"2\"")]);
    let validators = Validators::of(&fields(&STORED));
    for status in [404, 301, 410, 500] {
        let status = StatusCode::from_u16(status).expect("a status");
        let outcome = precondition(&Method::GET, &asked, status, &validators);
        assert_eq!(outcome, Precondition::Go, "{status}");
    }
    assert_eq!(
        precondition(&Method::HEAD, &asked, StatusCode::OK, &validators),
        Precondition::Failed
    );
    assert_eq!(
        precondition(&Method::OPTIONS, &asked, StatusCode::OK, &validators),
        Precondition::Go
    );
}

proptest! {
    #[test]
    fn any_list_of_tags_is_read_to_its_end(
        before in prop::collection::vec("(W/)?\"[!#-~]{0,8}\"", 0..6),
        between in "[ \t]{0,2},[ \t,]{0,3}",
    ) {
        let mut list = before;
        list.push("\"the last\u{ff}\"".replace(' ', "_"));
        let list = list.join(&between);
        let stored = fields(&[("etag", "W/\"the_last\u{ff}\"")]);
        let asked = fields(&[("if-none-match", &list)]);
        let outcome = precondition(&Method::GET, &asked, StatusCode::OK, &Validators::of(&stored));
        prop_assert_eq!(outcome, Precondition::NotModified);
    }

    #[test]
    fn nothing_a_client_sends_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(value) = http::HeaderValue::from_bytes(&bytes) {
            let mut asked = HeaderMap::new();
            for name in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
                asked.insert(name, value.clone());
            }
            let validators = Validators::of(&fields(&STORED));
            precondition(&Method::GET, &asked, StatusCode::OK, &validators);
        }
    }
}
