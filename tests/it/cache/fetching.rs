//! Is what the cache fetches fetched as everything else: again where that may help, from every kind of endpoint, in time, and
//! told in the log?

use origin::{Origin, Scripted, TlsSettings};

use super::asking::*;
use crate::support::*;

/// A route with a cache with these settings, and its pool of this origin with those, all in YAML's flow style.
fn site(origin: &Origin, cache: &str, pool: &str) -> String {
    let endpoint = origin.address().expect("an origin on TCP");
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes: [{{name: all, pool: p, cache: {{{cache}}}}}]\n\
         pools: [{{name: p, endpoints: [\"{endpoint}\"]{pool}}}]\n\
         forwarding: {{trusted_proxies: [127.0.0.1]}}\n"
    )
}

async fn started(origin: &Origin, cache: &str, pool: &str) -> (Portcullis, Raw) {
    let portcullis = Portcullis::start(&site(origin, cache, pool)).await;
    let raw = Raw::connect(portcullis.listener("http")).await;
    (portcullis, raw)
}

/// The lines of this target, once there are so many.
async fn lines(portcullis: &Portcullis, target: &str, count: usize) -> Vec<serde_json::Value> {
    let of_target = || {
        let lines = portcullis.access_log().into_iter();
        lines
            .filter(|line| line["target"] == target)
            .collect::<Vec<_>>()
    };
    eventually("the lines are written", async || of_target().len() >= count).await;
    of_target()
}

#[tokio::test]
async fn a_fetch_is_made_again_as_its_pool_says_and_the_log_tells_who_waited_for_it() {
    let origin = origin().await;
    origin.script("/a", [Scripted::new(503), fresh().body("whole")]);
    let retries = ", retries: {limit: 2, on: [503], backoff: {base: 1ms, max: 1ms}}";
    let (portcullis, mut raw) = started(&origin, "", retries).await;
    let first = ask(&mut raw, "GET /a", &[]).await;
    assert_eq!((first.status, first.text().as_str()), (200, "whole"));
    assert!(cache_status(&first).contains("fwd=uri-miss"), "{first:?}");
    let hit = stored(&mut raw, "/a", &[]).await;
    assert_eq!(hit.text(), "whole");
    assert_eq!(origin.count("/a"), 2);
    let lines = lines(&portcullis, "/a", 2).await;
    let (miss, hit) = (&lines[0], &lines[lines.len() - 1]);
    let endpoint = origin.address().expect("TCP").to_string();
    assert_eq!(miss["cache"], "miss", "{miss}");
    assert_eq!(
        (&miss["attempts"], &miss["retries"]),
        (&2.into(), &1.into())
    );
    assert_eq!(miss["upstream_status"], 200);
    assert_eq!(miss["endpoint"], endpoint);
    assert!(miss["first_byte"].is_number(), "{miss}");
    assert_eq!(hit["cache"], "hit", "{hit}");
    assert_eq!((&hit["attempts"], &hit["retries"]), (&0.into(), &0.into()));
    for field in ["endpoint", "upstream_status", "first_byte", "connect"] {
        assert!(hit[field].is_null(), "{field}: {hit}");
    }
}

#[tokio::test]
async fn what_is_stored_is_served_while_the_breaker_is_open_and_nothing_else_is() {
    let origin = origin().await;
    origin.script("/a", [fresh().body("whole")]);
    origin.script("/ill*", [Scripted::new(500)]);
    let breaker =
        ", retries: {limit: 0}, breaker: {consecutive_failures: 2, failures: [500], open_for: 60s}";
    let (portcullis, mut raw) = started(&origin, "", breaker).await;
    ask(&mut raw, "GET /a", &[]).await;
    stored(&mut raw, "/a", &[]).await;
    for path in ["/ill/1", "/ill/2"] {
        let ill = ask(&mut raw, &format!("GET {path}"), &[]).await;
        assert_eq!(ill.status, 500);
    }
    let refused = ask(&mut raw, "GET /ill/3", &[]).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(origin.count("/ill*"), 2);
    let hit = ask(&mut raw, "GET /a", &[]).await;
    assert!(cache_status(&hit).contains("; hit"), "{hit:?}");
    let line = portcullis.logged(|line| line["target"] == "/ill/3").await;
    assert_eq!(line["reason"], "breaker_open", "{line}");
    assert_eq!(line["cache"], "miss", "{line}");
}

#[tokio::test]
async fn a_fetch_takes_no_longer_than_its_route_allows_and_its_part_is_not_stored() {
    let origin = origin().await;
    let part = || fresh().body("begun").until("never").body("ended");
    origin.script("/late", [Scripted::new(200).held("never")]);
    origin.script("/part", [part()]);
    let timeouts = ", timeouts: {total: 3s}, retries: {limit: 0}";
    let (portcullis, mut raw) = started(&origin, "", timeouts).await;
    let late = ask(&mut raw, "GET /late", &[]).await;
    assert_eq!(late.status, 504, "{late:?}");
    let line = portcullis.logged(|line| line["target"] == "/late").await;
    assert_eq!(line["reason"], "total_timeout", "{line}");
    for count in 1..=2 {
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        raw.send("GET /part HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        // The header and the beginning, and then the end of the connection: it is seen not to be whole.
        let seen = String::from_utf8(raw.rest().await).expect("text");
        assert!(seen.starts_with("HTTP/1.1 200 OK"), "{seen}");
        assert!(seen.ends_with("begun"), "{seen}");
        assert_eq!(origin.count("/part"), count, "it was stored");
    }
}

#[tokio::test]
async fn objects_come_from_endpoints_that_speak_http2_and_over_tls() {
    let authority = Authority::new();
    let identity = authority.issue(&["origin.test"]);
    let tls = TlsSettings {
        cert_pem: identity.certificate.clone(),
        key_pem: identity.key.clone(),
        client_ca_pem: None,
    };
    let body: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
    for (secure, protocol) in [(false, "http2"), (true, "http1"), (true, "http2")] {
        let builder = Origin::builder();
        let builder = match secure {
            true => builder.tls(tls.clone()),
            false => builder,
        };
        let origin = builder.start().await.expect("an origin");
        origin.script("/known", [fresh().body(body.clone())]);
        origin.script("/unknown", [fresh().body(body.clone()).chunked()]);
        let tls = match secure {
            true => ", tls: {name: origin.test, ca: ca.pem}",
            false => "",
        };
        let pool = format!(", protocol: {protocol}{tls}");
        let builder = Portcullis::builder(&site(&origin, "", &pool));
        let portcullis = builder.file("ca.pem", authority.pem()).start().await;
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        let mut client = http2(portcullis.listener("http")).await;
        for path in ["/known", "/unknown"] {
            let first = ask(&mut raw, &format!("GET {path}"), &[]).await;
            assert!(first.body == body, "{path} over {protocol}");
            let hit = stored(&mut raw, path, &["Range: bytes=10-19"]).await;
            assert_eq!((hit.status, &*hit.body), (206, &body[10..20]));
            let mut head = request("GET", path);
            head = head.header("host", "a.test");
            let over_http2 = client.ask(head.body(full("")).expect("a request")).await;
            assert!(over_http2.body == body, "{path} over {protocol}");
            assert_eq!(origin.count(path), 1, "{path} over {protocol}");
            let asked = &origin.asked(path)[0];
            let version = match protocol {
                "http2" => http::Version::HTTP_2,
                _ => http::Version::HTTP_11,
            };
            assert_eq!(
                (asked.version, asked.authority.as_str()),
                (version, "a.test")
            );
        }
        assert!(origin.journal().connections() <= 2, "{protocol}");
    }
}

#[tokio::test]
async fn rfc9111_4_1_an_answer_that_varies_by_who_asks_is_stored_for_nobody() {
    let origin = origin().await;
    let (_portcullis, mut raw) = started(&origin, "", "").await;
    for (index, name) in [
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "X-Request-ID",
        "Via",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{index}");
        origin.script(&path, [fresh().field("Vary", name).body("yours")]);
        for count in 1..=2 {
            let answer = ask(&mut raw, &format!("GET {path}"), &[]).await;
            assert!(!cache_status(&answer).contains("; hit"), "{name}");
            assert_eq!(origin.count(&path), count, "{name}");
        }
    }
    // What the key tells apart as well does no harm.
    let by_key = fresh().field("Vary", "X-Forwarded-Proto, X-Forwarded-Host");
    origin.script("/key", [by_key]);
    stored(&mut raw, "/key", &[]).await;
    assert_eq!(origin.count("/key"), 1);
}

#[tokio::test]
async fn rfc9110_6_6_1_what_is_stored_keeps_its_date_over_http1() {
    let origin = origin().await;
    let dated = Scripted::new(200).field("Date", LONG_AGO);
    let long = dated.field("Cache-Control", "max-age=2000000000");
    origin.script("/a", [long.field("ETag", "\"a\"").body("whole")]);
    let (_portcullis, mut raw) = started(&origin, "", "").await;
    let first = ask(&mut raw, "GET /a", &[]).await;
    assert_eq!(first.header("date"), Some(LONG_AGO));
    for (lines, status) in [
        (&[][..], 200),
        (&["If-None-Match: \"a\""], 304),
        (&["Range: bytes=1-2"], 206),
    ] {
        let hit = stored(&mut raw, "/a", lines).await;
        assert_eq!(hit.status, status);
        let dates = hit
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("date"));
        let dates: Vec<_> = dates.map(|(_, date)| date.as_str()).collect();
        assert_eq!(dates, [LONG_AGO], "{status}");
        let age = hit.header("age").and_then(|age| age.parse::<u64>().ok());
        assert!(age.is_some_and(|age| age > 900_000_000), "{hit:?}");
    }
}
