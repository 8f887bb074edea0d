//! Are ranges served out of what is stored whole, and none that a client must not have?

use std::ops::Range;

use origin::{Origin, Scripted, expected_bytes};

use super::asking::*;
use crate::support::*;

const LENGTH: usize = 300_000;

fn body() -> Vec<u8> {
    expected_bytes(LENGTH)
}

/// A body that comes in pieces, so that ranges lie across them.
fn in_pieces(answer: Scripted) -> Scripted {
    let answer = body()
        .chunks(70_000)
        .fold(answer, |answer, piece| answer.body(piece.to_vec()));
    answer.field("Content-Type", "application/octet-stream")
}

async fn with(answer: Scripted) -> (Origin, Portcullis, Raw) {
    let origin = origin().await;
    origin.script("/a", [answer]);
    let (portcullis, mut raw) = caching(&origin, "").await;
    stored(&mut raw, "/a", &[]).await;
    assert_eq!(origin.count("/a"), 1);
    (origin, portcullis, raw)
}

async fn tagged() -> (Origin, Portcullis, Raw) {
    with(in_pieces(
        fresh()
            .field("ETag", "\"1\"")
            .field("Last-Modified", LONG_AGO),
    ))
    .await
}

#[tokio::test]
async fn rfc9110_14_2_one_range_of_a_stored_answer_is_exactly_those_bytes() {
    let (origin, _portcullis, mut raw) = tagged().await;
    for (range, bytes) in [
        ("0-0", 0..1),
        ("0-", 0..LENGTH),
        ("-1", LENGTH - 1..LENGTH),
        ("-70001", LENGTH - 70_001..LENGTH),
        ("-999999", 0..LENGTH),
        ("69999-70000", 69_999..70_001),
        ("1-299998", 1..LENGTH - 1),
        ("299999-300007", LENGTH - 1..LENGTH),
        ("0-9,10-19", 0..20),
    ] {
        let answer = ask(&mut raw, "GET /a", &[&format!("Range: bytes={range}")]).await;
        assert_eq!(answer.status, 206, "{range}: {:?}", answer.headers);
        let expected = format!("bytes {}-{}/{LENGTH}", bytes.start, bytes.end - 1);
        assert_eq!(answer.header("content-range"), Some(expected.as_str()));
        assert_eq!(
            answer.header("content-length"),
            Some(bytes.len().to_string().as_str())
        );
        assert_eq!(answer.header("etag"), Some("\"1\""));
        assert_eq!(
            answer.header("content-type"),
            Some("application/octet-stream")
        );
        assert!(answer.body == body()[bytes], "{range}");
        assert!(
            cache_status(&answer).contains("; hit"),
            "{:?}",
            answer.headers
        );
    }
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn rfc9110_15_5_17_a_range_behind_the_end_is_told_how_long_the_whole_is() {
    let (origin, _portcullis, mut raw) = tagged().await;
    for range in ["300000-", "300000-300001", "-0", "400000-,500000-"] {
        let answer = ask(&mut raw, "GET /a", &[&format!("Range: bytes={range}")]).await;
        assert_eq!(answer.status, 416, "{range}");
        assert_eq!(answer.header("content-range"), Some("bytes */300000"));
        assert_ne!(answer.header("content-length"), Some("300000"));
        assert!(answer.body.len() < 1000);
    }
    assert_eq!(ask(&mut raw, "GET /a", &[]).await.body.len(), LENGTH);
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn rfc9110_14_2_a_range_that_is_none_counts_for_nothing() {
    let (_origin, _portcullis, mut raw) = tagged().await;
    let many: Vec<_> = (0..1000).map(|at| format!("{0}-{0}", at * 200)).collect();
    for lines in [
        &["Range: bytes=2-1"][..],
        &["Range: bytes=a-b"],
        &["Range: lines=0-1"],
        &["Range: bytes=0-1", "Range: bytes=0-1"],
        &["Range: bytes"],
        &[&format!("Range: bytes={}", many.join(","))],
    ] {
        let answer = ask(&mut raw, "GET /a", lines).await;
        assert_eq!(answer.status, 200, "{:?}", lines[0].get(..20));
        assert_eq!(answer.header("content-range"), None);
        assert!(answer.body == body());
    }
    let head = ask(&mut raw, "HEAD /a", &["Range: bytes=0-1"]).await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("300000"))
    );
}

