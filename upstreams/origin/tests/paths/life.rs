//! Does an origin live and die as a test needs it to?

use std::io::ErrorKind;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1 as client;
use hyper_util::rt::TokioIo;
use origin::Origin;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UnixStream};

use crate::client::{SOON, collect, get, http1, origin, request, send_raw};

#[tokio::test]
async fn a_connection_is_kept_alive_and_counted_once() {
    let (origin, address) = origin().await;
    let mut sender = http1(address).await;
    for path in ["/", "/bytes/10", "/status/204", "/echo"] {
        let response = sender.send_request(request("POST", path, "body")).await;
        collect(response.expect("a response"))
            .await
            .expect("a body");
    }
    let journal = origin.journal();
    assert_eq!((journal.requests(), journal.connections()), (4, 1));
    assert_eq!((journal.open_connections(), journal.in_flight()), (1, 0));
    assert_eq!((journal.cancelled(), journal.bytes_received()), (0, 16));
    drop(sender);
    assert!(journal.becomes(SOON, |j| j.open_connections() == 0).await);
}

#[tokio::test]
async fn a_dropped_origin_refuses_at_once_and_its_port_can_be_used_again() {
    let (origin, address) = origin().await;
    let mut held = send_raw(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    held.read_u8().await.expect("an answer");
    drop(origin);
    let refused = TcpStream::connect(address).await.expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    held.read_to_end(&mut Vec::new()).await.expect("closed");
    // The old listener is gone once its loop has been polled.
    tokio::time::sleep(crate::client::A_MOMENT).await;
    let again = Origin::builder().listen(address.to_string()).start().await;
    let again = again.expect("the same port");
    assert_eq!(again.address(), Some(address));
    assert_eq!(get(address, "/").await.status, 200);
}

#[tokio::test]
async fn a_unix_socket_serves_and_is_removed_at_the_end() {
    let path = std::env::temp_dir().join(format!("origin-test-{}.sock", std::process::id()));
    let origin = Origin::builder().listen_unix(&path).start().await;
    let origin = origin.expect("started");
    assert_eq!(origin.address(), None);
    let stream = UnixStream::connect(&path).await.expect("connected");
    let (mut sender, connection) = client::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/1");
    tokio::spawn(connection);
    let ask = request("GET", "/echo", "").map(|_| Full::new(Bytes::new()));
    let reply = sender.send_request(ask).await.expect("a response");
    let reply = collect(reply).await.expect("a body");
    assert_eq!(reply.json()["peer"], "unix");
    drop(origin);
    assert!(!path.exists());
}
