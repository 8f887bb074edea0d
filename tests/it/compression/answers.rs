//! What does a client get that accepts a coding?

use origin::{Origin, Scripted};

use super::{CODINGS, accepting, compressing, decoded, html, page, values};
use crate::support::*;

/// A site that compresses what `origin` says, through this carrier.
async fn start(origin: &Origin, settings: &str, carrier: Carrier) -> Portcullis {
    let yaml = compressing(origin, settings);
    Portcullis::builder(&yaml).carrier(carrier).start().await
}

#[tokio::test]
async fn each_coding_reads_back_over_both_versions_of_http() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        origin.script("/whole", [html()]);
        origin.script("/chunked", [html().chunked()]);
        origin.script("/pieces", [html().chunked().body(page()).body("the end")]);
        let portcullis = start(&origin, "", carrier).await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            for coding in CODINGS {
                for path in ["/whole", "/chunked", "/pieces"] {
                    let answer = client.ask(accepting(path, coding)).await;
                    assert_eq!(answer.header("content-encoding"), Some(coding), "{path}");
                    assert_eq!(answer.header("content-length"), None);
                    assert_eq!(values(&answer.headers, "vary"), ["Accept-Encoding"]);
                    let mut want = page();
                    if path == "/pieces" {
                        want.extend(page());
                        want.extend(b"the end");
                    }
                    assert!(answer.body.len() < want.len() / 3, "{path} {coding}");
                    assert_eq!(decoded(coding, &answer.body).expect("whole"), want);
                }
            }
        }
        // One connection did for all: each answer's end was seen.
        let series = "portcullis_connections_total{listener=\"http\"}";
        assert_eq!(portcullis.metric(series).await, 2.0);
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_of_http2_is_compressed_as_well() {
    let origin = origin().await;
    origin.script("/whole", [html()]);
    origin.script("/chunked", [html().chunked()]);
    let yaml = compressing(&origin, "").replace("name: origin", "name: origin, protocol: http2");
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    for mut client in [http1(address).await, http2(address).await] {
        for coding in CODINGS {
            for path in ["/whole", "/chunked"] {
                let answer = client.ask(accepting(path, coding)).await;
                assert_eq!(answer.header("content-encoding"), Some(coding));
                assert_eq!(decoded(coding, &answer.body).expect("whole"), page());
            }
        }
    }
}

#[tokio::test]
async fn trailers_of_an_endpoint_do_not_keep_the_body_from_ending() {
    let origin = origin().await;
    let yaml = compressing(&origin, "min_size: 0, types: ['*/*']")
        .replace("name: origin", "name: origin, protocol: http2");
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http2(portcullis.listener("http")).await;
    let plain = client.get("/trailers").await;
    assert!(plain.trailers.is_some(), "{plain:?}");
    let answer = client.ask(accepting("/trailers", "gzip")).await;
    if answer.header("content-encoding") == Some("gzip") {
        assert_eq!(decoded("gzip", &answer.body).expect("whole"), plain.body);
    } else {
        // Without a type it is not eligible; then nothing is lost.
        assert_eq!(plain.header("content-type"), None);
        assert_eq!(answer.trailers, plain.trailers);
    }
}

#[tokio::test]
async fn the_answer_to_an_upload_is_compressed_too() {
    let origin = origin().await;
    origin.script("/search", [html()]);
    let portcullis = Portcullis::start(&compressing(&origin, "")).await;
    let mut client = http1(portcullis.listener("http")).await;
    let asked = request("POST", "/search")
        .header("accept-encoding", "br")
        .body(full("what"));
    let answer = client.ask(asked.expect("a request")).await;
    assert_eq!(decoded("br", &answer.body).expect("whole"), page());
}

