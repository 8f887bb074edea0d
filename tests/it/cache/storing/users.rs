//! Does what is one client's own stay with that one, and what is for everyone with everyone?

use super::*;

#[tokio::test]
async fn rfc9111_3_5_one_user_s_answer_is_not_given_to_another() {
    let origin = origin().await;
    origin.script_by("/mine", |asked, _| {
        Scripted::new(200)
            .field(HOUR.0, HOUR.1)
            .body(asked.field("authorization").to_owned())
    });
    let (_portcullis, mut raw) = caching(&origin, "").await;
    for who in ["Bearer alice", "Bearer bob", "Bearer alice"] {
        let answer = ask(&mut raw, "GET /mine", &[&format!("Authorization: {who}")]).await;
        assert_eq!(answer.text(), who);
    }
    // What they were answered does not keep others from having it stored.
    let nobody = stored(&mut raw, "/mine", &[]).await;
    assert_eq!(nobody.text(), "", "what is for everyone is stored");
    assert_eq!(origin.count("/mine"), 4);
}

#[tokio::test]
async fn nobody_waits_for_what_is_somebody_s_and_all_for_what_is_for_everyone() {
    let origin = origin().await;
    let public = ("Cache-Control", "public");
    origin.script("/own", [with(&[HOUR]), with(&[HOUR]).held("own")]);
    origin.script("/all", [with(&[HOUR, public]).held("all")]);
    let (portcullis, mut raw) = caching(&origin, "collapse: 1m").await;
    let address = portcullis.listener("http");
    let get = |path: &str, who: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nAuthorization: {who}\r\n\r\n")
    };
    ask(&mut raw, "GET /own", &["Authorization: x"]).await;
    let mut alice = Raw::sent(address, get("/own", "alice")).await;
    let mut bob = Raw::sent(address, get("/own", "bob")).await;
    arrived(&origin, 2).await;
    origin.release_one("own");
    assert_eq!(alice.response().await.status, 200);
    assert_eq!(bob.response().await.status, 200);
    let mut alice = Raw::sent(address, get("/all", "alice")).await;
    arrived(&origin, 1).await;
    let mut bob = Raw::sent(address, get("/all", "bob")).await;
    origin.release_one("all");
    assert_eq!(alice.response().await.text(), "made once");
    assert_eq!(bob.response().await.text(), "made once");
    assert_eq!((origin.count("/own"), origin.count("/all")), (3, 1));
}

#[tokio::test]
async fn whom_our_own_policies_know_is_as_good_as_authorized() {
    let origin = origin().await;
    origin.script("/own", [with(&[HOUR])]);
    origin.script("/all", [with(&[HOUR, ("Cache-Control", "public")])]);
    let endpoint = origin.address().expect("an origin on TCP");
    // The key's hash is that of `abc`.
    let portcullis = Portcullis::start(&format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes: [{{name: all, pool: origin, cache: {{}}, api_key: {{keys: [{{name: abc, \
         sha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad}}]}}}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\n"
    ))
    .await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    let key = ["X-Api-Key: abc"];
    is_never_stored(&origin, &mut raw, "/own", &key, "an API key").await;
    stored(&mut raw, "/all", &key).await;
    let stranger = ask(&mut raw, "GET /all", &[]).await;
    assert_eq!(
        stranger.status, 401,
        "who has no key has nothing from the store either"
    );
}

#[tokio::test]
async fn what_a_client_does_not_want_stored_may_come_from_the_store() {
    let origin = origin().await;
    origin.script("/a", [with(&[HOUR])]);
    let (_portcullis, mut raw) = caching(&origin, "").await;
    stored(&mut raw, "/a", &[]).await;
    let answer = ask(&mut raw, "GET /a", &["Cache-Control: no-store"]).await;
    assert!(cache_status(&answer).contains("; hit"), "{answer:?}");
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn who_asks_first_has_what_is_for_nobody_else() {
    let origin = origin().await;
    let answer = with(&[
        ("Cache-Control", "max-age=3600, private=\"Set-Cookie\""),
        COOKIE,
    ]);
    let answer = answer.field("Connection", "X-Hop").field("X-Hop", "1");
    origin.script("/a", [answer.held("a")]);
    let (portcullis, mut raw) = caching(&origin, "").await;
    let mut other = Raw::connect(portcullis.listener("http")).await;
    raw.send("GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    arrived(&origin, 1).await;
    other.send("GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    origin.release_one("a");
    let (first, second) = (raw.response().await, other.response().await);
    assert_eq!(first.header("set-cookie"), Some("a=b"), "{first:?}");
    assert_eq!(first.header("x-hop"), None);
    assert_eq!(second.header("set-cookie"), None, "{second:?}");
    let hit = stored(&mut raw, "/a", &[]).await;
    assert_eq!(hit.header("set-cookie"), None);
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn who_insists_on_asking_does_not_take_what_is_fresh_from_others() {
    let origin = origin().await;
    origin.script_by("/a", |asked, _| {
        let cache_control = match asked.field("cookie") {
            "" => "max-age=3600",
            _ => "private",
        };
        Scripted::new(200)
            .field("Cache-Control", cache_control)
            .body("made once")
    });
    let (_portcullis, mut raw) = caching(&origin, "").await;
    stored(&mut raw, "/a", &[]).await;
    for lines in [
        &["Cache-Control: no-cache", "Cookie: a=b"][..],
        &["Cache-Control: no-cache", "Authorization: a"],
        &["Cache-Control: no-store, no-cache"],
    ] {
        let answer = ask(&mut raw, "GET /a", lines).await;
        assert!(!cache_status(&answer).contains("; hit"), "{answer:?}");
        let asked = origin.count("/a");
        let hit = ask(&mut raw, "GET /a", &[]).await;
        assert!(cache_status(&hit).contains("; hit"), "{lines:?}: {hit:?}");
        assert_eq!(origin.count("/a"), asked);
    }
}
