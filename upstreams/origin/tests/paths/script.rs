//! Does a scripted path answer what a test wrote, and tell what it was asked?

use http::StatusCode;
use origin::{Origin, Scripted};

use crate::client::{
    A_MOMENT, SOON, ask2, collect, exchange, get, http1, http2, origin, read_until, request,
    send_raw,
};

fn one() -> Scripted {
    Scripted::new(200)
        .field("Cache-Control", "max-age=60")
        .field("ETag", "\"1\"")
        .field("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
        .field("Content-Type", "text/plain")
        .body("0123456789")
}

/// One GET with these further fields.
async fn ask(origin: &Origin, path: &str, fields: &[(&str, &str)]) -> crate::client::Reply {
    let mut request = request("GET", path, "");
    for (name, value) in fields {
        let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a name");
        let value = value.parse().expect("a value");
        request.headers_mut().append(name, value);
    }
    let mut sender = http1(origin.address().expect("an address")).await;
    let response = sender.send_request(request).await.expect("a response");
    collect(response).await.expect("a complete body")
}

#[tokio::test]
async fn answers_come_one_after_the_other_and_the_last_one_stays() {
    let (origin, address) = origin().await;
    origin.script(
        "/a",
        [one(), Scripted::new(404).field("X", "1").field("X", "2")],
    );
    let first = get(address, "/a?q=1").await;
    assert_eq!((first.status, first.text()), (StatusCode::OK, "0123456789"));
    assert_eq!(first.field("content-length"), "10");
    assert_eq!(first.field("cache-control"), "max-age=60");
    assert_eq!(first.field("x-origin"), "a");
    for _ in 0..2 {
        let later = ask2(address, "GET", "/a", b"").await;
        assert_eq!(later.status, StatusCode::NOT_FOUND);
        assert_eq!(later.fields.get_all("x").iter().count(), 2);
    }
    assert_eq!(origin.count("/a"), 3);
    let asked = origin.asked("/a");
    let targets: Vec<_> = asked.iter().map(|asked| asked.target.as_str()).collect();
    assert_eq!(targets, ["/a?q=1", "/a", "/a"]);
    assert_eq!(asked[0].field("host"), "origin.test");
    assert_eq!(asked[2].authority, "origin.test");
    // A new script starts with its first; what was asked before is still known.
    origin.script("/a", [Scripted::new(200), Scripted::new(500)]);
    assert_eq!(get(address, "/a").await.status, StatusCode::OK);
    assert_eq!(origin.count("/a"), 4);
    assert_eq!(get(address, "/b").await.text(), "hello from a: GET /b\n");
}

#[tokio::test]
async fn the_most_particular_script_answers() {
    let (origin, address) = origin().await;
    origin.script("/s/*", [Scripted::new(200).body("all")]);
    origin.script("/s/t*", [Scripted::new(200).body("longer")]);
    origin.script("/s/a", [Scripted::new(200).body("path")]);
    origin.script("/s/a?b=1", [Scripted::new(200).body("query")]);
    for (path, body) in [
        ("/s/x?b=1", "all"),
        ("/s/tx", "longer"),
        ("/s/a?b=2", "path"),
        ("/s/a?b=1", "query"),
    ] {
        assert_eq!(get(address, path).await.text(), body, "{path}");
    }
    assert_eq!(origin.count("/s/*"), 1);
    assert_eq!(origin.count("/none"), 0);
}

#[tokio::test]
async fn an_answer_may_go_by_what_is_asked_its_body_included() {
    let (origin, address) = origin().await;
    origin.script_by("/by", |asked, number| {
        let text = format!("{number} {} {:?}", asked.field("x-a"), asked.body);
        Scripted::new(200).body(text)
    });
    assert_eq!(
        ask(&origin, "/by", &[("X-A", "v")]).await.text(),
        "0 v b\"\""
    );
    let reply = ask2(address, "POST", "/by", b"fat").await;
    assert_eq!(reply.text(), "1  b\"fat\"");
    assert_eq!(origin.asked("/by")[1].method, "POST");
}

#[tokio::test]
async fn a_match_is_answered_with_304_over_both_versions() {
    let (origin, address) = origin().await;
    origin.script(
        "/v",
        [one().unmodified_field("Cache-Control", "max-age=90")],
    );
    for (name, value) in [
        ("If-None-Match", "\"0\", W/\"1\""),
        ("If-None-Match", "*"),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ] {
        let reply = ask(&origin, "/v", &[(name, value)]).await;
        assert_eq!(reply.status, StatusCode::NOT_MODIFIED, "{name}: {value}");
        assert_eq!(reply.field("etag"), "\"1\"");
        assert_eq!(reply.field("cache-control"), "max-age=90");
        assert_eq!(reply.field("content-type"), "");
        assert_eq!(reply.text(), "");
    }
    let date = ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT");
    let reply = ask(&origin, "/v", &[("If-None-Match", "\"2\""), date]).await;
    assert_eq!((reply.status, reply.text()), (StatusCode::OK, "0123456789"));
    let mut conditional = request("GET", "/v", "");
    let tag = "\"1\"".parse().expect("a value");
    conditional.headers_mut().insert("if-none-match", tag);
    let response = http2(address).await.send_request(conditional).await;
    assert_eq!(
        response.expect("a response").status(),
        StatusCode::NOT_MODIFIED
    );
}

#[tokio::test]
async fn a_range_is_answered_with_that_part_alone() {
    let (origin, _) = origin().await;
    origin.script("/r", [one().body("abcdef").ranges()]);
    for (range, part, of) in [
        ("bytes=0-0", "0", "bytes 0-0/16"),
        ("bytes=8-11", "89ab", "bytes 8-11/16"),
        ("bytes=12-", "cdef", "bytes 12-15/16"),
        ("bytes=-2", "ef", "bytes 14-15/16"),
        ("bytes=14-99", "ef", "bytes 14-15/16"),
    ] {
        let reply = ask(&origin, "/r", &[("Range", range), ("If-Range", "\"1\"")]).await;
        assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!((reply.text(), reply.field("content-range")), (part, of));
        assert_eq!(reply.field("content-length"), part.len().to_string());
    }
    let reply = ask(&origin, "/r", &[("Range", "bytes=16-")]).await;
    assert_eq!(reply.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(reply.field("content-range"), "bytes */16");
    for fields in [
        &[("Range", "bytes=0-0"), ("If-Range", "\"0\"")][..],
        &[("Range", "bytes=0-0,2-3")],
        &[("Range", "lines=1-2")],
    ] {
        assert_eq!(ask(&origin, "/r", fields).await.text(), "0123456789abcdef");
    }
}

#[tokio::test]
async fn what_is_held_goes_once_it_is_released() {
    let (origin, address) = origin().await;
    origin.script(
        "/h",
        [Scripted::new(200)
            .held("head")
            .body("so far")
            .until("rest")
            .body("!")],
    );
    let asking = tokio::spawn(async move {
        let mut sender = http1(address).await;
        sender.send_request(request("GET", "/h", "")).await
    });
    assert!(
        origin
            .journal()
            .becomes(SOON, |journal| journal.in_flight() == 1)
            .await
    );
    assert_eq!(origin.count("/h"), 1);
    tokio::time::sleep(A_MOMENT).await;
    assert!(!asking.is_finished());
    origin.release_one("head");
    let response = asking.await.expect("joined").expect("a header");
    assert_eq!(origin.journal().in_flight(), 1);
    origin.release_one("rest");
    assert_eq!(collect(response).await.expect("whole").text(), "so far!");
}

#[tokio::test]
async fn delays_take_their_time() {
    let (origin, address) = origin().await;
    origin.script(
        "/d",
        [Scripted::new(200)
            .delay(A_MOMENT)
            .body("a")
            .pause(A_MOMENT)
            .body("b")],
    );
    let started = std::time::Instant::now();
    assert_eq!(get(address, "/d").await.text(), "ab");
    assert!(started.elapsed() >= A_MOMENT * 2);
}

#[tokio::test]
async fn a_body_may_be_chunked_or_broken_off() {
    let (origin, address) = origin().await;
    origin.script(
        "/c",
        [Scripted::new(200).body("a").body("b").chunked().close()],
    );
    let raw = exchange(address, "GET /c HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let raw = String::from_utf8(raw).expect("text");
    assert!(raw.contains("transfer-encoding: chunked\r\n"), "{raw}");
    assert!(raw.ends_with("0\r\n\r\n"), "{raw}");

    origin.script("/b", [Scripted::new(200).body("a").break_off().body("bc")]);
    let raw = exchange(address, "GET /b HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let raw = String::from_utf8(raw).expect("text");
    assert!(
        raw.contains("content-length: 3\r\n") && raw.ends_with("\r\n\r\na"),
        "{raw}"
    );

    origin.script("/b", [Scripted::new(200).body("ab").chunked().break_off()]);
    let raw = exchange(address, "GET /b HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(raw.ends_with(b"2\r\nab\r\n"), "{raw:?}");
    let response = http2(address)
        .await
        .send_request(request("GET", "/b", ""))
        .await;
    assert!(collect(response.expect("a header")).await.is_err());
    assert_eq!(origin.journal().cancelled(), 0);
}

#[tokio::test]
async fn date_is_the_answers_own_or_as_the_origin_is_built() {
    let origin = Origin::builder()
        .date(false)
        .start()
        .await
        .expect("started");
    let address = origin.address().expect("an address");
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    origin.script(
        "/d",
        [Scripted::new(200), Scripted::new(200).field("Date", date)],
    );
    assert_eq!(get(address, "/d").await.field("date"), "");
    assert_eq!(get(address, "/d").await.field("date"), date);
}

#[tokio::test]
async fn head_has_the_length_of_the_body_and_none() {
    let (origin, address) = origin().await;
    origin.script("/a", [one().ranges()]);
    let mut stream = send_raw(
        address,
        "HEAD /a HTTP/1.1\r\nhost: a\r\nrange: bytes=0-1\r\n\r\n",
    )
    .await;
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("content-length: 10\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn an_answer_that_cannot_be_is_told() {
    let (origin, address) = origin().await;
    for answer in [Scripted::new(99), Scripted::new(200).field("a b", "")] {
        origin.script("/w", [answer]);
        let reply = get(address, "/w").await;
        assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(reply.text().starts_with('`') || reply.text().starts_with("the field"));
    }
    origin.script("/w", []);
    assert_eq!(get(address, "/w").await.status, StatusCode::NOT_FOUND);
}
