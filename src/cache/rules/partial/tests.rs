//! Are parts combined just where RFC 9111 §3.4 allows it, within bounds?

use proptest::prelude::*;

use super::*;
use crate::cache::rules::tests::{AN_HOUR_LATER, SUNDAY, fields};

const BOUNDS: Bounds = Bounds {
    bytes: 1000,
    pieces: 4,
};

/// The fields of a part of a body of a hundred bytes.
fn part(range: &str, etag: &str) -> HeaderMap {
    fields(&[("content-range", range), ("etag", etag), ("x-of", range)])
}

/// Those bytes of a body whose bytes say where they are.
fn bytes(range: Range<u8>) -> [Bytes; 1] {
    [range.collect::<Vec<_>>().into()]
}

fn begun() -> Partial {
    Partial::begin(&part("bytes 10-19/100", "\"1\""), &bytes(10..20), &BOUNDS).expect("a part")
}

fn together(pieces: Option<Vec<Bytes>>) -> Option<Vec<u8>> {
    pieces.map(|pieces| pieces.concat())
}

#[test]
fn rfc9111_3_3_a_part_answers_for_what_is_in_it() {
    let partial = begun();
    assert_eq!(together(partial.read(&(10..20))), Some((10..20).collect()));
    assert_eq!(together(partial.read(&(12..13))), Some(vec![12]));
    for range in [
        0..10,
        9..11,
        19..21,
        20..100,
        0..100,
        50..60,
        0..200,
        100..101,
    ] {
        assert!(!partial.covers(&range), "{range:?}");
        assert_eq!(partial.read(&range), None, "{range:?}");
    }
    assert_eq!(partial.gaps(0..100), [0..10, 20..100]);
    assert_eq!(partial.whole(), None);
}

#[test]
fn rfc9111_3_4_parts_of_one_version_become_a_whole() {
    let mut partial = begun();
    for (range, of) in [
        ("bytes 0-14/100", 0..15),
        ("bytes 40-99/*", 40..100),
        ("bytes 15-50/100", 15..51),
    ] {
        assert_eq!(
            partial.add(&part(range, "\"1\""), &bytes(of), &BOUNDS),
            Added::Kept
        );
    }
    assert_eq!(together(partial.whole()), Some((0..100).collect()));
    assert_eq!(partial.complete(), 100);
    // The newest part's fields count, and the length is that of the whole.
    let expected = fields(&[
        ("etag", "\"1\""),
        ("x-of", "bytes 15-50/100"),
        ("content-length", "100"),
    ]);
    assert_eq!(partial.fields(), &expected);
}

#[test]
fn rfc9111_3_4_parts_without_a_strong_validator_are_not_combined() {
    for etag in ["W/\"1\"", "1", ""] {
        let begun = Partial::begin(&part("bytes 0-9/100", etag), &bytes(0..10), &BOUNDS);
        assert!(begun.is_none(), "{etag}");
    }
    let mut partial = begun();
    let weak = part("bytes 0-9/100", "W/\"1\"");
    assert_eq!(partial.add(&weak, &bytes(0..10), &BOUNDS), Added::Refused);
    assert!(partial.covers(&(10..20)));
    // A strong time of modification is one.
    let modified = fields(&[
        ("content-range", "bytes 0-9/100"),
        ("last-modified", SUNDAY),
        ("date", AN_HOUR_LATER),
    ]);
    assert!(Partial::begin(&modified, &bytes(0..10), &BOUNDS).is_some());
}

#[test]
fn rfc9111_3_4_a_part_of_another_version_takes_the_place_of_all() {
    let mut partial = begun();
    let other = part("bytes 50-59/100", "\"2\"");
    assert_eq!(
        partial.add(&other, &bytes(50..60), &BOUNDS),
        Added::Replaced
    );
    assert!(!partial.covers(&(10..20)));
    assert!(partial.covers(&(50..60)));
    assert_eq!(partial.held(), 10);
    // So does one of another length, whatever its tag says.
    let longer = part("bytes 0-9/101", "\"2\"");
    assert_eq!(
        partial.add(&longer, &bytes(0..10), &BOUNDS),
        Added::Replaced
    );
    assert_eq!(partial.complete(), 101);
}

#[test]
fn rfc9110_14_4_a_part_that_is_not_what_it_says_is_refused() {
    let mut partial = begun();
    for (range, of) in [
        ("bytes 0-9/100", 0..9),
        ("bytes 0-9/100", 0..11),
        ("bytes 0-9/100", 0..0),
        ("bytes 95-104/*", 95..105),
        ("bytes */100", 0..10),
        ("bytes 9-0/100", 0..10),
        ("bytes 0-9/9", 0..10),
        ("0-9/100", 0..10),
        ("", 0..10),
    ] {
        let added = partial.add(&part(range, "\"1\""), &bytes(of), &BOUNDS);
        assert_eq!(added, Added::Refused, "{range}");
    }
    assert_eq!(partial.held(), 10);
    let unknown = part("bytes 0-9/*", "\"1\"");
    assert!(Partial::begin(&unknown, &bytes(0..10), &BOUNDS).is_none());
}

