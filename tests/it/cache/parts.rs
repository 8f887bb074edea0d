//! Do kept parts answer for the ranges that they cover, and never longer or for more than they should?

use origin::{Origin, Scripted, expected_bytes};

use super::asking::*;
use crate::support::*;

const LENGTH: usize = 1000;
const FIRST: &str = "Range: bytes=0-499";
const SECOND: &str = "Range: bytes=500-999";

/// What is asked for in parts, as it is at first.
fn before() -> Vec<u8> {
    expected_bytes(LENGTH)
}

/// The same after it has changed: no byte is as it was.
fn after() -> Vec<u8> {
    before().iter().map(|byte| !byte).collect()
}

/// A version of it, that is given in ranges.
fn version(tag: &str, body: Vec<u8>) -> Scripted {
    fresh().field("ETag", tag).body(body).ranges()
}

async fn with(answers: impl IntoIterator<Item = Scripted>) -> (Origin, Portcullis, Raw) {
    let origin = origin().await;
    origin.script("/a", answers);
    let (portcullis, raw) = caching(&origin, "").await;
    (origin, portcullis, raw)
}

/// Asks for a part, which must come, and gives whether it was a hit, and its bytes. Who asks on one connection has each
/// part kept before the next is asked for.
async fn part(raw: &mut Raw, range: &str) -> (bool, Vec<u8>) {
    let answer = ask(raw, "GET /a", &[range]).await;
    assert_eq!(answer.status, 206, "{range}: {:?}", answer.headers);
    let is_hit = cache_status(&answer).contains("; hit");
    (is_hit, answer.body)
}

#[tokio::test]
async fn rfc9111_3_3_a_part_that_was_fetched_answers_for_what_it_covers() {
    let (origin, _portcullis, mut raw) = with([version("\"1\"", before())]).await;
    let range = "Range: bytes=100-299";
    assert_eq!(
        part(&mut raw, range).await,
        (false, before()[100..300].to_vec())
    );
    assert_eq!(origin.asked("/a")[0].field("range"), "bytes=100-299");
    let again = ask(&mut raw, "GET /a", &[range]).await;
    assert!(cache_status(&again).contains("; hit"), "{again:?}");
    assert_eq!(again.header("content-range"), Some("bytes 100-299/1000"));
    assert_eq!(again.header("content-length"), Some("200"));
    assert_eq!(again.header("etag"), Some("\"1\""));
    assert!(again.body == before()[100..300]);
    let within = part(&mut raw, "Range: bytes=150-151").await;
    assert_eq!(within, (true, before()[150..152].to_vec()));
    assert_eq!(origin.count("/a"), 1);
    // What reaches beyond it has to be fetched.
    let beyond = part(&mut raw, "Range: bytes=250-349").await;
    assert_eq!(beyond, (false, before()[250..350].to_vec()));
    assert_eq!(origin.count("/a"), 2);
}

#[tokio::test]
async fn rfc9111_3_4_parts_that_touch_are_a_whole() {
    for ranges in [
        &[FIRST, SECOND][..],
        &[SECOND, FIRST],
        &[
            "Range: bytes=-400",
            "Range: bytes=0-299",
            "Range: bytes=200-699",
        ],
    ] {
        let (origin, _portcullis, mut raw) = with([version("\"1\"", before())]).await;
        for range in ranges {
            assert!(!part(&mut raw, range).await.0, "{range}");
        }
        let whole = ask(&mut raw, "GET /a", &[]).await;
        assert_eq!(whole.status, 200, "{ranges:?}: {whole:?}");
        assert!(
            cache_status(&whole).contains("; hit"),
            "{ranges:?}: {whole:?}"
        );
        assert_eq!(whole.header("content-range"), None);
        assert_eq!(whole.header("content-length"), Some("1000"));
        assert!(whole.body == before(), "{ranges:?}");
        let across = part(&mut raw, "Range: bytes=400-799").await;
        assert_eq!(across, (true, before()[400..800].to_vec()));
        assert_eq!(origin.count("/a"), ranges.len());
    }
}

#[tokio::test]
async fn a_byte_that_is_missing_is_fetched_with_all_the_others() {
    let (origin, _portcullis, mut raw) = with([version("\"1\"", before())]).await;
    for range in [FIRST, "Range: bytes=501-999"] {
        part(&mut raw, range).await;
    }
    let whole = ask(&mut raw, "GET /a", &[]).await;
    assert!(!cache_status(&whole).contains("; hit"), "{whole:?}");
    assert!(whole.status == 200 && whole.body == before());
    assert_eq!(origin.count("/a"), 3);
    assert_eq!(origin.asked("/a")[2].field("range"), "");
}

#[tokio::test]
async fn rfc9111_3_4_parts_of_two_versions_are_never_one_whole() {
    let (origin, _portcullis, mut raw) =
        with([version("\"1\"", before()), version("\"2\"", after())]).await;
    assert!(part(&mut raw, FIRST).await.1 == before()[..500]);
    assert!(part(&mut raw, SECOND).await.1 == after()[500..]);
    // The former version is forgotten.
    assert_eq!(
        part(&mut raw, FIRST).await,
        (false, after()[..500].to_vec())
    );
    let whole = ask(&mut raw, "GET /a", &[]).await;
    assert!(cache_status(&whole).contains("; hit"), "{whole:?}");
    assert_eq!(whole.header("etag"), Some("\"2\""));
    assert!(whole.body == after());
    assert_eq!(origin.count("/a"), 3);
}

