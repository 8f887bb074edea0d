//! Which fields of an answer are stored and passed on, and which belong to one user or one connection?

use super::*;

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
