//! Is what is stored used for as long as it is fresh, and does each client get it as fresh as it wishes?

use origin::{Origin, Scripted};

use super::asking::*;
use crate::support::*;

/// An answer of this status with these fields.
fn answer(status: u16, fields: &[(&str, &str)]) -> Scripted {
    let answer = Scripted::new(status).body("made once");
    fields
        .iter()
        .fold(answer, |answer, (name, value)| answer.field(name, value))
}

/// For how many seconds a hit says that it stays fresh.
fn ttl(hit: &RawResponse) -> i64 {
    let status = cache_status(hit);
    let (_, ttl) = status.split_once("ttl=").expect("a ttl");
    let end = ttl.find(|c: char| c != '-' && !c.is_ascii_digit());
    ttl[..end.unwrap_or(ttl.len())].parse().expect("a number")
}

fn age(hit: &RawResponse) -> i64 {
    let age = hit.header("age").expect("an age");
    age.parse().expect("a number")
}

/// How much later a hit may be than the answer that was stored, in seconds.
const SLACK: i64 = 60;

/// The status and the fields of an answer, and for how many seconds it is fresh.
type Case<'c> = (u16, &'c [(&'c str, &'c str)], i64);

/// Each answer stays fresh for so many seconds, once it is stored.
async fn stay_fresh(settings: &str, cases: &[Case<'_>]) {
    let origin = origin().await;
    let (_portcullis, mut raw) = caching(&origin, settings).await;
    for (index, (status, fields, seconds)) in cases.iter().enumerate() {
        let path = format!("/{index}");
        origin.script(&path, [answer(*status, fields)]);
        let hit = stored(&mut raw, &path, &[]).await;
        let ttl = ttl(&hit);
        assert!(
            (seconds - SLACK..=*seconds).contains(&ttl),
            "{fields:?}: {hit:?}"
        );
        assert_eq!(origin.count(&path), 1, "{fields:?}");
    }
}

const DAY: i64 = 86_400;
const IN_2050: &str = "Thu, 18 Aug 2050 02:00:00 GMT";
const AN_HOUR_LATER: &str = "Thu, 18 Aug 2050 03:00:00 GMT";

#[tokio::test]
async fn rfc9111_4_2_1_how_long_an_answer_is_fresh() {
    let cases: &[Case] = &[
        (200, &[("Cache-Control", "max-age=3600")], 3600),
        (200, &[("Cache-Control", "max-age=\"3600\"")], 3600),
        (200, &[("Cache-Control", "max-age=99999999999")], 1 << 31),
        (
            200,
            &[
                ("Cache-Control", "max-age=600, s-maxage=3600"),
                ("Expires", "0"),
            ],
            3600,
        ),
        (
            200,
            &[
                ("Cache-Control", "max-age=3600"),
                ("Cache-Control", "max-age=5"),
            ],
            3600,
        ),
        (
            200,
            &[("Cache-Control", "max-age=3600"), ("Expires", IN_2050)],
            3600,
        ),
        (200, &[("Date", IN_2050), ("Expires", AN_HOUR_LATER)], 3600),
        (
            200,
            &[
                ("Date", IN_2050),
                ("Expires", "Thursday, 18-Aug-50 03:00:00 GMT"),
            ],
            3600,
        ),
        (
            200,
            &[("Date", IN_2050), ("Expires", "Thu Aug 18 03:00:00 2050")],
            3600,
        ),
        // The tenth of how long it had not changed, but a day at most.
        (
            200,
            &[("Date", AN_HOUR_LATER), ("Last-Modified", IN_2050)],
            360,
        ),
        (
            404,
            &[("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")],
            DAY,
        ),
        (
            200,
            &[
                ("CDN-Cache-Control", "max-age=3600"),
                ("Cache-Control", "max-age=5"),
            ],
            3600,
        ),
        (
            200,
            &[("Cache-Control", "max-age=3600"), ("Age", "600")],
            3000,
        ),
        (
            200,
            &[("Cache-Control", "max-age=3600"), ("Age", "600, 5")],
            3000,
        ),
        (
            200,
            &[("Cache-Control", "max-age=3600"), ("Age", "old")],
            3600,
        ),
    ];
    stay_fresh("", cases).await;
}

#[tokio::test]
async fn the_operator_s_times_count_where_the_endpoint_says_nothing_and_bound_what_it_says() {
    let settings = "default_ttl: {200: 20m, 404: 10m, 4xx: 5m, 503: 2m}, max_ttl: 1h";
    let cases: &[Case] = &[
        (200, &[], 1200),
        (404, &[], 600),
        (403, &[], 300),
        (503, &[], 120),
        (200, &[("Age", "100000")], 1200),
        (
            200,
            &[("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")],
            1200,
        ),
        (
            301,
            &[("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")],
            3600,
        ),
        (200, &[("Cache-Control", "max-age=100")], 100),
        (200, &[("Cache-Control", "max-age=100000")], 3600),
        (200, &[("Expires", IN_2050)], 3600),
    ];
    stay_fresh(settings, cases).await;
}

#[tokio::test]
async fn rfc9111_4_2_3_age_counts_time_upstream_and_is_told() {
    let origin = origin().await;
    let (_portcullis, mut raw) = caching(&origin, "").await;
    origin.script(
        "/aged",
        [answer(
            200,
            &[("Cache-Control", "max-age=3600"), ("Age", "30")],
        )],
    );
    let miss = ask(&mut raw, "GET /aged", &[]).await;
    assert!((30..30 + SLACK).contains(&age(&miss)), "{miss:?}");
    let hit = stored(&mut raw, "/aged", &[]).await;
    assert!((30..30 + SLACK).contains(&age(&hit)), "{hit:?}");
    assert_eq!(origin.count("/aged"), 1);
    // Its date makes it 32 years old; it is fresh for 68.
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    origin.script(
        "/dated",
        [answer(
            200,
            &[("Cache-Control", "max-age=9999999999"), ("Date", date)],
        )],
    );
    let hit = stored(&mut raw, "/dated", &[]).await;
    assert!(age(&hit) > 31 * 365 * DAY, "{hit:?}");
    let lines = |name: &str| {
        hit.headers
            .iter()
            .filter(|(line, _)| line.eq_ignore_ascii_case(name))
            .count()
    };
    assert_eq!(
        (lines("age"), lines("date"), lines("cache-control")),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn rfc9111_4_2_what_is_too_old_when_it_comes_is_not_used() {
    let origin = origin().await;
    let (_portcullis, mut raw) = caching(&origin, "").await;
    let too_old: [&[(&str, &str)]; 3] = [
        &[("Cache-Control", "max-age=3600"), ("Age", "7200")],
        &[
            ("Cache-Control", "max-age=3600"),
            ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ],
        &[
            ("Date", IN_2050),
            ("Expires", AN_HOUR_LATER),
            ("Age", "3600"),
        ],
    ];
    for (index, fields) in too_old.iter().enumerate() {
        let path = format!("/{index}");
        origin.script(&path, [answer(200, fields)]);
        for count in 1..=3 {
            let answer = ask(&mut raw, &format!("GET {path}"), &[]).await;
            assert!(!cache_status(&answer).contains("; hit"), "{answer:?}");
            assert_eq!(origin.count(&path), count, "{fields:?}");
        }
    }
}

#[tokio::test]
async fn rfc9111_4_2_what_was_fresh_is_asked_for_again_when_its_time_is_over() {
    let origin = origin().await;
    let (_portcullis, mut raw) = caching(&origin, "").await;
    origin.script_by("/a", |_, number| {
        answer(200, &[("Cache-Control", "max-age=2")]).field("X-Number", number.to_string())
    });
    let hit = stored(&mut raw, "/a", &[]).await;
    let former = hit.header("x-number").expect("a number").to_owned();
    eventually("another is fetched", async || {
        let answer = ask(&mut raw, "GET /a", &[]).await;
        assert!(
            answer
                .header("age")
                .is_none_or(|age| age == "0" || age == "1"),
            "never stale: {answer:?}"
        );
        answer.header("x-number") != Some(&former)
    })
    .await;
}

#[tokio::test]
async fn rfc9111_4_3_4_what_is_still_good_is_as_old_as_the_304_says() {
    let origin = Origin::builder().date(false).start().await;
    let origin = origin.expect("an origin");
    let (_portcullis, mut raw) = caching(&origin, "").await;
    let old = answer(200, &[("Cache-Control", "max-age=60"), ("ETag", "\"a\"")]);
    let old = old.field("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    for (path, age, expected) in [("/a", None, 0), ("/b", Some("30"), 30)] {
        let good = Scripted::new(304).field("ETag", "\"a\"");
        let good = age
            .iter()
            .fold(good, |good, seconds| good.field("Age", seconds));
        origin.script(path, [old.clone(), good]);
        let hit = stored(&mut raw, path, &[]).await;
        assert!(
            (expected..expected + 30).contains(&self::age(&hit)),
            "{hit:?}"
        );
        assert_eq!((hit.text().as_str(), origin.count(path)), ("made once", 2));
    }
}

/// An object that came 1800 seconds old and is fresh for an hour, with a tag.
async fn half_an_hour_old() -> (Origin, Portcullis, Raw) {
    let origin = origin().await;
    let fields = [
        ("Cache-Control", "max-age=3600"),
        ("Age", "1800"),
        ("ETag", "\"a\""),
    ];
    origin.script("/a", [answer(200, &fields)]);
    let (portcullis, mut raw) = caching(&origin, "").await;
    stored(&mut raw, "/a", &[]).await;
    assert_eq!(origin.count("/a"), 1);
    (origin, portcullis, raw)
}

#[tokio::test]
async fn rfc9111_5_2_1_a_client_whose_wishes_are_met_has_what_is_stored() {
    let (origin, _portcullis, mut raw) = half_an_hour_old().await;
    for wish in [
        "Cache-Control: max-age=3000",
        "Cache-Control: min-fresh=1000",
        "Cache-Control: max-stale",
        "Cache-Control: only-if-cached",
        "Cache-Control: max-age=soon, min-fresh",
        "Cache-Control: x=\"no-cache\"",
        "Pragma: none",
    ] {
        let answer = ask(&mut raw, "GET /a", &[wish]).await;
        assert!(
            cache_status(&answer).contains("; hit"),
            "{wish}: {answer:?}"
        );
    }
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn rfc9111_5_2_1_a_client_with_other_wishes_has_the_endpoint_asked() {
    let (origin, _portcullis, mut raw) = half_an_hour_old().await;
    for (index, wish) in [
        "Cache-Control: max-age=600",
        "Cache-Control: max-age=0",
        "Cache-Control: min-fresh=2000",
        "Cache-Control: no-cache",
        "cache-control: x, No-Cache=\"y\"",
        "Pragma: no-cache",
    ]
    .iter()
    .enumerate()
    {
        let answer = ask(&mut raw, "GET /a", &[wish]).await;
        assert!(
            !cache_status(&answer).contains("; hit"),
            "{wish}: {answer:?}"
        );
        assert_eq!(answer.text(), "made once");
        assert_eq!(origin.count("/a"), index + 2, "{wish}");
    }
    let asked = origin.asked("/a");
    assert!(
        asked[1..]
            .iter()
            .all(|asked| asked.field("if-none-match") == "\"a\"")
    );
}

#[tokio::test]
async fn rfc9111_5_4_pragma_means_nothing_beside_cache_control() {
    let (origin, _portcullis, mut raw) = half_an_hour_old().await;
    let lines = ["Pragma: no-cache", "Cache-Control: max-age=3000"];
    let answer = ask(&mut raw, "GET /a", &lines).await;
    assert!(cache_status(&answer).contains("; hit"), "{answer:?}");
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn rfc9111_5_2_1_7_only_if_cached_asks_no_endpoint() {
    let (origin, portcullis, mut raw) = half_an_hour_old().await;
    origin.script("/none", [answer(200, &[])]);
    for (path, lines) in [
        ("/none", "Cache-Control: only-if-cached"),
        ("/a", "Cache-Control: only-if-cached, max-age=600"),
        ("/a", "Cache-Control: only-if-cached, no-cache"),
    ] {
        let answer = ask(&mut raw, &format!("GET {path}"), &[lines]).await;
        assert_eq!(answer.status, 504, "{lines}: {answer:?}");
    }
    let line = portcullis.logged(|line| line["status"] == 504).await;
    assert_eq!(line["reason"], "not_cached");
    assert_eq!((origin.count("/none"), origin.count("/a")), (0, 1));
}

#[tokio::test]
async fn rfc8246_2_what_is_immutable_is_not_asked_about_because_a_client_reloads() {
    let origin = origin().await;
    let fields = [
        ("Cache-Control", "max-age=3600, immutable"),
        ("ETag", "\"a\""),
    ];
    origin.script("/a", [answer(200, &fields)]);
    let (_portcullis, mut raw) = caching(&origin, "").await;
    stored(&mut raw, "/a", &[]).await;
    let reload = ask(&mut raw, "GET /a", &["Cache-Control: max-age=0"]).await;
    assert!(cache_status(&reload).contains("; hit"), "{reload:?}");
    assert_eq!(origin.count("/a"), 1);
    ask(&mut raw, "GET /a", &["Cache-Control: no-cache"]).await;
    assert_eq!(origin.count("/a"), 2);
}