/// The parts of a multipart body, taken apart to the byte: what each says of its place, and its bytes.
fn parts(answer: &RawResponse) -> (String, Vec<(String, Vec<u8>)>) {
    let content_type = answer.header("content-type").expect("a type");
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=");
    let boundary = boundary
        .unwrap_or_else(|| panic!("{content_type}"))
        .to_owned();
    let mut rest = &answer.body[..];
    let mut take = |text: &str| {
        let start = rest.get(..text.len()).expect("more");
        assert_eq!(String::from_utf8_lossy(start), text);
        rest = &rest[text.len()..];
    };
    take(&format!("--{boundary}\r\n"));
    let mut parts = Vec::new();
    loop {
        let end = rest
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("a head");
        let head = String::from_utf8(rest[..end].to_vec()).expect("text");
        let place = head
            .strip_prefix("Content-Type: application/octet-stream\r\nContent-Range: bytes ")
            .unwrap_or_else(|| panic!("{head}"));
        let (first, last) = place
            .split_once('/')
            .expect("a length")
            .0
            .split_once('-')
            .expect("a range");
        let length = last.parse::<usize>().expect("a number") + 1
            - first.parse::<usize>().expect("a number");
        parts.push((place.to_owned(), rest[end + 4..][..length].to_vec()));
        rest = &rest[end + 4 + length..];
        let next = format!("\r\n--{boundary}\r\n");
        if let Some(after) = rest.strip_prefix(next.as_bytes()) {
            rest = after;
        } else {
            assert_eq!(
                String::from_utf8_lossy(rest),
                format!("\r\n--{boundary}--\r\n")
            );
            return (boundary, parts);
        }
    }
}

