//! Does the origin report what it was asked?

use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::client::{ask2, collect, exchange, get, http1, origin, read_until, request, send_raw};

#[tokio::test]
async fn echo_repeats_the_request() {
    let (_origin, address) = origin().await;
    let sent = "PUT /echo?q=1 HTTP/1.1\r\nHost: h\r\nX-B: 1\r\nx-a: 2\r\nConnection: close\r\n\
                Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-t: end\r\n\r\n";
    let answer = String::from_utf8(exchange(address, sent).await).expect("text");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    let mut report: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let peer = report["peer"].take();
    assert!(peer.as_str().is_some_and(|p| p.starts_with("127.0.0.1:")));
    let expected = json!({
        "origin": "a",
        "method": "PUT",
        "uri": "/echo?q=1",
        "version": "HTTP/1.1",
        "peer": null,
        "tls": null,
        "headers": [
            ["host", "h"],
            ["x-b", "1"],
            ["x-a", "2"],
            ["connection", "close"],
            ["transfer-encoding", "chunked"],
        ],
        "body_bytes": 4,
        "body": "body",
        "trailers": [["x-t", "end"]],
    });
    assert_eq!(report, expected);
}

#[tokio::test]
async fn echo_repeats_the_first_64_kib_but_counts_all() {
    let (_origin, address) = origin().await;
    let reply = ask2(address, "POST", "/echo", &[b'x'; 100_000]).await;
    let report = reply.json();
    assert_eq!(report["version"], "HTTP/2.0");
    assert_eq!(report["body_bytes"], 100_000);
    assert_eq!(report["body"].as_str().map(str::len), Some(65_536));
}

#[tokio::test]
async fn upload_counts_and_sums_the_body() {
    let (origin, address) = origin().await;
    let mut sender = http1(address).await;
    let response = sender.send_request(request("POST", "/upload", "foobar"));
    let reply = collect(response.await.expect("a response")).await;
    let expected = json!({"bytes": 6, "fnv1a64": "85944171f73967e8"});
    assert_eq!(reply.expect("a body").json(), expected);
    assert_eq!(origin.journal().bytes_received(), 6);
    assert_eq!(get(address, "/upload").await.json()["bytes"], 0);
}

#[tokio::test]
async fn rfc9110_10_1_1_the_body_is_asked_for_only_where_it_is_wanted() {
    let (_origin, address) = origin().await;
    let head = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"
        )
    };
    let mut stream = send_raw(address, &head("/expect")).await;
    let interim = read_until(&mut stream, "\r\n\r\n").await;
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.expect("sent");
    let answer = read_until(&mut stream, "}\n").await;
    assert!(answer.contains("\"bytes\":4"), "{answer}");

    let rejected = exchange(address, &head("/reject-expect")).await;
    assert!(rejected.starts_with(b"HTTP/1.1 417 "), "{rejected:?}");
}

#[tokio::test]
async fn any_other_path_says_hello() {
    let (_origin, address) = origin().await;
    let reply = get(address, "/some/where?q").await;
    assert_eq!(reply.text(), "hello from a: GET /some/where\n");
    let reply = ask2(address, "DELETE", "/", b"").await;
    assert_eq!(reply.text(), "hello from a: DELETE /\n");
}
