//! Are gRPC calls answered?

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::client::{A_MOMENT, ask2, origin};

const MESSAGE: &[u8] = b"\0\0\0\0\x05hello";

#[tokio::test]
async fn a_unary_call_gets_its_message_back() {
    let (_origin, address) = origin().await;
    let reply = ask2(address, "POST", "/origin.Echo/Unary", MESSAGE).await;
    assert_eq!(reply.field("content-type"), "application/grpc");
    assert_eq!(reply.body, MESSAGE);
    assert_eq!(reply.trailers["grpc-status"], "0");
}

#[tokio::test]
async fn a_failing_or_impossible_call_gets_trailers_only() {
    let (_origin, address) = origin().await;
    for (method, body, status) in [
        ("Fail", MESSAGE, "13"),
        ("Unary", &b"\0\0\0\0\x05hell"[..], "3"),
        ("Unary", &b""[..], "3"),
        ("Nothing", MESSAGE, "12"),
    ] {
        let reply = ask2(address, "POST", &format!("/origin.Echo/{method}"), body).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.field("grpc-status"), status, "{method}");
        assert!(reply.body.is_empty() && reply.trailers.is_empty());
    }
}

#[tokio::test]
async fn a_bidirectional_call_gets_each_message_back_before_the_next_is_sent() {
    let (origin, address) = origin().await;
    let stream = TcpStream::connect(address).await.expect("connected");
    let (send, mut receive) = mpsc::channel::<Result<Frame<Bytes>, hyper::Error>>(4);
    let body = StreamBody::new(futures_util::stream::poll_fn(move |cx| {
        receive.poll_recv(cx)
    }));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let request = Request::post("http://origin.test/origin.Echo/Bidi")
        .body(body)
        .expect("a request");
    let mut answer = sender.send_request(request).await.expect("a response");
    let data = |bytes: &'static [u8]| Ok(Frame::data(Bytes::from_static(bytes)));
    for _ in 0..3 {
        send.send(data(MESSAGE)).await.expect("sent");
        let frame = answer.frame().await.expect("a frame").expect("intact");
        assert_eq!(frame.into_data().expect("data"), MESSAGE);
    }
    // Half a message is kept until the other half is there.
    let (first, second) = MESSAGE.split_at(7);
    send.send(data(first)).await.expect("sent");
    let early = tokio::time::timeout(A_MOMENT, answer.frame()).await;
    assert!(early.is_err(), "half a message came back");
    send.send(data(second)).await.expect("sent");
    let frame = answer.frame().await.expect("a frame").expect("intact");
    assert_eq!(frame.into_data().expect("data"), MESSAGE);
    drop(send);
    let frame = answer.frame().await.expect("a frame").expect("intact");
    let trailers = frame.into_trailers().expect("trailers");
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(origin.journal().bytes_received(), 40);
    assert_eq!(origin.journal().cancelled(), 0);
}
