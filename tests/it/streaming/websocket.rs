//! Does a WebSocket work through the proxy?

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn text_binary_ping_and_close_go_both_ways() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut socket = WebSocket::connect(portcullis.listener("http"), "/ws");
    socket.send("hello").expect("sent");
    assert_eq!(socket.receive().expect("an echo"), Message::from("hello"));
    let large = vec![7_u8; 300_000];
    socket.send(large.clone()).expect("sent");
    assert_eq!(socket.receive().expect("an echo"), Message::from(large));
    socket
        .send(Message::Ping("are you there".into()))
        .expect("sent");
    assert_eq!(
        socket.receive().expect("a pong"),
        Message::Pong("are you there".into())
    );
    assert_eq!(origin.journal().in_flight(), 1);
    socket.close();
    assert!(
        origin
            .journal()
            .becomes(PATIENCE, |journal| journal.in_flight() == 0)
            .await
    );
    assert_eq!(origin.journal().cancelled(), 0);
    let line = portcullis.logged(|line| line["target"] == "/ws").await;
    assert_eq!(
        (&line["status"], line.get("reason")),
        (&101.into(), None),
        "{line}"
    );
}

/// The handshake of RFC 6455 §1.2, whose answer is known.
const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn it_works_over_tls() {
    let (authority, origin) = (Authority::new(), origin().await);
    let listener = "tls: {certificates: [{certificate: a.crt, key: a.key}]}";
    let portcullis = Portcullis::builder(&site(listener, origin.address()))
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    let config = client_config(&authority.roots(), rustls::ALL_VERSIONS, &["http/1.1"]).into();
    let stream = tls(portcullis.listener("http"), "a.test", &config)
        .await
        .expect("a handshake");
    let mut raw = Raw::over(stream);
    raw.send(HANDSHAKE).await;
    let response = raw.response().await;
    assert_eq!(response.status, 101);
    assert_eq!(
        response.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(response.header("upgrade"), Some("websocket"));
    assert!(
        response
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("upgrade")),
        "{response:?}"
    );
    // A masked text frame `Hello` (RFC 6455 §5.7), and its echo without mask.
    raw.send([
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ])
    .await;
    assert_eq!(
        raw.exactly(7).await,
        [0x81, 0x05, b'H', b'e', b'l', b'l', b'o']
    );
}

#[tokio::test]
async fn an_endpoint_that_refuses_the_upgrade_is_heard_and_the_connection_goes_on() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut raw = Raw::connect(portcullis.listener("http")).await;
    // Without a key the origin answers 426.
    raw.send(
        "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    )
    .await;
    let response = raw.response().await;
    assert_eq!(
        (response.status, response.header("upgrade")),
        (426, None),
        "{response:?}"
    );
    raw.send(
        "GET /echo HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    )
    .await;
    assert_eq!(raw.response().await.status, 200);
    assert_eq!(raw.get("/bytes/3").await.body.len(), 3);
}

#[tokio::test]
async fn when_one_side_leaves_the_other_learns_it() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let address = portcullis.listener("http");
    let mut raw = Raw::sent(address, HANDSHAKE).await;
    assert_eq!(raw.response().await.status, 101);
    assert_eq!(origin.journal().in_flight(), 1);
    drop(raw);
    assert!(
        origin
            .journal()
            .becomes(PATIENCE, |journal| journal.cancelled() == 1)
            .await,
        "{:?}",
        origin.journal()
    );

    let mut raw = Raw::sent(address, HANDSHAKE).await;
    assert_eq!(raw.response().await.status, 101);
    origin.stop().await;
    assert_eq!(raw.rest().await, b"");
}

#[tokio::test]
async fn no_time_limit_of_a_request_holds_for_an_open_websocket() {
    let origin = origin().await;
    let yaml = site("timeouts: {body: 200ms, idle: 200ms}", origin.address()).replace(
        "]}]",
        "], timeouts: {first_byte: 1s, read: 1s, total: 1500ms}}]",
    );
    let portcullis = Portcullis::start(&yaml).await;
    let mut stream = tokio::net::TcpStream::connect(portcullis.listener("http"))
        .await
        .expect("connected");
    stream.write_all(HANDSHAKE.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 1024];
    let length = in_time("the handshake", stream.read(&mut answer))
        .await
        .expect("read");
    assert!(answer[..length].starts_with(b"HTTP/1.1 101"));
    // Silence for longer than all of these limits: nothing comes, and the connection stays.
    let silence = tokio::time::timeout(Duration::from_secs(3), stream.read(&mut answer)).await;
    assert!(silence.is_err(), "{silence:?}");
    stream
        .write_all(&[
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ])
        .await
        .expect("sent");
    let mut echo = [0; 7];
    in_time("the echo", stream.read_exact(&mut echo))
        .await
        .expect("an echo");
    assert_eq!(echo, [0x81, 0x05, b'H', b'e', b'l', b'l', b'o']);
}

#[tokio::test]
async fn a_websocket_is_one_line_in_the_log_and_no_failure() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut raw = Raw::sent(portcullis.listener("http"), HANDSHAKE).await;
    assert_eq!(raw.response().await.status, 101);
    drop(raw);
    portcullis.logged(|line| line["status"] == 101).await;
    let mut after = http1(portcullis.listener("http")).await;
    assert_eq!(after.get("/after").await.status, 200);
    portcullis.logged(|line| line["target"] == "/after").await;
    let lines = portcullis.access_log();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let refused = portcullis
        .metric("portcullis_failures_total{reason=\"bad_request\"")
        .await;
    assert_eq!(refused, 0.0);
}
