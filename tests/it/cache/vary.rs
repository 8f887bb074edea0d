//! Does a client get only such variants as its request means? RFC 9111 §4.1.

use origin::{Asked, Scripted};

use super::asking::*;
use crate::support::*;

/// An answer that varies by a field and says which value of it that was.
fn varying(name: &'static str) -> impl Fn(&Asked, usize) -> Scripted + Send + Sync + 'static {
    move |asked, _| {
        let lines = asked.fields.get_all(name).iter();
        let lines: Vec<_> = lines
            .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
            .collect();
        fresh().field("Vary", name).body(format!("for {lines:?}"))
    }
}

#[tokio::test]
async fn rfc9111_4_1_each_value_of_a_named_field_has_its_own_variant() {
    let origin = origin().await;
    origin.script_by("/a", varying("X-Kind"));
    let (_portcullis, mut raw) = caching(&origin, "").await;
    let kinds = [&["X-Kind: one"][..], &["X-Kind: two"], &["X-Kind:"], &[]];
    let mut bodies = Vec::new();
    for lines in kinds {
        let answer = ask(&mut raw, "GET /a", lines).await;
        assert!(!cache_status(&answer).contains("; hit"), "{answer:?}");
        bodies.push(answer.text());
    }
    assert_eq!(
        bodies,
        ["for [\"one\"]", "for [\"two\"]", "for [\"\"]", "for []"]
    );
    for (lines, body) in kinds.into_iter().zip(&bodies) {
        assert_eq!(stored(&mut raw, "/a", lines).await.text(), *body);
    }
    assert_eq!(origin.count("/a"), kinds.len());
}

#[tokio::test]
async fn rfc9211_2_2_a_variant_that_is_missing_is_told_from_an_address_that_is() {
    let origin = origin().await;
    origin.script_by("/a", varying("X-Kind"));
    let (_portcullis, mut raw) = caching(&origin, "").await;
    let answer = ask(&mut raw, "GET /a", &["X-Kind: one"]).await;
    assert!(cache_status(&answer).contains("fwd=uri-miss"), "{answer:?}");
    stored(&mut raw, "/a", &["X-Kind: one"]).await;
    let answer = ask(&mut raw, "GET /a", &["X-Kind: two"]).await;
    assert!(
        cache_status(&answer).contains("fwd=vary-miss"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn rfc9110_12_5_3_who_accepts_the_same_codings_shares_a_variant() {
    let origin = origin().await;
    origin.script_by("/a", varying("Accept-Encoding"));
    let (_portcullis, mut raw) = caching(&origin, "").await;
    let first = stored(&mut raw, "/a", &["Accept-Encoding: gzip, br"]).await;
    for lines in [
        &["Accept-Encoding: br,gzip"][..],
        &["Accept-Encoding: br;q=0.5, x-gzip;q=1.0"],
        &["accept-encoding: GZIP", "accept-encoding: br, zstd;q=0"],
    ] {
        let answer = ask(&mut raw, "GET /a", lines).await;
        assert!(
            cache_status(&answer).contains("; hit"),
            "{lines:?}: {answer:?}"
        );
        assert_eq!(answer.text(), first.text());
    }
    assert_eq!(origin.count("/a"), 1);
    for lines in [
        &["Accept-Encoding: gzip"][..],
        &["Accept-Encoding: gzip, br, deflate"],
        &["Accept-Encoding: gzip, br, identity;q=0"],
        &["Accept-Encoding:"],
        &[],
    ] {
        let answer = ask(&mut raw, "GET /a", lines).await;
        assert!(
            !cache_status(&answer).contains("; hit"),
            "{lines:?}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn rfc9110_12_5_4_who_writes_the_same_languages_otherwise_shares_a_variant() {
    let origin = origin().await;
    origin.script_by("/a", varying("Accept-Language"));
    let (_portcullis, mut raw) = caching(&origin, "").await;
    stored(&mut raw, "/a", &["Accept-Language: de-DE, en;q=0.5"]).await;
    for lines in [
        &["Accept-Language: de-de,en;q=0.5"][..],
        &["Accept-Language: de-DE", "Accept-Language: en; q=0.5"],
    ] {
        let answer = ask(&mut raw, "GET /a", lines).await;
        assert!(
            cache_status(&answer).contains("; hit"),
            "{lines:?}: {answer:?}"
        );
    }
    assert_eq!(origin.count("/a"), 1);
    let other = ask(&mut raw, "GET /a", &["Accept-Language: en;q=0.5, de-DE"]).await;
    assert!(!cache_status(&other).contains("; hit"), "{other:?}");
}

#[tokio::test]
async fn rfc9111_4_1_what_varies_by_everything_is_nobody_elses() {
    for vary in ["*", "X-Kind, *", "X Kind"] {
        let origin = origin().await;
        origin.script_by("/a", move |_, number| {
            fresh().field("Vary", vary).body(format!("answer {number}"))
        });
        let (_portcullis, mut raw) = caching(&origin, "").await;
        for number in 0..3 {
            let answer = ask(&mut raw, "GET /a", &[]).await;
            assert_eq!(answer.text(), format!("answer {number}"), "{vary}");
            assert!(
                !cache_status(&answer).contains("; hit"),
                "{vary}: {answer:?}"
            );
        }
        assert_eq!(origin.count("/a"), 3);
    }
}

#[tokio::test]
async fn no_value_of_one_field_passes_for_one_of_another() {
    let origin = origin().await;
    origin.script_by("/a", |asked, _| {
        fresh()
            .field("Vary", "X-A, X-B")
            .field("Vary", "x-a")
            .body(format!("{:?} {:?}", asked.field("x-a"), asked.field("x-b")))
    });
    let (_portcullis, mut raw) = caching(&origin, "").await;
    let requests = [
        (&["X-A: 1", "X-B: 2"][..], "\"1\" \"2\""),
        (&["X-A: 12"], "\"12\" \"\""),
        (&["X-A: 1"], "\"1\" \"\""),
        (&["X-B: 12"], "\"\" \"12\""),
        (&["X-A: 1,X-B: 2"], "\"1,X-B: 2\" \"\""),
        (&["X-A: 1,2"], "\"1,2\" \"\""),
        (&["X-B: 2"], "\"\" \"2\""),
    ];
    for (lines, body) in requests {
        assert_eq!(ask(&mut raw, "GET /a", lines).await.text(), body);
    }
    for (lines, body) in requests {
        assert_eq!(stored(&mut raw, "/a", lines).await.text(), body);
    }
    assert_eq!(origin.count("/a"), requests.len());
}

#[tokio::test]
async fn what_one_user_got_by_its_cookie_no_other_gets() {
    let origin = origin().await;
    origin.script_by("/a", varying("Cookie"));
    let (_portcullis, mut raw) = caching(&origin, "").await;
    assert_eq!(
        stored(&mut raw, "/a", &["Cookie: user=1"]).await.text(),
        "for [\"user=1\"]"
    );
    for (lines, body) in [
        (&["Cookie: user=2"][..], "for [\"user=2\"]"),
        (&["Cookie: user=1; x"], "for [\"user=1; x\"]"),
        (&["Cookie: user=11"], "for [\"user=11\"]"),
        (&[], "for []"),
    ] {
        assert_eq!(ask(&mut raw, "GET /a", lines).await.text(), body);
    }
}

#[tokio::test]
async fn rfc9111_4_1_by_what_an_address_varies_may_change() {
    let origin = origin().await;
    origin.script_by("/a", |asked, number| {
        let vary = if number == 0 { "X-A" } else { "X-B" };
        let answer = Scripted::new(200)
            .field("Vary", vary)
            .field("Cache-Control", "max-age=3600");
        answer.body(format!("{:?} {:?}", asked.field("x-a"), asked.field("x-b")))
    });
    let (_portcullis, mut raw) = caching(&origin, "").await;
    let pairs = [("1", "1"), ("2", "2"), ("1", "2"), ("2", "1"), ("2", "3")];
    for _ in 0..2 {
        for (one, other) in pairs {
            let lines = [&format!("X-A: {one}")[..], &format!("X-B: {other}")];
            // Only the first answer may be one for another value of the field that is named since then.
            let answer = stored(&mut raw, "/a", &lines).await.text();
            assert!(
                answer.ends_with(&format!(" \"{other}\"")),
                "{lines:?}: {answer}"
            );
        }
    }
    assert!(origin.count("/a") <= pairs.len() + 1);
}

#[tokio::test]
async fn each_variant_is_validated_on_its_own() {
    let origin = origin().await;
    origin.script_by("/a", |asked, _| {
        let kind = asked.field("x-kind").to_owned();
        let answer = fresh()
            .field("Vary", "X-Kind")
            .field("ETag", format!("\"{kind}\""));
        answer.body(kind).validates()
    });
    let (_portcullis, mut raw) = caching(&origin, "").await;
    for kind in ["one", "two"] {
        stored(&mut raw, "/a", &[&format!("X-Kind: {kind}")]).await;
    }
    for kind in ["one", "two"] {
        let lines = [&format!("X-Kind: {kind}")[..], "Cache-Control: no-cache"];
        let answer = ask(&mut raw, "GET /a", &lines).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, kind));
        let asked = origin.asked("/a");
        let last = asked.last().expect("a request");
        assert_eq!(last.field("if-none-match"), format!("\"{kind}\""));
    }
    assert_eq!(origin.count("/a"), 4);
}
