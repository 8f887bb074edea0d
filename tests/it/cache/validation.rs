//! Are clients' conditions met out of the store, and is what is stored validated and freshened?

use origin::{Origin, Scripted};

use super::asking::*;
use crate::support::*;

/// Fresh for an hour, with both validators.
fn versioned() -> Scripted {
    fresh()
        .field("ETag", "\"1\"")
        .field("Last-Modified", LONG_AGO)
        .field("Content-Type", "text/plain")
        .field("Content-Language", "en")
        .field("X-Own", "kept")
        .body("the first version")
}

async fn with(path: &str, answer: Scripted) -> (Origin, Portcullis, Raw) {
    let origin = origin().await;
    origin.script(path, [answer]);
    let (portcullis, mut raw) = caching(&origin, "").await;
    stored(&mut raw, path, &[]).await;
    assert_eq!(origin.count(path), 1);
    (origin, portcullis, raw)
}

#[tokio::test]
async fn rfc9111_4_3_2_a_client_that_has_the_stored_version_gets_304_from_the_store() {
    let (origin, _portcullis, mut raw) = with("/a", versioned()).await;
    for condition in [
        "If-None-Match: \"1\"",
        "If-None-Match: W/\"1\"",
        "If-None-Match: \"0\", \"1\"",
        "If-None-Match: *",
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        "If-Modified-Since: Sunday, 06-Nov-94 08:49:38 GMT",
    ] {
        let answer = ask(&mut raw, "GET /a", &[condition]).await;
        assert_eq!(answer.status, 304, "{condition}: {answer:?}");
        assert_eq!(answer.header("etag"), Some("\"1\""));
        assert_eq!(answer.header("cache-control"), Some("max-age=3600"));
        assert_eq!(answer.header("x-own"), Some("kept"));
        assert!(answer.header("date").is_some() && answer.header("age").is_some());
        for of_the_body in [
            "content-type",
            "content-language",
            "content-length",
            "transfer-encoding",
            "last-modified",
        ] {
            assert_eq!(answer.header(of_the_body), None, "{of_the_body}");
        }
        assert!(
            cache_status(&answer).contains("portcullis; hit"),
            "{answer:?}"
        );
        let head = ask(&mut raw, "HEAD /a", &[condition]).await;
        assert_eq!(head.status, 304, "{condition}");
    }
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn rfc9111_4_3_2_a_client_that_has_another_version_gets_the_stored_one() {
    let (origin, _portcullis, mut raw) = with("/a", versioned()).await;
    for conditions in [
        &["If-None-Match: \"2\""][..],
        &["If-None-Match: 1"],
        // The tag decides.
        &[
            "If-None-Match: \"2\"",
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT",
        ],
        &["If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT"],
        &["If-Modified-Since: whenever"],
        &["If-Match: \"1\""],
        &["If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT"],
    ] {
        let answer = ask(&mut raw, "GET /a", conditions).await;
        assert_eq!(answer.status, 200, "{conditions:?}: {answer:?}");
        assert_eq!(answer.text(), "the first version");
        assert_eq!(answer.header("last-modified"), Some(LONG_AGO));
        let head = ask(&mut raw, "HEAD /a", conditions).await;
        assert_eq!(
            (head.status, head.header("content-length")),
            (200, Some("17"))
        );
    }
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn rfc9110_13_2_1_conditions_mean_nothing_where_the_stored_answer_is_no_success() {
    let missing = Scripted::new(404)
        .field("Cache-Control", "max-age=3600")
        .field("ETag", "\"1\"")
        .body("no");
    let (origin, _portcullis, mut raw) = with("/a", missing).await;
    for condition in [
        "If-None-Match: *",
        "If-None-Match: \"1\"",
        "If-Match: \"2\"",
    ] {
        let answer = ask(&mut raw, "GET /a", &[condition]).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (404, "no"),
            "{condition}"
        );
    }
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn rfc9110_13_1_1_what_is_stored_is_not_given_to_who_wants_another_version() {
    let (_origin, _portcullis, mut raw) = with("/a", versioned()).await;
    for condition in [
        "If-Match: \"2\"",
        "If-Match: W/\"1\"",
        "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT",
    ] {
        let answer = ask(&mut raw, "GET /a", &[condition]).await;
        assert_eq!(answer.status, 412, "{condition}: {answer:?}");
        assert_ne!(answer.text(), "the first version");
    }
    let answer = ask(&mut raw, "GET /a", &[]).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "the first version")
    );
}

