//! When is what is stale used, and what becomes of it then?

use origin::{Origin, Scripted};

use super::asking::*;
use crate::support::*;

/// An answer that was fresh for a minute and is an hour old when it comes, with this in its `Cache-Control`.
fn old(said: &str) -> Scripted {
    Scripted::new(200)
        .field("Cache-Control", format!("max-age=60, {said}"))
        .field("Age", "3600")
        .field("ETag", "\"old\"")
        .body("old")
}

/// One that is fresh.
fn new() -> Scripted {
    fresh().body("new")
}

/// What is behind `path`, asked for once and stored, and what will be there from then on.
async fn store(origin: &Origin, raw: &mut Raw, path: &str, first: Scripted, then: Scripted) {
    origin.script(path, [first, then]);
    let get = format!("GET {path}");
    assert_eq!(ask(raw, &get, &[]).await.text(), "old");
    eventually("it is stored", async || {
        let asked = ["Cache-Control: only-if-cached, max-stale"];
        ask(raw, &get, &asked).await.text() == "old"
    })
    .await;
}

/// As [`store`], of `/a`, with these settings of the cache.
async fn after(first: Scripted, then: Scripted, settings: &str) -> (Origin, Portcullis, Raw) {
    let origin = origin().await;
    let (portcullis, mut raw) = caching(&origin, settings).await;
    store(&origin, &mut raw, "/a", first, then).await;
    (origin, portcullis, raw)
}

#[tokio::test]
async fn rfc9111_5_2_1_2_a_client_may_take_what_is_stale() {
    let (origin, portcullis, mut raw) = after(old("public"), new(), "").await;
    let stale = ask(&mut raw, "GET /a", &["Cache-Control: max-stale=100000"]).await;
    assert_eq!((stale.text().as_str(), origin.count("/a")), ("old", 1));
    let age: u64 = stale
        .header("age")
        .and_then(|age| age.parse().ok())
        .expect("an age");
    assert!(age >= 3600, "{stale:?}");
    assert!(cache_status(&stale).contains("ttl=-"), "{stale:?}");
    portcullis.logged(|line| line["cache"] == "stale").await;
    let less = ask(&mut raw, "GET /a", &["Cache-Control: max-stale=60"]).await;
    assert_eq!((less.text().as_str(), origin.count("/a")), ("new", 2));
}

#[tokio::test]
async fn rfc9111_5_2_2_2_what_is_strict_is_not_given_stale_to_anyone() {
    for said in [
        "must-revalidate",
        "proxy-revalidate",
        "s-maxage=60",
        "no-cache",
    ] {
        let origin = origin().await;
        let said = format!("{said}, stale-while-revalidate=99999, stale-if-error=99999");
        origin.script("/a", [old(&said), Scripted::new(503).body("broken")]);
        let (_portcullis, mut raw) = caching(&origin, "").await;
        assert_eq!(ask(&mut raw, "GET /a", &[]).await.text(), "old");
        for count in 2..=3 {
            let answer = ask(&mut raw, "GET /a", &["Cache-Control: max-stale"]).await;
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (503, "broken"),
                "{said}"
            );
            assert_eq!(origin.count("/a"), count, "{said}");
        }
    }
}

#[tokio::test]
async fn rfc5861_3_what_is_stale_is_given_at_once_while_another_is_fetched() {
    let then = new().held("new");
    let (origin, portcullis, mut raw) = after(old("stale-while-revalidate=99999"), then, "").await;
    for _ in 0..3 {
        let stale = ask(&mut raw, "GET /a", &[]).await;
        assert_eq!(stale.text(), "old", "{stale:?}");
        assert!(cache_status(&stale).contains("; hit"), "{stale:?}");
    }
    portcullis.logged(|line| line["cache"] == "updating").await;
    eventually("another is asked for", async || origin.count("/a") == 2).await;
    origin.release_one("new");
    eventually("the other one is given", async || {
        ask(&mut raw, "GET /a", &[]).await.text() == "new"
    })
    .await;
    assert_eq!(origin.count("/a"), 2, "it is fetched once");
    assert_eq!(origin.asked("/a")[1].field("if-none-match"), "\"old\"");
}

#[tokio::test]
async fn rfc5861_4_what_is_stale_is_given_when_the_endpoint_fails() {
    let origin = origin().await;
    let (_portcullis, mut raw) = caching(&origin, "").await;
    for (status, given) in [
        (500, true),
        (502, true),
        (503, true),
        (504, true),
        (404, false),
        (403, false),
    ] {
        let path = format!("/{status}");
        let then = Scripted::new(status).body("broken");
        store(&origin, &mut raw, &path, old("stale-if-error=99999"), then).await;
        let answer = ask(&mut raw, &format!("GET {path}"), &[]).await;
        let expected = if given {
            (200, "old")
        } else {
            (status, "broken")
        };
        assert_eq!(
            (answer.status, answer.text().as_str()),
            expected,
            "{answer:?}"
        );
        assert_eq!(origin.count(&path), 2);
    }
}

#[tokio::test]
async fn rfc5861_4_what_is_stale_is_given_when_no_endpoint_is_there() {
    let (origin, portcullis, mut raw) = after(old("stale-if-error=99999"), new(), "").await;
    origin.stop().await;
    let answer = ask(&mut raw, "GET /a", &[]).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "old"),
        "{answer:?}"
    );
    portcullis
        .logged(|line| line["cache"] == "stale" && line["status"] == 200)
        .await;
    let insists = ask(&mut raw, "GET /a", &["Cache-Control: no-cache"]).await;
    assert_eq!(insists.status, 502, "{insists:?}");
}

#[tokio::test]
async fn rfc5861_4_nothing_stale_is_given_on_failure_unless_someone_allows_it() {
    let broken = Scripted::new(503).body("broken");
    let (_origin, _portcullis, mut raw) = after(old("public"), broken.clone(), "").await;
    assert_eq!(ask(&mut raw, "GET /a", &[]).await.status, 503);
    let allows = ask(&mut raw, "GET /a", &["Cache-Control: stale-if-error=99999"]).await;
    assert_eq!(
        (allows.status, allows.text().as_str()),
        (200, "old"),
        "{allows:?}"
    );
    let settings = "stale_if_error: 10d";
    let (_origin, _portcullis, mut raw) = after(old("public"), broken.clone(), settings).await;
    assert_eq!(
        ask(&mut raw, "GET /a", &[]).await.text(),
        "old",
        "the operator allows it"
    );
    let (_origin, _portcullis, mut raw) = after(old("stale-if-error=0"), broken, settings).await;
    assert_eq!(
        ask(&mut raw, "GET /a", &[]).await.status,
        503,
        "the endpoint says no"
    );
}

#[tokio::test]
async fn the_operator_may_have_what_is_stale_given_while_another_is_fetched() {
    let then = new().held("new");
    let settings = "stale_while_revalidate: 10d";
    let (origin, _portcullis, mut raw) = after(old("public"), then, settings).await;
    assert_eq!(ask(&mut raw, "GET /a", &[]).await.text(), "old");
    origin.release_one("new");
    eventually("the other one is given", async || {
        ask(&mut raw, "GET /a", &[]).await.text() == "new"
    })
    .await;
    assert_eq!(origin.count("/a"), 2);
}