#[tokio::test]
async fn rfc9110_14_6_many_ranges_come_as_parts_in_the_order_asked_for_and_no_byte_twice() {
    let (origin, _portcullis, mut raw) = tagged().await;
    let range = "Range: bytes=-10, 69990-70009, 0-99, 50-149";
    let answer = ask(&mut raw, "GET /a", &[range]).await;
    assert_eq!(answer.status, 206);
    assert_eq!(answer.header("content-range"), None);
    assert_eq!(
        answer.header("content-length"),
        Some(answer.body.len().to_string().as_str())
    );
    let (boundary, parts) = parts(&answer);
    let expected = |range: Range<usize>| {
        let place = format!("{}-{}/{LENGTH}", range.start, range.end - 1);
        (place, body()[range].to_vec())
    };
    assert_eq!(
        parts,
        [
            expected(LENGTH - 10..LENGTH),
            expected(69_990..70_010),
            expected(0..150)
        ]
    );
    // Who can choose what is in the body can't guess what separates the parts.
    let again = ask(&mut raw, "GET /a", &[range]).await;
    assert_ne!(self::parts(&again).0, boundary);
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn rfc9110_17_15_however_ranges_overlap_no_more_than_the_whole_is_sent() {
    let (_origin, _portcullis, mut raw) = tagged().await;
    let answer = ask(
        &mut raw,
        "GET /a",
        &[&format!("Range: bytes={}0-", "0-,1-,".repeat(20))],
    )
    .await;
    assert_eq!(answer.status, 206);
    assert!(answer.body == body());
}

#[tokio::test]
async fn rfc9110_13_1_5_a_range_of_another_version_is_the_whole_of_this_one() {
    let (origin, _portcullis, mut raw) = tagged().await;
    for (version, status) in [
        ("\"1\"", 206),
        (LONG_AGO, 206),
        ("\"2\"", 200),
        ("W/\"1\"", 200),
        (LATER, 200),
        ("nonsense", 200),
    ] {
        let lines = ["Range: bytes=0-9", &format!("If-Range: {version}")];
        let answer = ask(&mut raw, "GET /a", &lines).await;
        assert_eq!(answer.status, status, "{version}");
        let length = if status == 206 { 10 } else { LENGTH };
        assert!(answer.body == body()[..length], "{version}");
    }
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn rfc9110_8_8_1_a_weak_validator_does_not_vouch_for_a_part() {
    let (_origin, _portcullis, mut raw) = with(in_pieces(fresh().field("ETag", "W/\"1\""))).await;
    for version in ["W/\"1\"", "\"1\""] {
        let lines = ["Range: bytes=0-9", &format!("If-Range: {version}")];
        let answer = ask(&mut raw, "GET /a", &lines).await;
        assert_eq!(
            (answer.status, answer.body.len()),
            (200, LENGTH),
            "{version}"
        );
    }
    let answer = ask(&mut raw, "GET /a", &["Range: bytes=0-9"]).await;
    assert_eq!((answer.status, answer.body.len()), (206, 10));
}

#[tokio::test]
async fn rfc9110_13_2_2_what_is_not_modified_has_no_ranges() {
    let (_origin, _portcullis, mut raw) = tagged().await;
    let lines = ["Range: bytes=0-9", "If-None-Match: \"1\""];
    let answer = ask(&mut raw, "GET /a", &lines).await;
    assert_eq!((answer.status, answer.header("content-range")), (304, None));
    let lines = ["Range: bytes=999999-", "If-None-Match: \"1\""];
    assert_eq!(ask(&mut raw, "GET /a", &lines).await.status, 304);
}

#[tokio::test]
async fn rfc9110_14_2_only_a_stored_200_has_ranges() {
    let missing = Scripted::new(404)
        .field("Cache-Control", "max-age=3600")
        .body("not here");
    let (origin, _portcullis, mut raw) = with(missing).await;
    for range in ["Range: bytes=0-1", "Range: bytes=100-"] {
        let answer = ask(&mut raw, "GET /a", &[range]).await;
        assert_eq!((answer.status, answer.text().as_str()), (404, "not here"));
        assert_eq!(answer.header("content-range"), None);
    }
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn a_range_of_what_is_not_stored_yet_is_that_range_and_a_whole_is_never_mistaken_for_it() {
    let origin = origin().await;
    origin.script("/a", [in_pieces(fresh().field("ETag", "\"1\"")).ranges()]);
    let (_portcullis, mut raw) = caching(&origin, "").await;
    let answer = ask(&mut raw, "GET /a", &["Range: bytes=10-19"]).await;
    assert_eq!(answer.status, 206, "{:?}", answer.headers);
    assert_eq!(answer.header("content-range"), Some("bytes 10-19/300000"));
    assert!(answer.body == body()[10..20]);
    let whole = stored(&mut raw, "/a", &[]).await;
    assert_eq!(whole.status, 200);
    assert!(whole.body == body());
    let answer = ask(&mut raw, "GET /a", &["Range: bytes=20-29"]).await;
    assert!(answer.status == 206 && answer.body == body()[20..30]);
}

#[tokio::test]
async fn ranges_are_the_same_over_http2() {
    let (_origin, portcullis, _raw) = tagged().await;
    let mut client = http2(portcullis.listener("http")).await;
    let asked = |range: &str| {
        let asked = request("GET", "/a")
            .header("host", "a.test")
            .header("range", range);
        asked.body(full("")).expect("a request")
    };
    // The authority is not the one under which it is stored, so it is another object.
    client.get("/a").await;
    let answer = client.ask(asked("bytes=69999-70000")).await;
    assert_eq!(answer.status, 206);
    assert_eq!(
        answer.header("content-range"),
        Some("bytes 69999-70000/300000")
    );
    assert!(answer.body[..] == body()[69_999..70_001]);
    let answer = client.ask(asked("bytes=0-9,1000-1009")).await;
    assert_eq!(answer.status, 206);
    assert!(
        answer
            .header("content-type")
            .is_some_and(|value| value.starts_with("multipart/byteranges"))
    );
    let answer = client.ask(asked("bytes=300000-")).await;
    assert_eq!(answer.status, 416);
}

#[tokio::test]
async fn ranges_of_what_is_on_disk_are_the_same() {
    let origin = origin().await;
    origin.script("/a", [in_pieces(fresh().field("ETag", "\"1\""))]);
    let endpoint = origin.address().expect("an origin on TCP");
    // There is less memory than the body takes.
    let portcullis = Portcullis::start(&format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         cache: {{memory: 64KiB, disk: {{path: \"@dir@/objects\", size: 16MiB}}}}\n\
         routes: [{{name: all, pool: origin, cache: {{}}}}]\n\
         pools: [{{name: origin, endpoints: [\"{endpoint}\"]}}]\n"
    ))
    .await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    assert!(stored(&mut raw, "/a", &[]).await.body == body());
    let before = origin.count("/a");
    for bytes in [0..1, 65_535..65_537, 69_999..210_001, LENGTH - 1..LENGTH] {
        let range = format!("Range: bytes={}-{}", bytes.start, bytes.end - 1);
        let answer = ask(&mut raw, "GET /a", &[&range]).await;
        assert_eq!(answer.status, 206, "{range}");
        assert!(answer.body == body()[bytes], "{range}");
    }
    let range = "Range: bytes=200000-200099,0-99,131000-131199";
    let answer = ask(&mut raw, "GET /a", &[range]).await;
    let (_, parts) = parts(&answer);
    let parts: Vec<_> = parts.into_iter().map(|(_, bytes)| bytes).collect();
    assert!(
        parts
            == [
                &body()[200_000..200_100],
                &body()[..100],
                &body()[131_000..131_200]
            ]
    );
    let answer = ask(&mut raw, "GET /a", &["Range: bytes=300000-"]).await;
    assert_eq!(answer.status, 416);
    assert_eq!(origin.count("/a"), before);
}
