//! Does what an unsafe request may have changed leave the store? RFC 9111 §4.4.

use origin::{Origin, Scripted};

use super::asking::*;
use crate::support::*;

/// An origin whose GETs say how often they were asked, and whose other methods give this answer.
async fn changing(path: &str, unsafely: Scripted) -> (Origin, Portcullis, Raw) {
    let origin = origin().await;
    counting(&origin, path, unsafely);
    let (portcullis, raw) = caching(&origin, "").await;
    (origin, portcullis, raw)
}

fn counting(origin: &Origin, path: &str, unsafely: Scripted) {
    origin.script_by(path, move |asked, number| match asked.method.as_str() {
        "GET" | "HEAD" => fresh().body(format!("{} {number}", asked.target)),
        _ => unsafely.clone(),
    });
}

/// Stores this, does that, and says whether what was stored is still there.
async fn is_kept(raw: &mut Raw, path: &str, request: &str) -> bool {
    let before = stored(raw, path, &[]).await.text();
    ask(raw, request, &["Content-Length: 0"]).await;
    ask(raw, &format!("GET {path}"), &[]).await.text() == before
}

#[tokio::test]
async fn rfc9111_4_4_a_success_of_an_unsafe_method_invalidates_what_it_was_sent_to() {
    for status in [200, 201, 204, 303] {
        let (_origin, _portcullis, mut raw) = changing("/a", Scripted::new(status)).await;
        for method in ["POST", "PUT", "DELETE", "PATCH", "FROBNICATE"] {
            assert!(
                !is_kept(&mut raw, "/a", &format!("{method} /a")).await,
                "{method} {status}"
            );
        }
    }
}

#[tokio::test]
async fn rfc9111_4_4_an_error_invalidates_nothing() {
    for status in [400, 403, 404, 409, 500] {
        let (_origin, _portcullis, mut raw) = changing("/a", Scripted::new(status)).await;
        assert!(is_kept(&mut raw, "/a", "POST /a").await, "{status}");
    }
}

#[tokio::test]
async fn rfc9110_9_2_1_a_safe_method_invalidates_nothing() {
    let (_origin, _portcullis, mut raw) = changing("/a", Scripted::new(200)).await;
    for method in ["OPTIONS", "PROPFIND", "REPORT", "HEAD"] {
        assert!(
            is_kept(&mut raw, "/a", &format!("{method} /a")).await,
            "{method}"
        );
    }
}

#[tokio::test]
async fn rfc9111_4_4_another_query_is_another_address() {
    let (_origin, _portcullis, mut raw) = changing("/a", Scripted::new(200)).await;
    assert!(is_kept(&mut raw, "/a?b=1", "POST /a?b=2").await);
    assert!(is_kept(&mut raw, "/a?b=1", "POST /a").await);
    assert!(!is_kept(&mut raw, "/a?b=1", "POST /a?b=1").await);
    // However it is written.
    assert!(!is_kept(&mut raw, "/a?b=1", "POST /x/../%61?b=1").await);
}

#[tokio::test]
async fn rfc9111_4_4_what_location_and_content_location_name_is_invalidated_too() {
    for (field, value, kept) in [
        ("Location", "/other", false),
        ("Location", "other", false),
        ("Location", "http://a.test/other", false),
        ("Location", "HTTP://A.TEST:80/other#top", false),
        ("Content-Location", "/other", false),
        ("Content-Location", "//a.test/x/../other", false),
        ("Location", "/another", true),
        ("Location", "/other?b=1", true),
        // Of another origin.
        ("Location", "http://b.test/other", true),
        ("Location", "https://a.test/other", true),
        ("Content-Location", "http://a.test:8080/other", true),
        ("X-Location", "/other", true),
    ] {
        let answer = Scripted::new(201).field(field, value);
        let (origin, _portcullis, mut raw) = changing("/a", answer).await;
        counting(&origin, "/other", Scripted::new(405));
        assert_eq!(
            is_kept(&mut raw, "/other", "POST /a").await,
            kept,
            "{field}: {value}"
        );
    }
}

