//! How does a WebSocket hear that the process ends?

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use rustls::ALL_VERSIONS;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::*;

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

type Socket = WebSocketStream<Box<dyn Stream>>;

/// A WebSocket that has had an echo.
async fn connected(stream: impl Stream + 'static) -> Socket {
    let stream: Box<dyn Stream> = Box::new(stream);
    let handshake = client_async("ws://a.test/ws", stream);
    let (mut socket, _) = in_time("a WebSocket", handshake)
        .await
        .expect("a WebSocket");
    echo(&mut socket, "hello").await;
    socket
}

async fn echo(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.expect("sent");
    assert_eq!(next(socket).await, Some(Message::text(text)));
}

/// The next message; `None` at the end in good order.
async fn next(socket: &mut Socket) -> Option<Message> {
    let message = in_time("a message, or the end", socket.next()).await;
    message.map(|message| message.expect("no broken connection"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc6455_7_4_1_at_the_end_of_the_grace_websockets_are_told_that_the_process_goes_away() {
    let (origin, authority) = (origin().await, Authority::new());
    let endpoint = origin.address().expect("TCP");
    let yaml = format!(
        "listeners:\n\
         - {{name: http, address: \"127.0.0.1:0\"}}\n\
         - {{name: https, address: \"127.0.0.1:0\", tls: {{certificates: [{{certificate: a.crt, key: a.key}}]}}}}\n\
         routes: [{{name: all, pool: origin}}]\n\
         pools: [{{name: origin, endpoints: [\"{endpoint}\"]}}]\n\
         runtime: {{grace: 3s}}\n"
    );
    let builder = Portcullis::builder(&yaml).identity("a", &authority.issue(&["a.test"]));
    let mut portcullis = builder.start().await;
    let plain = TcpStream::connect(portcullis.listener("http"))
        .await
        .expect("connected");
    let config = Arc::new(client_config(
        &authority.roots(),
        ALL_VERSIONS,
        &["http/1.1"],
    ));
    let secure = tls(portcullis.listener("https"), "a.test", &config)
        .await
        .expect("a handshake");
    let mut sockets = [connected(plain).await, connected(secure).await];
    let told = Instant::now();
    portcullis.signal("TERM");
    portcullis.says("have 3s to end").await;
    // They go on for as long as they may.
    for socket in &mut sockets {
        echo(socket, "still here").await;
    }
    let farewell = async |socket: &mut Socket| {
        let Some(Message::Close(Some(frame))) = next(socket).await else {
            panic!("no close frame");
        };
        assert_eq!(frame.code, CloseCode::Away);
        assert!(
            told.elapsed() >= Duration::from_secs(3),
            "{:?}",
            told.elapsed()
        );
        // The answer to it is sent by reading on.
        assert_eq!(next(socket).await, None);
    };
    let [one, other] = &mut sockets;
    tokio::join!(farewell(one), farewell(other));
    assert_eq!(portcullis.end().await.code(), Some(0));
    let cut = "the grace is over; 2 connections are cut";
    portcullis.says(cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_that_ends_during_the_grace_lets_the_process_end() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let stream = TcpStream::connect(portcullis.listener("http"))
        .await
        .expect("connected");
    let mut socket = connected(stream).await;
    portcullis.signal("TERM");
    portcullis.says("have 30s to end").await;
    echo(&mut socket, "still here").await;
    let left = Instant::now();
    socket.close(None).await.expect("goodbye");
    assert_eq!(next(&mut socket).await, Some(Message::Close(None)));
    assert_eq!(next(&mut socket).await, None);
    assert_eq!(portcullis.end().await.code(), Some(0));
    assert!(
        left.elapsed() < Duration::from_secs(10),
        "{:?}",
        left.elapsed()
    );
    assert!(!portcullis.stderr().contains("are cut"));
}