#[test]
fn no_more_is_kept_than_there_is_room_for() {
    let narrow = Bounds {
        bytes: 25,
        pieces: 2,
    };
    let mut partial = begun();
    let large = part("bytes 20-39/100", "\"1\"");
    assert_eq!(partial.add(&large, &bytes(20..40), &narrow), Added::Refused);
    let small = part("bytes 20-24/100", "\"1\"");
    assert_eq!(partial.add(&small, &bytes(20..25), &narrow), Added::Kept);
    let third = part("bytes 30-30/100", "\"1\"");
    assert_eq!(partial.add(&third, &bytes(30..31), &narrow), Added::Refused);
    // What is there already takes no room, nor a new place.
    assert_eq!(partial.add(&small, &bytes(20..25), &narrow), Added::Kept);
    assert_eq!(partial.held(), 15);
    assert!(
        Partial::begin(
            &large,
            &bytes(20..40),
            &Bounds {
                bytes: 19,
                pieces: 2
            }
        )
        .is_none()
    );
}

#[test]
fn what_is_read_is_not_copied() {
    let body = bytes(10..20);
    let partial =
        Partial::begin(&part("bytes 10-19/100", "\"1\""), &body, &BOUNDS).expect("a part");
    let read = partial.read(&(12..15)).expect("there");
    assert_eq!(read[0].as_ptr(), body[0][2..].as_ptr());
}

#[test]
fn rfc9110_14_4_content_range_is_read_strictly() {
    let of = |text: &str| ContentRange::parse(text.as_bytes());
    assert_eq!(
        of("bytes 42-1233/1234"),
        Some(ContentRange {
            range: 42..1234,
            complete: Some(1234)
        })
    );
    assert_eq!(
        of("bytes 42-1233/*"),
        Some(ContentRange {
            range: 42..1234,
            complete: None
        })
    );
    assert_eq!(of("Bytes 0-0/1").map(|content| content.len()), Some(1));
    for malformed in [
        "bytes */1234",
        "bytes 42-1233",
        "bytes 42-1233/",
        "bytes 42-41/1234",
        "bytes 42-1234/1234",
        "bytes  42-1233/1234",
        "bytes 42 -1233/1234",
        "bytes=42-1233/1234",
        "lines 42-1233/1234",
        "bytes -1233/1234",
        "bytes 42-/1234",
        "bytes 42-1233/1234 ",
        "bytes +42-1233/1234",
        "bytes 0-18446744073709551615/*",
        "bytes 0-18446744073709551616/*",
        "bytes 42-1233/1234/1",
        "42-1233/1234",
        "",
    ] {
        assert_eq!(of(malformed), None, "{malformed}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_is_read_as_it_was(
        parts in prop::collection::vec((0..100_u8, 1..30_u8, 1..5_usize), 1..12),
        asked in (0..100_u64, 1..50_u64),
    ) {
        let bounds = Bounds { bytes: 10_000, pieces: 200 };
        let mut there = [false; 100];
        let mut partial: Option<Partial> = None;
        for (start, length, chunk) in parts {
            let end = (start + length).min(100);
            let fields = part(&format!("bytes {start}-{}/100", end - 1), "\"1\"");
            let body: Vec<u8> = (start..end).collect();
            let body: Vec<_> = body.chunks(chunk).map(Bytes::copy_from_slice).collect();
            match &mut partial {
                Some(partial) => prop_assert_eq!(partial.add(&fields, &body, &bounds), Added::Kept),
                None => partial = Some(Partial::begin(&fields, &body, &bounds).expect("a part")),
            }
            there[usize::from(start)..usize::from(end)].fill(true);
        }
        let partial = partial.expect("one part at least");
        let range = asked.0..(asked.0 + asked.1).min(100);
        let here = range.clone().all(|byte| there[byte as usize]);
        prop_assert_eq!(partial.covers(&range), here);
        let expected = here.then(|| range.map(|byte| byte as u8).collect::<Vec<_>>());
        prop_assert_eq!(together(partial.read(&(asked.0..(asked.0 + asked.1).min(100)))), expected);
        prop_assert_eq!(partial.whole().is_some(), there.iter().all(|there| *there));
    }

    #[test]
    fn a_content_range_is_read_as_it_was_written(first in 0..1000_u64, length in 1..1000_u64, more in 0..1000_u64) {
        let text = format!("bytes {first}-{}/{}", first + length - 1, first + length + more);
        let content = ContentRange::parse(text.as_bytes()).expect("a range");
        prop_assert_eq!(content.range, first..first + length);
        prop_assert_eq!(content.complete, Some(first + length + more));
    }

    #[test]
    fn nothing_an_endpoint_sends_makes_it_panic(text in "(bytes )?[-0-9/* ]{0,50}") {
        ContentRange::parse(text.as_bytes());
    }
}
