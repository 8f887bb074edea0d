//! Are ranges read, bounded and joined as RFC 9110 §14 says?

use proptest::prelude::*;

use super::*;
use crate::cache::rules::tests::{A_SECOND_LATER, AN_HOUR_LATER, SUNDAY, fields};

/// Of a body of 10,000 bytes.
fn of(range: &str) -> Portion {
    with(&[("range", range)], &[("etag", "\"1\"")])
}

fn with(asked: &[(&'static str, &str)], stored: &[(&'static str, &str)]) -> Portion {
    let validators = Validators::of(&fields(stored));
    portion(
        &Method::GET,
        &fields(asked),
        StatusCode::OK,
        &validators,
        10_000,
    )
}

fn many(ranges: &[Range<u64>]) -> Portion {
    Portion::Many(ranges.into())
}

#[test]
fn rfc9110_14_1_2_the_examples_mean_what_they_say() {
    assert_eq!(of("bytes=0-499"), Portion::One(0..500));
    assert_eq!(of("bytes=500-999"), Portion::One(500..1000));
    assert_eq!(of("bytes=-500"), Portion::One(9500..10_000));
    assert_eq!(of("bytes=9500-"), Portion::One(9500..10_000));
    assert_eq!(of("bytes=0-0,-1"), many(&[0..1, 9999..10_000]));
    assert_eq!(
        of("bytes= 0-999, 4500-5499, -1000"),
        many(&[0..1000, 4500..5500, 9000..10_000])
    );
    assert_eq!(of("bytes=500-600,601-999"), Portion::One(500..1000));
    assert_eq!(of("bytes=500-700,601-999"), Portion::One(500..1000));
}

#[test]
fn rfc9110_14_1_2_what_lies_behind_the_end_is_cut_off() {
    assert_eq!(of("bytes=9999-20000"), Portion::One(9999..10_000));
    assert_eq!(of("bytes=-20000"), Portion::One(0..10_000));
    assert_eq!(of("bytes=0-"), Portion::One(0..10_000));
    assert_eq!(
        of("bytes=5-99999999999999999999999999999999"),
        Portion::One(5..10_000)
    );
    assert_eq!(
        of("bytes=-99999999999999999999999999999999"),
        Portion::One(0..10_000)
    );
    assert_eq!(of("bytes=0-18446744073709551615"), Portion::One(0..10_000));
}

#[test]
fn rfc9110_15_5_17_ranges_none_of_which_is_there_are_unsatisfiable() {
    assert_eq!(of("bytes=10000-"), Portion::Unsatisfiable);
    assert_eq!(of("bytes=10000-10001,20000-"), Portion::Unsatisfiable);
    assert_eq!(of("bytes=-0"), Portion::Unsatisfiable);
    assert_eq!(of("bytes=99999999999999999999999-"), Portion::Unsatisfiable);
    // One that is there is enough.
    assert_eq!(of("bytes=10000-,-0,7-8"), Portion::One(7..9));
}

#[test]
fn rfc9110_14_2_a_malformed_range_counts_for_nothing() {
    for malformed in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=1",
        "bytes=a-b",
        "bytes=2-1",
        "bytes=0-1,2-1",
        "bytes=+1-2",
        "bytes=1-+2",
        "bytes=0x1-2",
        "bytes=1 -2",
        "bytes=1- 2",
        "bytes=1-2-3",
        "bytes=--1",
        "bytes =0-1",
        "bytes:0-1",
        "0-1",
        "lines=0-1",
        "bytes=0-1;2-3",
        "bytes=\u{e4}-1",
        "bytes=0-1,x",
    ] {
        assert_eq!(of(malformed), Portion::Whole, "{malformed}");
    }
    assert_eq!(
        with(&[("range", "bytes=0-1"), ("range", "bytes=0-1")], &[]),
        Portion::Whole
    );
    // Units in either case, lists with empty elements: these are well-formed.
    assert_eq!(of("BYTES=0-1"), Portion::One(0..2));
    assert_eq!(of("bytes=,0-1, ,\t,"), Portion::One(0..2));
}