#[tokio::test]
async fn the_fields_tell_of_the_coded_form_and_head_tells_the_same_as_get() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let answer = html()
            .field("etag", "\"v1\"")
            .field("accept-ranges", "bytes")
            .field("content-md5", "Q2hlY2sgSW50ZWdyaXR5IQ==")
            .field("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT")
            .field("vary", "Origin");
        origin.script("/", [answer]);
        let portcullis = start(&origin, "", carrier).await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let mut told = Vec::new();
            for method in ["GET", "HEAD"] {
                let asked = request(method, "/").header("accept-encoding", "gzip");
                let answer = client.ask(asked.body(full("")).expect("a request")).await;
                assert_eq!(answer.status, 200);
                assert_eq!(answer.header("etag"), Some("W/\"v1\""));
                assert_eq!(answer.header("content-encoding"), Some("gzip"));
                assert!(answer.header("last-modified").is_some());
                assert_eq!(
                    values(&answer.headers, "vary"),
                    ["Origin", "Accept-Encoding"]
                );
                for gone in ["content-length", "accept-ranges", "content-md5"] {
                    assert_eq!(answer.header(gone), None, "{method} {gone}");
                }
                assert_eq!(answer.body.is_empty(), method == "HEAD");
                let mut fields = answer.headers;
                fields.remove("date");
                told.push(fields);
            }
            assert_eq!(told[0], told[1]);
            // Whoever accepts none gets it as it was, and caches in between learn that there are two forms.
            let plain = client.get("/").await;
            assert_eq!(plain.header("etag"), Some("\"v1\""));
            assert_eq!(plain.header("content-encoding"), None);
            assert_eq!(plain.header("accept-ranges"), Some("bytes"));
            assert_eq!(
                values(&plain.headers, "vary"),
                ["Origin", "Accept-Encoding"]
            );
            assert_eq!(
                plain.header("content-length"),
                Some(&*page().len().to_string())
            );
            assert_eq!(plain.body, page());
        }
    })
    .await;
}

#[tokio::test]
async fn rfc9110_13_1_2_a_client_revalidates_with_the_weakened_tag() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        origin.script("/", [html().field("etag", "\"v1\"").validates()]);
        let portcullis = start(&origin, "", carrier).await;
        let mut client = http1(portcullis.listener("http")).await;
        let first = client.ask(accepting("/", "gzip")).await;
        let tag = first.header("etag").expect("a tag").to_owned();
        let again = |tag: &str| {
            let asked = request("GET", "/").header("accept-encoding", "gzip");
            let asked = asked.header("if-none-match", tag).body(full(""));
            asked.expect("a request")
        };
        let unchanged = client.ask(again(&tag)).await;
        assert_eq!(unchanged.status, 304);
        // RFC 9111 §4.3.4: otherwise the client could not know that this is about what it has.
        assert_eq!(unchanged.header("etag"), Some(&*tag));
        assert_eq!(unchanged.header("content-encoding"), None);
        assert_eq!(values(&unchanged.headers, "vary"), ["Accept-Encoding"]);
        let strong = client.ask(again("\"v1\"")).await;
        assert_eq!(
            (strong.status.as_u16(), strong.header("etag")),
            (304, Some("\"v1\""))
        );
        let changed = client.ask(again("W/\"v0\"")).await;
        assert_eq!(changed.status, 200);
        assert_eq!(decoded("gzip", &changed.body).expect("whole"), page());
    })
    .await;
}

#[tokio::test]
async fn rfc9110_13_1_5_a_part_is_never_made_to_fit_a_coded_whole() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        origin.script("/", [html().field("etag", "\"v1\"").ranges()]);
        let portcullis = start(&origin, "", carrier).await;
        let mut client = http1(portcullis.listener("http")).await;
        let part = |tag: &str| {
            let asked = request("GET", "/").header("accept-encoding", "gzip");
            let asked = asked.header("range", "bytes=10-19").header("if-range", tag);
            asked.body(full("")).expect("a request")
        };
        let whole = client.ask(part("W/\"v1\"")).await;
        assert_eq!(
            (whole.status.as_u16(), whole.header("content-encoding")),
            (200, Some("gzip"))
        );
        assert_eq!(decoded("gzip", &whole.body).expect("whole"), page());
        let own = client.ask(part("\"v1\"")).await;
        assert_eq!(
            (own.status.as_u16(), own.header("content-encoding")),
            (206, None)
        );
        assert_eq!(own.body, page()[10..20]);
    })
    .await;
}

