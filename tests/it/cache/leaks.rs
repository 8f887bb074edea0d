//! Does what an endpoint says to one user stay with that one?

use origin::{Origin, Scripted};

use super::asking::*;
use crate::support::*;

/// What the endpoint gives a user in its 304.
const COOKIE: &str = "session=of-one-user";

fn page() -> Scripted {
    fresh().field("ETag", "\"1\"").body("the page").validates()
}

/// The page is stored; the first 304 is this one.
async fn with(first: Scripted) -> (Origin, Portcullis, Raw) {
    let origin = origin().await;
    origin.script("/r", [page(), first, page()]);
    let (portcullis, mut raw) = caching(&origin, "collapse: 60s").await;
    stored(&mut raw, "/r", &[]).await;
    assert_eq!(origin.count("/r"), 1);
    (origin, portcullis, raw)
}

/// Sends a request that asks for nothing but what the endpoint confirms, with these lines, and does not wait.
async fn send(portcullis: &Portcullis, lines: &str) -> Raw {
    let head = format!("GET /r HTTP/1.1\r\nHost: a.test\r\nCache-Control: no-cache\r\n{lines}\r\n");
    Raw::sent(portcullis.listener("http"), head).await
}

#[tokio::test]
async fn what_a_304_says_to_one_user_reaches_no_other() {
    const KNOWN: &str = "Authorization: Bearer one\r\n";
    let private = page().unmodified_field("Cache-Control", "private");
    for (lines, first) in [
        (KNOWN, private.clone()),
        // An answer to who says who it is, is for that one, if it does not say anything else.
        (KNOWN, page()),
        ("Cookie: session=old\r\n", private),
    ] {
        let first = first.unmodified_field("Set-Cookie", COOKIE).held("first");
        let (origin, portcullis, mut raw) = with(first).await;
        let mut leader = send(&portcullis, lines).await;
        eventually("the endpoint is asked", async || origin.count("/r") == 2).await;
        let mut follower = send(&portcullis, "").await;
        eventually("the follower waits", async || {
            portcullis.metric("portcullis_requests_in_flight").await == 2.0
        })
        .await;
        assert_eq!(origin.count("/r"), 2, "it did not ask for itself");
        origin.release_one("first");
        let leader = in_time("the leader", leader.response()).await;
        assert_eq!((leader.status, leader.text()), (200, "the page".to_owned()));
        let follower = in_time("the follower", follower.response()).await;
        assert_eq!(
            (follower.status, follower.text()),
            (200, "the page".to_owned())
        );
        assert_eq!(follower.header("set-cookie"), None, "{lines:?}");
        assert_eq!(follower.header("cache-control"), Some("max-age=3600"));
        // Nor whoever comes later.
        for _ in 0..2 {
            let later = ask(&mut raw, "GET /r", &[]).await;
            assert_eq!((later.status, later.text()), (200, "the page".to_owned()));
            assert_eq!(later.header("set-cookie"), None, "{lines:?}");
        }
    }
}

#[tokio::test]
async fn made_up_credentials_take_nothing_from_what_is_stored() {
    let (origin, _portcullis, mut raw) = with(page()).await;
    let lines = ["Authorization: Bearer made-up", "Cache-Control: no-cache"];
    for asked in 2..5 {
        let answer = ask(&mut raw, "GET /r", &lines).await;
        assert_eq!((answer.status, answer.text()), (200, "the page".to_owned()));
        assert_eq!(origin.count("/r"), asked);
        let next = ask(&mut raw, "GET /r", &[]).await;
        assert!(cache_status(&next).contains("; hit"), "{next:?}");
        assert_eq!(origin.count("/r"), asked);
    }
}
