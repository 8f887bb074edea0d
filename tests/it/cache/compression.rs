//! Is what is cached compressed once, for everyone who can read it?

use origin::{Origin, Scripted};

use super::asking::*;
use crate::compression::{CODINGS, decoded, page};
use crate::support::*;

/// Portcullis that caches and compresses on its one route.
async fn start(origin: &Origin, cache: &str) -> Portcullis {
    let route = format!("name: all, cache: {{{cache}}}, compress: {{}}");
    let yaml = site("", origin.address()).replace("name: all", &route);
    Portcullis::start(&yaml).await
}

/// A page that is fresh for an hour.
fn fresh_page() -> Scripted {
    fresh().field("content-type", "text/html").body(page())
}

/// A GET for the same object that [`ask`] asks for.
fn accepting(path: &str, codings: &str) -> http::Request<Body> {
    let asked = request("GET", path).header("host", "a.test");
    let asked = asked.header("accept-encoding", codings);
    asked.body(full("")).expect("a request")
}

async fn count(portcullis: &Portcullis, what: &str, coding: &str) -> f64 {
    let labels = format!("{{coding=\"{coding}\",route=\"all\"}}");
    let series = format!("portcullis_compression_{what}_total{labels}");
    portcullis.metric(&series).await
}

#[tokio::test]
async fn an_object_is_compressed_once_for_a_hundred_hits() {
    let origin = origin().await;
    origin.script("/", [fresh_page().field("etag", "\"v1\"")]);
    let portcullis = start(&origin, "").await;
    let address = portcullis.listener("http");
    stored(&mut Raw::connect(address).await, "/", &[]).await;
    let mut clients = [http1(address).await, http2(address).await];
    for coding in CODINGS {
        for number in 0..100 {
            let answer = clients[number % 2].ask(accepting("/", coding)).await;
            assert!(
                answer
                    .header("cache-status")
                    .is_some_and(|status| status.contains("; hit"))
            );
            assert_eq!(answer.header("content-encoding"), Some(coding));
            assert_eq!(answer.header("etag"), Some("W/\"v1\""));
            assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
            let length = answer.body.len().to_string();
            assert_eq!(answer.header("content-length"), Some(&*length));
            assert_eq!(decoded(coding, &answer.body).expect("whole"), page());
        }
        assert_eq!(
            count(&portcullis, "encodings", coding).await,
            1.0,
            "{coding}"
        );
        assert_eq!(
            count(&portcullis, "answers", coding).await,
            100.0,
            "{coding}"
        );
    }
    // What is stored is the page itself, which the endpoint was asked for once and as such.
    let plain = clients[0].ask(accepting("/", "identity")).await;
    assert_eq!(plain.header("etag"), Some("\"v1\""));
    assert_eq!(plain.body, page());
    assert_eq!(origin.count("/"), 1);
}

#[tokio::test]
async fn the_endpoint_is_asked_for_the_page_itself_and_who_waits_for_it_gets_it_compressed() {
    let origin = origin().await;
    origin.script("/", [fresh_page()]);
    let portcullis = start(&origin, "").await;
    let mut client = http1(portcullis.listener("http")).await;
    let answer = client.ask(accepting("/", "br")).await;
    assert_eq!(decoded("br", &answer.body).expect("whole"), page());
    let asked = origin.asked("/");
    assert!(
        matches!(asked[0].field("accept-encoding"), "" | "identity"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_changed_object_is_compressed_anew() {
    let origin = origin().await;
    let other = b"something else entirely ".repeat(100);
    let second = fresh()
        .field("content-type", "text/html")
        .body(other.clone());
    origin.script("/", [fresh_page(), second]);
    let portcullis = start(&origin, "purge_from: [127.0.0.1]").await;
    let address = portcullis.listener("http");
    let mut raw = Raw::connect(address).await;
    stored(&mut raw, "/", &[]).await;
    let mut client = http1(address).await;
    let first = client.ask(accepting("/", "gzip")).await;
    assert!(decoded("gzip", &first.body).expect("whole") == page());
    assert_eq!(ask(&mut raw, "PURGE /", &[]).await.status, 200);
    stored(&mut raw, "/", &[]).await;
    let second = client.ask(accepting("/", "gzip")).await;
    assert!(decoded("gzip", &second.body).expect("whole") == other);
    assert_eq!(count(&portcullis, "encodings", "gzip").await, 2.0);
}

#[tokio::test]
async fn rfc9110_13_1_2_a_hit_is_revalidated_with_the_weakened_tag_and_ranges_stay_plain() {
    let origin = origin().await;
    origin.script("/", [fresh_page().field("etag", "\"v1\"")]);
    let portcullis = start(&origin, "").await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    stored(&mut raw, "/", &[]).await;
    let gzip = "Accept-Encoding: gzip";
    let unchanged = ask(&mut raw, "GET /", &[gzip, "If-None-Match: W/\"v1\""]).await;
    assert_eq!(
        (unchanged.status, unchanged.header("etag")),
        (304, Some("W/\"v1\""))
    );
    assert_eq!(unchanged.header("content-encoding"), None);
    let part = ask(&mut raw, "GET /", &[gzip, "Range: bytes=10-19"]).await;
    assert_eq!((part.status, part.header("content-encoding")), (206, None));
    assert_eq!(part.body, page()[10..20]);
    // The weak tag names no bytes, so there can be no part of what it names.
    let whole = ask(
        &mut raw,
        "GET /",
        &[gzip, "Range: bytes=10-19", "If-Range: W/\"v1\""],
    )
    .await;
    assert_eq!(
        (whole.status, whole.header("content-encoding")),
        (200, Some("gzip"))
    );
    assert_eq!(decoded("gzip", &whole.body).expect("whole"), page());
    let head = ask(&mut raw, "HEAD /", &[gzip]).await;
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    assert_eq!(head.header("etag"), Some("W/\"v1\""));
}