#[tokio::test]
async fn rfc9110_8_8_1_without_a_strong_validator_no_part_is_kept() {
    for answer in [
        version("W/\"1\"", before()),
        fresh().body(before()).ranges(),
    ] {
        let (origin, _portcullis, mut raw) = with([answer]).await;
        for range in [FIRST, SECOND, FIRST] {
            assert!(!part(&mut raw, range).await.0, "{range}");
        }
        let whole = ask(&mut raw, "GET /a", &[]).await;
        assert!(!cache_status(&whole).contains("; hit"), "{whole:?}");
        assert!(whole.body == before());
        assert_eq!(origin.count("/a"), 4);
    }
}

/// An origin whose answer changes after the first GET, under the same tag: whoever takes the parts for those of one
/// version mixes them.
async fn changing(first: Scripted) -> (Origin, Portcullis, Raw) {
    let origin = origin().await;
    origin.script_by("/a", move |asked, number| {
        match (asked.method.as_str(), number) {
            ("GET", 0) => first.clone(),
            ("GET", _) => version("\"1\"", after()),
            _ => Scripted::new(204),
        }
    });
    let (portcullis, raw) = caching(&origin, "purge_from: [127.0.0.1/32]").await;
    (origin, portcullis, raw)
}

/// What ends the use of a stored object, and its status.
const ENDS: [(&str, u16); 2] = [("POST /a", 204), ("PURGE /a", 200)];

async fn end(raw: &mut Raw, (request, status): (&str, u16)) {
    let answer = ask(raw, request, &["Content-Length: 0"]).await;
    assert_eq!(answer.status, status, "{request}: {answer:?}");
}

#[tokio::test]
async fn a_change_and_a_purge_end_the_use_of_a_part() {
    for what in ENDS {
        let (_origin, _portcullis, mut raw) = changing(version("\"1\"", before())).await;
        assert!(part(&mut raw, FIRST).await.1 == before()[..500]);
        assert!(part(&mut raw, FIRST).await.0);
        end(&mut raw, what).await;
        let fetched = part(&mut raw, FIRST).await;
        assert!(fetched == (false, after()[..500].to_vec()), "{what:?}");
    }
}

#[tokio::test]
async fn a_part_from_before_a_change_or_a_purge_is_no_part_of_a_whole_after_it() {
    for what in ENDS {
        let (_origin, _portcullis, mut raw) = changing(version("\"1\"", before())).await;
        assert!(part(&mut raw, FIRST).await.1 == before()[..500]);
        end(&mut raw, what).await;
        assert!(part(&mut raw, SECOND).await.1 == after()[500..], "{what:?}");
        let whole = ask(&mut raw, "GET /a", &[]).await;
        assert!(
            !cache_status(&whole).contains("; hit"),
            "{what:?}: {whole:?}"
        );
        assert!(whole.body == after(), "{what:?}");
    }
}

#[tokio::test]
async fn a_part_that_was_under_way_before_a_change_or_a_purge_is_not_kept_after_it() {
    for what in ENDS {
        let first = version("\"1\"", before()).held("first");
        let (origin, portcullis, mut raw) = changing(first).await;
        let head = format!("GET /a HTTP/1.1\r\nHost: a.test\r\n{FIRST}\r\n\r\n");
        let mut slow = Raw::sent(portcullis.listener("http"), head).await;
        eventually("the part is asked for", async || origin.count("/a") == 1).await;
        end(&mut raw, what).await;
        origin.release_one("first");
        assert!(slow.response().await.body == before()[..500]);
        // On the connection of the slow one, so that what it brought would have been kept by now.
        let fetched = part(&mut slow, FIRST).await;
        assert!(fetched == (false, after()[..500].to_vec()), "{what:?}");
    }
}

#[tokio::test]
async fn rfc9110_15_5_17_that_a_range_cannot_be_had_is_not_what_others_ask_for() {
    let origin = origin().await;
    origin.script_by("/a", |asked, _| match asked.field("range") {
        "" => version("\"1\"", before()),
        _ => Scripted::new(416)
            .field("Cache-Control", "max-age=3600")
            .field("Content-Range", "bytes */1000")
            .body("no such range"),
    });
    let (_portcullis, mut raw) = caching(&origin, "").await;
    let lines = ["Range: bytes=5000-5999"];
    let answer = ask(&mut raw, "GET /a", &lines).await;
    assert_eq!(
        (answer.status, answer.text()),
        (416, "no such range".to_owned())
    );
    let whole = ask(&mut raw, "GET /a", &[]).await;
    assert_eq!(whole.status, 200, "{whole:?}");
    assert!(whole.body == before());
    // And it is stored, as if nobody had asked for a range.
    assert!(stored(&mut raw, "/a", &[]).await.body == before());
    assert_eq!(origin.count("/a"), 2);
}
