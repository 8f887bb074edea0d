//! Is what may be stored stored, and nothing else, and only those fields?

use origin::{Origin, Scripted};

use super::asking::*;
use crate::support::*;

/// 200 with these fields.
fn with(fields: &[(&str, &str)]) -> Scripted {
    let answer = Scripted::new(200).body("made once");
    fields
        .iter()
        .fold(answer, |answer, (name, value)| answer.field(name, value))
}

/// Asked as often as this, the answer comes from the origin each time.
async fn is_never_stored(origin: &Origin, raw: &mut Raw, path: &str, lines: &[&str], what: &str) {
    for count in 1..=3 {
        let answer = ask(raw, &format!("GET {path}"), lines).await;
        let status = cache_status(&answer);
        assert!(
            !status.contains("; hit") && !status.contains("; stored"),
            "{what}: {status}"
        );
        assert_eq!(origin.count(path), count, "{what}: {status}");
    }
}

/// The lines of a request, the fields of its answer, and whether that is stored.
type Case<'c> = (&'c [&'c str], &'c [(&'c str, &'c str)], bool);

/// An answer with these fields to requests with these lines is stored, or not.
async fn stores(settings: &str, cases: &[Case<'_>]) {
    let origin = origin().await;
    let (_portcullis, mut raw) = caching(&origin, settings).await;
    for (index, (lines, fields, may_be)) in cases.iter().enumerate() {
        let path = format!("/{index}");
        origin.script(&path, [with(fields)]);
        if *may_be {
            let hit = stored(&mut raw, &path, lines).await;
            assert_eq!(hit.text(), "made once");
            assert_eq!(origin.count(&path), 1, "{fields:?}");
        } else {
            let what = format!("{lines:?} {fields:?}");
            is_never_stored(&origin, &mut raw, &path, lines, &what).await;
        }
    }
}

const HOUR: (&str, &str) = ("Cache-Control", "max-age=3600");
const IN_2050: (&str, &str) = ("Expires", "Thu, 18 Aug 2050 02:01:18 GMT");
const COOKIE: (&str, &str) = ("Set-Cookie", "a=b");
const ONCE: (&str, &str) = ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");

#[tokio::test]
async fn rfc9111_3_what_the_endpoint_says_decides() {
    let cases: &[Case] = &[
        (&[], &[HOUR], true),
        (&[], &[IN_2050], true),
        (&[], &[ONCE], true),
        (
            &[],
            &[
                ("Cache-Control", "max-age=0"),
                ("Cache-Control", "s-maxage=60"),
            ],
            true,
        ),
        (&[], &[], false),
        (&[], &[("ETag", "\"a\"")], false),
        (&[], &[HOUR, ("Cache-Control", "No-Store")], false),
        (&[], &[IN_2050, ("Cache-Control", "private")], false),
        (&[], &[HOUR, ("Cache-Control", "private=\"vary\"")], false),
        (
            &[],
            &[("Cache-Control", "a=\"b, private, max-age=3600")],
            false,
        ),
        (
            &[],
            &[("Cache-Control", "a=\"private, no-store\", max-age=3600")],
            true,
        ),
        (&[], &[HOUR, ("Vary", "Accept, *")], false),
        (
            &[],
            &[HOUR, ("Cache-Control", "no-store, must-understand")],
            true,
        ),
        (&[], &[("Cache-Control", "max-age=3600, no-cache")], false),
        (&[], &[("Cache-Control", "max-age=-5"), IN_2050], false),
        (&[], &[("Cache-Control", "max-age='5'"), IN_2050], false),
        (&[], &[("Expires", "0")], false),
        (&[], &[HOUR, COOKIE], true),
        (&[], &[ONCE, COOKIE], false),
    ];
    stores("", cases).await;
}

#[tokio::test]
async fn rfc9111_3_what_the_client_says_decides_too() {
    let cases: &[Case] = &[
        (&["Cache-Control: no-store"], &[HOUR], false),
        (&["Cookie: a=b"], &[HOUR], true),
        (&["Authorization: Basic YTpi"], &[HOUR], false),
        (
            &["Authorization: Basic YTpi"],
            &[HOUR, ("Cache-Control", "public")],
            true,
        ),
        (
            &["Authorization: Basic YTpi"],
            &[HOUR, ("Cache-Control", "must-revalidate")],
            true,
        ),
        (
            &["Authorization: Basic YTpi"],
            &[("Cache-Control", "s-maxage=60")],
            true,
        ),
    ];
    stores("", cases).await;
}

#[tokio::test]
async fn rfc9213_2_2_what_is_said_to_this_cache_counts_alone() {
    let no_store = ("Cache-Control", "no-store");
    let cases: &[Case] = &[
        (&[], &[("CDN-Cache-Control", "max-age=60"), no_store], true),
        (
            &[],
            &[("CDN-Cache-Control", "max-age=60, &&"), no_store],
            false,
        ),
        (&[], &[("CDN-Cache-Control", "max-age=\"60\""), HOUR], false),
        (
            &[],
            &[("CDN-Cache-Control", "no-store"), HOUR, IN_2050],
            false,
        ),
        (&[], &[("CDN-Cache-Control", ""), HOUR], true),
        (
            &[],
            &[
                ("Portcullis-Cache-Control", "max-age=60"),
                ("CDN-Cache-Control", "no-store"),
            ],
            true,
        ),
        (
            &[],
            &[
                ("Portcullis-Cache-Control", "private"),
                ("CDN-Cache-Control", "max-age=60"),
            ],
            false,
        ),
    ];
    stores("", cases).await;
}

#[tokio::test]
async fn with_the_strict_switch_no_answer_that_sets_cookies_is_stored() {
    let cases: &[Case] = &[
        (&[], &[HOUR, COOKIE], false),
        (
            &[],
            &[("Cache-Control", "public, s-maxage=60"), COOKIE],
            false,
        ),
        (&[], &[HOUR], true),
    ];
    stores("set_cookie: refuse", cases).await;
}

#[tokio::test]
async fn an_operator_that_overrides_decides_alone_and_shares_nothing_that_is_somebody_s() {
    let cases: &[Case] = &[
        (
            &[],
            &[("Cache-Control", "no-store, private"), ("Expires", "0")],
            true,
        ),
        (&[], &[("CDN-Cache-Control", "no-store")], true),
        (&[], &[("Cache-Control", "max-age=3600"), COOKIE], false),
        (
            &["Authorization: Basic YTpi"],
            &[("Cache-Control", "public, s-maxage=60")],
            false,
        ),
        (&["Cache-Control: no-store"], &[], false),
        (&[], &[("Vary", "*")], false),
    ];
    stores("origin_headers: override, default_ttl: {2xx: 1m}", cases).await;
}

#[tokio::test]
async fn rfc9111_3_every_final_status_may_be_stored_if_the_endpoint_says_so() {
    let origin = origin().await;
    let (_portcullis, mut raw) = caching(&origin, "").await;
    for status in [
        200, 203, 204, 299, 301, 302, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599,
    ] {
        let (says, silent) = (format!("/{status}"), format!("/{status}/silent"));
        let answer = Scripted::new(status).field("Location", "/elsewhere");
        origin.script(&says, [answer.clone().field(HOUR.0, HOUR.1)]);
        origin.script(&silent, [answer]);
        let hit = stored(&mut raw, &says, &[]).await;
        assert_eq!(
            (hit.status, hit.header("location")),
            (status, Some("/elsewhere"))
        );
        assert_eq!(origin.count(&says), 1, "{status}");
        is_never_stored(&origin, &mut raw, &silent, &[], &silent).await;
    }
    for status in [206, 428, 429, 431, 511] {
        let path = format!("/{status}");
        let partial = ("Content-Range", "bytes 0-3/9");
        origin.script(
            &path,
            [Scripted::new(status)
                .field(HOUR.0, HOUR.1)
                .field(partial.0, partial.1)
                .body("made")],
        );
        for count in 1..=2 {
            let answer = ask(&mut raw, &format!("GET {path}"), &[]).await;
            assert!(!cache_status(&answer).contains("; hit"), "{answer:?}");
            assert_eq!(origin.count(&path), count, "{status}");
        }
    }
}

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
async fn rfc9111_3_1_a_hit_has_the_fields_that_may_be_stored_and_no_others() {
    let origin = origin().await;
    let answer = Scripted::new(200)
        .field(
            "Cache-Control",
            "max-age=3600, private=\"X-User\", no-cache=\"X-Ask\"",
        )
        .field("Connection", "X-Hop")
        .field("X-Hop", "1")
        .field("Keep-Alive", "timeout=5")
        .field("X-User", "alice")
        .field("X-Ask", "1")
        .field("Proxy-Authenticate", "Basic")
        .field("X-Kept", "1")
        .field("X-Kept", "2")
        .field("Content-Type", "text/x-own")
        .field("ETag", "\"a\"")
        .body("made once");
    origin.script("/a", [answer]);
    let (portcullis, mut raw) = caching(&origin, "").await;
    let hit = stored(&mut raw, "/a", &[]).await;
    for name in [
        "x-hop",
        "keep-alive",
        "x-user",
        "x-ask",
        "proxy-authenticate",
    ] {
        assert_eq!(hit.header(name), None, "{hit:?}");
    }
    let kept: Vec<_> = hit
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-kept"))
        .collect();
    assert_eq!(
        kept.iter()
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>(),
        ["1", "2"]
    );
    assert_eq!(hit.header("content-type"), Some("text/x-own"));
    assert_eq!(
        (hit.header("etag"), hit.text().as_str()),
        (Some("\"a\""), "made once")
    );
    for line in ["\r\nx-user:", "\r\nx-hop:"] {
        let mut raw = Raw::sent(
            portcullis.listener("http"),
            "GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
        )
        .await;
        let bytes = String::from_utf8(raw.rest().await).expect("text");
        assert!(!bytes.to_lowercase().contains(line), "{bytes}");
        assert_eq!(bytes.matches("\r\n\r\n").count(), 1, "{bytes}");
        assert!(bytes.ends_with("\r\n\r\nmade once"), "{bytes}");
    }
    assert_eq!(origin.count("/a"), 1);
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
async fn rfc9110_7_6_1_what_is_not_stored_is_passed_on_without_what_belongs_to_a_connection() {
    let origin = origin().await;
    let answer = with(&[
        ("Cache-Control", "no-store"),
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
    ]);
    let answer = answer.field("Keep-Alive", "timeout=5").field("Age", "7");
    origin.script("/a", [answer]);
    let (_portcullis, mut raw) = caching(&origin, "").await;
    for _ in 0..2 {
        let answer = ask(&mut raw, "GET /a", &[]).await;
        assert_ne!(answer.header("connection"), Some("X-Hop"));
        for name in ["x-hop", "keep-alive"] {
            assert_eq!(answer.header(name), None, "{answer:?}");
        }
        assert_eq!(answer.header("age"), Some("7"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
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
