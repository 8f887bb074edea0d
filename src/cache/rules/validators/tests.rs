//! Is a version told from another as RFC 9110 §8.8 says?

use proptest::prelude::*;

use super::*;
use crate::cache::rules::tests::{A_MINUTE_LATER, A_SECOND_LATER, AN_HOUR_LATER, SUNDAY, fields};

fn tag(text: &str) -> EntityTag {
    EntityTag::parse(text.as_bytes()).expect("an entity tag")
}

#[test]
fn rfc9110_8_8_3_an_entity_tag_is_quoted_and_weak_only_with_a_capital_w() {
    assert_eq!(
        tag("\"xyzzy\""),
        EntityTag {
            weak: false,
            opaque: Bytes::from_static(b"xyzzy")
        }
    );
    assert!(tag("W/\"xyzzy\"").weak);
    assert!(tag("\"\"").opaque.is_empty());
    // A backslash escapes nothing, and letters beyond ASCII are in.
    assert_eq!(&tag("\"a\\\"").opaque[..], b"a\\");
    assert_eq!(&tag("\"ä\"").opaque[..], "ä".as_bytes());
    for malformed in [
        "",
        "xyzzy",
        "\"",
        "\"xyzzy",
        "xyzzy\"",
        "w/\"xyzzy\"",
        "W\"xyzzy\"",
        "W/",
        "W/\"",
        "\"a\" ",
        " \"a\"",
        "\"a b\"",
        "\"a\"b\"",
        "\"a\",\"b\"",
        "\"a\u{7f}\"",
        "\"a\tb\"",
        "*",
    ] {
        assert_eq!(EntityTag::parse(malformed.as_bytes()), None, "{malformed}");
    }
}

#[test]
fn rfc9110_8_8_3_2_comparison_is_as_in_the_table() {
    for (one, another, strongly, weakly) in [
        ("W/\"1\"", "W/\"1\"", false, true),
        ("W/\"1\"", "W/\"2\"", false, false),
        ("W/\"1\"", "\"1\"", false, true),
        ("\"1\"", "W/\"1\"", false, true),
        ("\"1\"", "\"1\"", true, true),
        ("\"1\"", "\"A\"", false, false),
        ("\"a\"", "\"A\"", false, false),
    ] {
        assert_eq!(
            tag(one).strongly_is(&tag(another)),
            strongly,
            "{one} {another}"
        );
        assert_eq!(tag(one).weakly_is(&tag(another)), weakly, "{one} {another}");
    }
}

#[test]
fn rfc9110_5_3_a_validator_that_is_there_twice_is_none() {
    let validators = Validators::of(&fields(&[
        ("etag", "\"1\""),
        ("etag", "\"1\""),
        ("last-modified", SUNDAY),
        ("last-modified", SUNDAY),
    ]));
    assert_eq!(validators, Validators::default());
    assert!(!validators.are_there());
}

#[test]
fn rfc9110_8_8_2_2_a_time_of_modification_is_strong_only_long_before_the_date() {
    let strong = |lines: &[_]| Validators::of(&fields(lines)).strongly_modified().is_some();
    assert!(strong(&[
        ("last-modified", SUNDAY),
        ("date", A_MINUTE_LATER)
    ]));
    assert!(strong(&[
        ("last-modified", SUNDAY),
        ("date", AN_HOUR_LATER)
    ]));
    assert!(!strong(&[
        ("last-modified", SUNDAY),
        ("date", A_SECOND_LATER)
    ]));
    assert!(!strong(&[("last-modified", SUNDAY), ("date", SUNDAY)]));
    assert!(!strong(&[
        ("last-modified", AN_HOUR_LATER),
        ("date", SUNDAY)
    ]));
    assert!(!strong(&[("last-modified", SUNDAY)]));
    assert!(!strong(&[
        ("last-modified", "yesterday"),
        ("date", AN_HOUR_LATER)
    ]));
    assert!(!strong(&[("date", AN_HOUR_LATER)]));
}

#[test]
fn rfc9111_3_4_two_parts_are_of_the_same_bytes_by_a_strong_validator_only() {
    let same = |one: &[_], another: &[_]| {
        Validators::of(&fields(one)).are_of_the_same_bytes(&Validators::of(&fields(another)))
    };
    assert!(same(&[("etag", "\"1\"")], &[("etag", "\"1\"")]));
    assert!(!same(&[("etag", "W/\"1\"")], &[("etag", "W/\"1\"")]));
    assert!(!same(&[("etag", "\"1\"")], &[]));
    assert!(!same(&[], &[]));
    let modified = [("last-modified", SUNDAY), ("date", AN_HOUR_LATER)];
    assert!(same(&modified, &modified));
    assert!(!same(
        &modified,
        &[("last-modified", SUNDAY), ("date", A_SECOND_LATER)]
    ));
    // A tag counts more than a time.
    let tagged = [
        ("etag", "\"1\""),
        ("last-modified", SUNDAY),
        ("date", AN_HOUR_LATER),
    ];
    let another = [
        ("etag", "\"2\""),
        ("last-modified", SUNDAY),
        ("date", AN_HOUR_LATER),
    ];
    assert!(!same(&tagged, &another));
    assert!(!same(&tagged, &modified));
}

proptest! {
    #[test]
    fn an_entity_tag_survives_being_written(weak: bool, opaque in "[!#-~\u{80}-\u{ff}]{0,40}") {
        let written = EntityTag { weak, opaque: Bytes::from(opaque.into_bytes()) };
        let value = written.value().expect("a value");
        prop_assert_eq!(EntityTag::of(&value), Some(written));
    }

    #[test]
    fn any_text_is_an_entity_tag_that_is_written_the_same_way_or_none(text in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Some(tag) = EntityTag::parse(&text) {
            let value = tag.value().expect("a value");
            prop_assert_eq!(value.as_bytes(), &text[..]);
        }
    }
}