#[tokio::test]
async fn http_1_0_gets_it_as_it_is_and_is_told_that_there_are_others() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        origin.script("/", [html()]);
        let portcullis = start(&origin, "", carrier).await;
        let asked = "GET / HTTP/1.0\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n";
        let mut raw = Raw::sent(portcullis.listener("http"), asked).await;
        let answer = raw.last_response().await;
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
        assert_eq!(answer.body, page());
    })
    .await;
}

#[tokio::test]
async fn the_clients_ranking_decides_and_then_the_routes() {
    let origin = origin().await;
    origin.script("/", [html()]);
    let portcullis = Portcullis::start(&compressing(&origin, "codings: [gzip, br]")).await;
    let mut client = http1(portcullis.listener("http")).await;
    for (accepted, want) in [
        ("gzip, deflate, br, zstd", Some("gzip")),
        ("gzip;q=0.5, br", Some("br")),
        ("zstd", None),
        ("*", Some("gzip")),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0, deflate", None),
        ("", None),
    ] {
        let answer = client.ask(accepting("/", accepted)).await;
        assert_eq!(answer.status, 200, "{accepted}");
        assert_eq!(answer.header("content-encoding"), want, "{accepted}");
    }
}

#[tokio::test]
async fn a_fixed_answer_is_compressed_once_and_has_its_length() {
    let origin = origin().await;
    let body = "never the same joke twice. ".repeat(100);
    let yaml = site("", origin.address()).replace(
        "{name: all, pool: origin}",
        &format!("{{name: all, respond: {{body: \"{body}\"}}, compress: {{}}}}"),
    );
    let yaml = &yaml[..yaml.find("pools:").expect("pools")];
    let portcullis = Portcullis::start(yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..5 {
        for coding in CODINGS {
            let answer = client.ask(accepting("/", coding)).await;
            let length = answer.body.len().to_string();
            assert_eq!(answer.header("content-length"), Some(&*length));
            assert_eq!(answer.header("content-encoding"), Some(coding));
            let text = decoded(coding, &answer.body).expect("whole");
            assert_eq!(text, body.as_bytes());
        }
    }
    for coding in CODINGS {
        for (what, count) in [("encodings", 1.0), ("answers", 5.0)] {
            let labels = format!("{{coding=\"{coding}\",route=\"all\"}}");
            let series = format!("portcullis_compression_{what}_total{labels}");
            assert_eq!(portcullis.metric(&series).await, count, "{series}");
        }
    }
}

#[tokio::test]
async fn what_goes_in_and_comes_out_is_counted() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        origin.script("/", [html()]);
        origin.script(
            "/small",
            [Scripted::new(200)
                .field("content-type", "text/plain")
                .body("x")],
        );
        let portcullis = start(&origin, "", carrier).await;
        let mut client = http1(portcullis.listener("http")).await;
        let mut sent = 0;
        for _ in 0..3 {
            sent += client.ask(accepting("/", "zstd")).await.body.len();
        }
        client.ask(accepting("/small", "zstd")).await;
        client.get("/").await;
        let count = async |what: &str| {
            let labels = "{coding=\"zstd\",route=\"all\"}";
            portcullis
                .metric(&format!("portcullis_compression_{what}_total{labels}"))
                .await
        };
        assert_eq!(count("answers").await, 3.0);
        assert_eq!(count("encodings").await, 3.0);
        assert_eq!(count("in_bytes").await, 3.0 * page().len() as f64);
        assert_eq!(count("out_bytes").await, sent as f64);
        eventually("no encoder is left", async || {
            portcullis
                .metric("portcullis_compression_memory_bytes")
                .await
                == 0.0
        })
        .await;
    })
    .await;
}
