//! Which answers must not be compressed, and are not?

use origin::Scripted;

use super::{accepting, compressing, decoded, html, page};
use crate::support::*;

/// An answer of this type and body.
fn of_type(media: &str, body: impl Into<bytes::Bytes>) -> Scripted {
    Scripted::new(200).field("content-type", media).body(body)
}

#[tokio::test]
async fn what_is_not_eligible_goes_through_byte_for_byte() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let coded = [0x1f, 0x8b, 8, 0, 1, 2, 3].repeat(1_000);
        for (path, answer) in [
            ("/coded", html().field("content-encoding", "gzip")),
            (
                "/coded-otherwise",
                html().field("content-encoding", "deflate"),
            ),
            (
                "/no-transform",
                html().field("cache-control", "public, No-Transform"),
            ),
            ("/digest", html().field("repr-digest", "sha-256=:AAAA:")),
            ("/signed", html().field("signature", "sig1=:AAAA:")),
            ("/small", of_type("text/plain", "x".repeat(1_023))),
            ("/image", of_type("image/png", coded)),
            ("/events", of_type("text/event-stream", page())),
            ("/grpc", of_type("application/grpc+json", page())),
            ("/typeless", Scripted::new(200).body(page())),
        ] {
            origin.script(path, [answer]);
            let portcullis = {
                let yaml = compressing(&origin, "types: ['*/*', 'text/*']");
                let yaml = match path {
                    "/image" => compressing(&origin, ""),
                    _ => yaml,
                };
                Portcullis::builder(&yaml).carrier(carrier).start().await
            };
            let address = portcullis.listener("http");
            for mut client in [http1(address).await, http2(address).await] {
                let plain = client.get(path).await;
                let answer = client.ask(accepting(path, "gzip, br, zstd")).await;
                assert_eq!(answer.body, plain.body, "{path}");
                assert_eq!(answer.header("vary"), None, "{path}");
                for same in ["content-encoding", "content-length", "cache-control"] {
                    assert_eq!(answer.header(same), plain.header(same), "{path}");
                }
                assert!(answer.header("content-length").is_some(), "{path}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_least_size_holds_only_for_a_length_that_is_known() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        origin.script("/known", [of_type("text/plain", "x".repeat(99))]);
        origin.script("/enough", [of_type("text/plain", "x".repeat(100))]);
        origin.script("/unknown", [of_type("text/plain", "x").chunked()]);
        origin.script("/empty", [of_type("text/plain", "")]);
        let yaml = compressing(&origin, "min_size: 100");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut client = http1(portcullis.listener("http")).await;
        for (path, want) in [
            ("/known", None),
            ("/enough", Some("gzip")),
            ("/unknown", Some("gzip")),
            ("/empty", None),
        ] {
            let answer = client.ask(accepting(path, "gzip")).await;
            assert_eq!(answer.header("content-encoding"), want, "{path}");
            if want.is_some() {
                let text = decoded("gzip", &answer.body).expect("whole");
                assert!(text.iter().all(|byte| *byte == b'x') && !text.is_empty());
            }
        }
    })
    .await;
}

#[tokio::test]
async fn rfc9111_5_2_1_6_a_client_may_ask_for_the_bytes_as_they_are() {
    let origin = origin().await;
    origin.script("/", [html()]);
    let portcullis = Portcullis::start(&compressing(&origin, "")).await;
    let mut client = http1(portcullis.listener("http")).await;
    let asked = request("GET", "/")
        .header("accept-encoding", "gzip")
        .header("cache-control", "no-transform")
        .body(full(""));
    let answer = client.ask(asked.expect("a request")).await;
    assert_eq!(answer.header("content-encoding"), None);
    assert_eq!(answer.body, page());
}

#[tokio::test]
async fn answers_without_a_body_and_parts_stay_as_they_are() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        for status in [204, 304] {
            let answer = Scripted::new(status).field("content-type", "text/html");
            origin.script(&format!("/{status}"), [answer]);
        }
        origin.script("/part", [html().ranges()]);
        let yaml = compressing(&origin, "min_size: 0");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            for status in [204, 304] {
                let answer = client.ask(accepting(&format!("/{status}"), "gzip")).await;
                assert_eq!(answer.status.as_u16(), status);
                assert_eq!(answer.header("content-encoding"), None);
                assert_eq!(answer.header("vary"), None);
            }
            let asked = request("GET", "/part")
                .header("accept-encoding", "gzip")
                .header("range", "bytes=0-4999")
                .body(full(""));
            let part = client.ask(asked.expect("a request")).await;
            assert_eq!(part.status, 206);
            assert_eq!(part.header("content-encoding"), None);
            assert_eq!(part.body, page()[..5_000]);
        }
    })
    .await;
}

#[tokio::test]
async fn what_portcullis_says_of_a_failure_is_not_compressed() {
    let origin = origin().await;
    let yaml = compressing(&origin, "min_size: 0, types: ['*/*']");
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    let answer = client.ask(accepting("/close", "gzip")).await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("content-encoding"), None);
    assert!(answer.text().starts_with("502 "), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_and_grpc_do_not_notice() {
    let origin = origin().await;
    let yaml = compressing(&origin, "min_size: 0, types: ['*/*']");
    let portcullis = Portcullis::start(&yaml).await;
    let mut socket = WebSocket::connect(portcullis.listener("http"), "/ws");
    for text in ["hello", "again"] {
        socket.send(text).expect("sent");
        let echo = socket.receive().expect("an echo");
        assert_eq!(echo.to_text().expect("text"), text);
    }
    socket.close();

    let yaml = yaml.replace("name: origin", "name: origin, protocol: http2");
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http2(portcullis.listener("http")).await;
    let message = b"\0\0\0\0\x05hello";
    let call = request("POST", "/origin.Echo/Unary")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("accept-encoding", "gzip, br, zstd")
        .body(full(&message[..]));
    let answer = client.ask(call.expect("a request")).await;
    assert_eq!(answer.body, &message[..]);
    let trailers = answer.trailers.expect("trailers");
    assert_eq!(trailers.get("grpc-status").expect("a status"), "0");
}

#[tokio::test]
async fn a_route_that_does_not_compress_leaves_everything_alone() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        origin.script("/", [html().field("etag", "\"v1\"")]);
        let yaml = site("", origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut client = http1(portcullis.listener("http")).await;
        let answer = client.ask(accepting("/", "gzip")).await;
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(answer.header("vary"), None);
        assert_eq!(answer.header("etag"), Some("\"v1\""));
        assert_eq!(answer.body, page());
        // The endpoint may do it itself: it is told what the client accepts.
        assert_eq!(origin.asked("/")[0].field("accept-encoding"), "gzip");
    })
    .await;
}