#[test]
fn rfc9110_14_2_only_get_of_a_200_has_ranges() {
    let asked = fields(&[("range", "bytes=0-1")]);
    let of = |method, status| portion(&method, &asked, status, &Validators::default(), 10);
    assert_eq!(of(Method::GET, StatusCode::OK), Portion::One(0..2));
    assert_eq!(of(Method::HEAD, StatusCode::OK), Portion::Whole);
    assert_eq!(of(Method::POST, StatusCode::OK), Portion::Whole);
    assert_eq!(of(Method::GET, StatusCode::NOT_FOUND), Portion::Whole);
    assert_eq!(of(Method::GET, StatusCode::NO_CONTENT), Portion::Whole);
}

#[test]
fn rfc9110_14_1_2_an_empty_body_has_an_end_and_no_first_byte() {
    let of = |range| {
        let asked = fields(&[("range", range)]);
        portion(
            &Method::GET,
            &asked,
            StatusCode::OK,
            &Validators::default(),
            0,
        )
    };
    assert_eq!(of("bytes=0-"), Portion::Unsatisfiable);
    assert_eq!(of("bytes=-5"), Portion::Whole);
    assert_eq!(of("bytes=-0"), Portion::Unsatisfiable);
}

#[test]
fn rfc9110_13_1_5_if_range_needs_a_strong_validator() {
    let part = Portion::One(0..2);
    let tagged = [
        ("etag", "\"1\""),
        ("last-modified", SUNDAY),
        ("date", AN_HOUR_LATER),
    ];
    let doubtful = [
        ("etag", "W/\"1\""),
        ("last-modified", SUNDAY),
        ("date", A_SECOND_LATER),
    ];
    for (value, stored, portion) in [
        ("\"1\"", &tagged[..], &part),
        ("\"2\"", &tagged, &Portion::Whole),
        ("W/\"1\"", &tagged, &Portion::Whole),
        ("W/\"1\"", &doubtful, &Portion::Whole),
        ("\"1\"", &doubtful, &Portion::Whole),
        ("\"1\"", &[], &Portion::Whole),
        (SUNDAY, &tagged, &part),
        // The same time in another form.
        ("Sunday, 06-Nov-94 08:49:37 GMT", &tagged, &part),
        (A_SECOND_LATER, &tagged, &Portion::Whole),
        (AN_HOUR_LATER, &tagged, &Portion::Whole),
        (SUNDAY, &doubtful, &Portion::Whole),
        ("*", &tagged, &Portion::Whole),
        ("\"1\", \"2\"", &tagged, &Portion::Whole),
        ("", &tagged, &Portion::Whole),
    ] {
        let asked = [("range", "bytes=0-1"), ("if-range", value)];
        assert_eq!(&with(&asked, stored), portion, "{value}");
    }
    let twice = [
        ("range", "bytes=0-1"),
        ("if-range", "\"1\""),
        ("if-range", "\"1\""),
    ];
    assert_eq!(with(&twice, &tagged), Portion::Whole);
}

#[test]
fn rfc9110_13_2_2_if_range_is_asked_before_the_range_is_judged() {
    let asked = [("range", "bytes=10000-"), ("if-range", "\"2\"")];
    assert_eq!(with(&asked, &[("etag", "\"1\"")]), Portion::Whole);
}

#[test]
fn rfc9110_17_15_too_many_ranges_count_for_nothing() {
    let list = |count: usize| {
        let ranges: Vec<_> = (0..count).map(|at| format!("{0}-{0}", at * 200)).collect();
        of(&format!("bytes={}", ranges.join(",")))
    };
    assert!(matches!(list(MOST_RANGES), Portion::Many(ranges) if ranges.len() == MOST_RANGES));
    assert_eq!(list(MOST_RANGES + 1), Portion::Whole);
    // However they overlap, no byte is sent twice.
    assert_eq!(
        of(&format!("bytes={}0-", "0-,".repeat(MOST_RANGES - 1))),
        Portion::One(0..10_000)
    );
}