#[tokio::test]
async fn rfc9111_4_4_an_error_invalidates_nothing_elsewhere() {
    let answer = Scripted::new(409).field("Location", "/other");
    let (origin, _portcullis, mut raw) = changing("/a", answer).await;
    counting(&origin, "/other", Scripted::new(405));
    assert!(is_kept(&mut raw, "/other", "POST /a").await);
}

#[tokio::test]
async fn rfc9111_4_4_every_variant_is_invalidated() {
    let origin = origin().await;
    origin.script_by("/a", |asked, number| match asked.method.as_str() {
        "GET" => fresh().field("Vary", "X-Kind").body(format!("{number}")),
        _ => Scripted::new(204),
    });
    let (_portcullis, mut raw) = caching(&origin, "").await;
    let kinds = [&["X-Kind: one"][..], &["X-Kind: two"], &[]];
    let mut before = Vec::new();
    for lines in kinds {
        before.push(stored(&mut raw, "/a", lines).await.text());
    }
    ask(&mut raw, "DELETE /a", &[]).await;
    for (lines, before) in kinds.into_iter().zip(before) {
        assert_ne!(
            ask(&mut raw, "GET /a", lines).await.text(),
            before,
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_was_under_way_before_the_change_is_not_kept_after_it() {
    let origin = origin().await;
    origin.script_by("/a", |asked, number| {
        match (asked.method.as_str(), number) {
            ("GET", 0) => fresh().body("before ").until("rest").body("the change"),
            ("GET", _) => fresh().body("after the change"),
            _ => Scripted::new(204),
        }
    });
    let (portcullis, mut raw) = caching(&origin, "collapse: 0s").await;
    let mut slow = Raw::sent(
        portcullis.listener("http"),
        "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n",
    )
    .await;
    eventually("the first request is at the origin", async || {
        origin.count("/a") == 1
    })
    .await;
    assert_eq!(
        ask(&mut raw, "PUT /a", &["Content-Length: 0"]).await.status,
        204
    );
    origin.release_one("rest");
    assert_eq!(slow.response().await.text(), "before the change");
    for _ in 0..3 {
        assert_eq!(
            ask(&mut raw, "GET /a", &[]).await.text(),
            "after the change"
        );
    }
}

#[tokio::test]
async fn a_variant_that_was_under_way_before_the_change_is_neither_kept_nor_joined_after_it() {
    let origin = origin().await;
    origin.script_by("/a", |asked, number| {
        let answer = fresh().field("Vary", "X-Kind");
        match (asked.method.as_str(), asked.field("x-kind"), number) {
            ("GET", "two", 1) => answer.held("slow").body("before the change"),
            ("GET", kind, _) => answer.body(format!("{kind} {number}")),
            _ => Scripted::new(204),
        }
    });
    let (portcullis, mut raw) = caching(&origin, "collapse: 1m").await;
    stored(&mut raw, "/a", &["X-Kind: one"]).await;
    let two = "GET /a HTTP/1.1\r\nHost: a.test\r\nX-Kind: two\r\n\r\n";
    let mut slow = Raw::sent(portcullis.listener("http"), two).await;
    eventually("the variant is asked for", async || origin.count("/a") == 2).await;
    assert_eq!(ask(&mut raw, "DELETE /a", &[]).await.status, 204);
    // Not held: it does not wait for what was asked for before.
    let after = ask(&mut raw, "GET /a", &["X-Kind: two"]).await;
    assert_eq!(after.text(), "two 3");
    origin.release_one("slow");
    assert_eq!(slow.response().await.text(), "before the change");
    let after = stored(&mut raw, "/a", &["X-Kind: two"]).await;
    assert_eq!(after.text(), "two 3");
    assert_eq!(origin.count("/a"), 4);
}