#[tokio::test]
async fn a_condition_of_who_comes_first_does_not_get_to_the_origin_and_holds_for_that_client_only()
{
    let origin = origin().await;
    origin.script("/a", [versioned().validates()]);
    let (_portcullis, mut raw) = caching(&origin, "").await;
    let answer = ask(
        &mut raw,
        "GET /a",
        &["If-None-Match: \"1\"", "If-Modified-Since: whenever"],
    )
    .await;
    assert_eq!((answer.status, answer.header("etag")), (304, Some("\"1\"")));
    let asked = origin.asked("/a");
    for name in ["if-none-match", "if-modified-since"] {
        assert_eq!(asked[0].field(name), "");
    }
    let whole = stored(&mut raw, "/a", &[]).await;
    assert_eq!(
        (whole.status, whole.text().as_str()),
        (200, "the first version")
    );
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn rfc9111_4_3_1_the_origin_is_asked_with_what_is_stored_whatever_the_client_has() {
    let origin = origin().await;
    let always_asked = Scripted::new(200)
        .field("Cache-Control", "no-cache")
        .field("ETag", "W/\"1\"")
        .field("Last-Modified", LONG_AGO)
        .body("validated");
    origin.script("/a", [always_asked.validates()]);
    let (portcullis, mut raw) = caching(&origin, "").await;
    assert_eq!(ask(&mut raw, "GET /a", &[]).await.text(), "validated");
    for (lines, status) in [
        (&[][..], 200),
        (&["If-None-Match: \"2\""], 200),
        (&["If-None-Match: \"1\""], 304),
        (&["If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT"], 200),
        (&["If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"], 304),
    ] {
        let before = origin.count("/a");
        let answer = ask(&mut raw, "GET /a", lines).await;
        assert_eq!(answer.status, status, "{lines:?}: {answer:?}");
        if status == 200 {
            assert_eq!(answer.text(), "validated");
        }
        let said = cache_status(&answer);
        assert!(
            said.contains("fwd=stale") && said.contains("fwd-status=304"),
            "{said}"
        );
        let asked = origin.asked("/a");
        assert_eq!(asked.len(), before + 1);
        let asked = &asked[before];
        assert_eq!(asked.fields.get_all("if-none-match").iter().count(), 1);
        assert_eq!(asked.field("if-none-match"), "W/\"1\"");
        assert_eq!(asked.field("if-modified-since"), LONG_AGO);
    }
    portcullis
        .logged(|line| line["cache"] == "revalidated" && line["status"] == 304)
        .await;
}

#[tokio::test]
async fn rfc9111_3_2_a_304_freshens_every_stored_field_but_those_of_the_body() {
    let origin = origin().await;
    origin.script_by("/a", |asked, _| {
        if asked.field("if-none-match") == "\"1\"" {
            Scripted::new(304)
                .field("Cache-Control", "max-age=7200")
                .field("ETag", "\"1\"")
                .field("X-Own", "new")
                .field("X-New", "one")
                .field("X-New", "two")
                .field("Content-Encoding", "br")
                .field("Connection", "X-Hop")
                .field("X-Hop", "1")
        } else {
            versioned().field("X-Own", "twice")
        }
    });
    let (_portcullis, mut raw) = caching(&origin, "").await;
    stored(&mut raw, "/a", &[]).await;
    let validated = ask(&mut raw, "GET /a", &["Cache-Control: no-cache"]).await;
    let after = stored(&mut raw, "/a", &[]).await;
    assert_eq!(origin.count("/a"), 2);
    for answer in [&validated, &after] {
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "the first version")
        );
        assert_eq!(answer.header("cache-control"), Some("max-age=7200"));
        assert_eq!(answer.header("content-length"), Some("17"));
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        for gone in ["content-encoding", "x-hop"] {
            assert_eq!(answer.header(gone), None, "{gone}");
        }
        let lines = |wanted: &str| {
            let lines = answer.headers.iter();
            let lines = lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            lines.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(lines("x-own"), ["new"]);
        assert_eq!(lines("x-new"), ["one", "two"]);
    }
}

#[tokio::test]
async fn rfc9111_4_3_4_a_304_about_another_version_is_not_believed() {
    let origin = origin().await;
    origin.script_by("/a", |asked, number| match number {
        0 => versioned(),
        _ if asked.field("if-none-match").is_empty() => {
            fresh().field("ETag", "\"2\"").body("the second version")
        }
        _ => Scripted::new(304).field("ETag", "\"2\""),
    });
    let (_portcullis, mut raw) = caching(&origin, "").await;
    stored(&mut raw, "/a", &[]).await;
    let answer = ask(&mut raw, "GET /a", &["Cache-Control: no-cache"]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.text(), "the second version");
    assert_eq!(answer.header("etag"), Some("\"2\""));
    assert_eq!(
        stored(&mut raw, "/a", &[]).await.text(),
        "the second version"
    );
    assert_eq!(origin.count("/a"), 3);
}

#[tokio::test]
async fn rfc9111_4_3_3_a_whole_answer_to_a_validation_takes_the_place_of_what_was_stored() {
    let origin = origin().await;
    let second = fresh().field("ETag", "\"2\"").body("the second version");
    origin.script("/a", [versioned(), second.validates()]);
    let (_portcullis, mut raw) = caching(&origin, "").await;
    stored(&mut raw, "/a", &[]).await;
    let answer = ask(
        &mut raw,
        "GET /a",
        &["Cache-Control: no-cache", "If-None-Match: \"1\""],
    )
    .await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "the second version")
    );
    assert_eq!(origin.asked("/a")[1].field("if-none-match"), "\"1\"");
    let answer = stored(&mut raw, "/a", &[]).await;
    assert_eq!(answer.text(), "the second version");
    assert_eq!(
        (answer.header("x-own"), answer.header("last-modified")),
        (None, None)
    );
    assert_eq!(origin.count("/a"), 2);
}

#[tokio::test]
async fn rfc9110_9_3_2_head_is_answered_out_of_what_a_get_stored() {
    let (origin, _portcullis, mut raw) = with("/a", versioned()).await;
    let answer = ask(&mut raw, "HEAD /a", &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-length"), Some("17"));
    assert_eq!(answer.header("etag"), Some("\"1\""));
    assert!(cache_status(&answer).contains("; hit"), "{answer:?}");
    // Nothing of the body was sent: the next answer begins where one must.
    let answer = ask(&mut raw, "GET /a", &[]).await;
    assert_eq!(answer.text(), "the first version");
    assert_eq!(origin.count("/a"), 1);
}