#[test]
fn rfc9110_15_3_7_2_ranges_stand_in_the_order_asked_for_and_near_ones_are_joined() {
    assert_eq!(of("bytes=5000-5099,0-99"), many(&[5000..5100, 0..100]));
    assert_eq!(
        of("bytes=5000-5099,0-99,5050-5199"),
        many(&[5000..5200, 0..100])
    );
    assert_eq!(
        of("bytes=0-99,5000-5099,100-199"),
        many(&[0..200, 5000..5100])
    );
    assert_eq!(of("bytes=0-9,90-99"), Portion::One(0..100));
    assert_eq!(of("bytes=0-9,91-99"), many(&[0..10, 91..100]));
}

#[test]
fn rfc9110_14_4_content_range_names_the_last_byte() {
    assert_eq!(
        content_range(&(0..500), 1234).expect("a value"),
        "bytes 0-499/1234"
    );
    assert_eq!(unsatisfied_range(47022).expect("a value"), "bytes */47022");
    assert_eq!(content_range(&(0..0), 0), None);
}

fn spec() -> impl Strategy<Value = String> {
    let number = || prop_oneof![0..300_u64, 0..5000_u64, any::<u64>()];
    prop_oneof![
        (number(), number()).prop_map(|(one, other)| format!(
            "{}-{}",
            one.min(other),
            one.max(other)
        )),
        number().prop_map(|first| format!("{first}-")),
        number().prop_map(|count| format!("-{count}")),
    ]
}

proptest! {
    #[test]
    fn the_bytes_sent_are_those_asked_for_once(
        list in prop::collection::vec(spec(), 1..=MOST_RANGES),
        length in 1..4000_u64,
    ) {
        let asked = fields(&[("range", &format!("bytes={}", list.join(", ")))]);
        let portion = portion(&Method::GET, &asked, StatusCode::OK, &Validators::default(), length);
        let wanted: Vec<_> = specs(format!("bytes={}", list.join(",")).as_bytes())
            .expect("well-formed")
            .into_iter()
            .filter_map(|spec| spec.within(length))
            .collect();
        let sent = match portion {
            Portion::Whole => return Err(TestCaseError::fail("well-formed ranges of a body")),
            Portion::Unsatisfiable => Vec::new(),
            Portion::One(range) => vec![range],
            Portion::Many(ranges) => {
                prop_assert!(ranges.len() > 1);
                ranges.into_vec()
            }
        };
        for range in &sent {
            prop_assert!(range.start < range.end && range.end <= length);
        }
        for range in &wanted {
            prop_assert!(sent.iter().any(|sent| sent.start <= range.start && range.end <= sent.end));
        }
        let mut sorted = sent;
        sorted.sort_unstable_by_key(|range| range.start);
        prop_assert!(sorted.windows(2).all(|pair| pair[0].end + GAP < pair[1].start));
        // Nothing but gaps is sent beyond what was asked for.
        for range in &sorted {
            let wanted: Vec<_> = wanted.iter().filter(|wanted| range.contains(&wanted.start)).collect();
            prop_assert_eq!(wanted.iter().map(|wanted| wanted.start).min(), Some(range.start));
            prop_assert_eq!(wanted.iter().map(|wanted| wanted.end).max(), Some(range.end));
        }
    }

    #[test]
    fn nothing_a_client_sends_makes_it_panic(text in "(bytes=)?[-0-9, ]{0,60}", length: u64) {
        let asked = fields(&[("range", &text)]);
        portion(&Method::GET, &asked, StatusCode::OK, &Validators::default(), length);
    }
}
