//! Does the WebSocket echo, and end in order?

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::client::{SOON, get, origin};

async fn open(address: std::net::SocketAddr) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.expect("connected");
    let opened = client_async(format!("ws://{address}/ws"), stream).await;
    let (socket, response) = opened.expect("upgraded");
    assert_eq!(response.headers()["x-origin"], "a");
    socket
}

#[tokio::test]
async fn messages_come_back_and_a_close_completes_the_exchange() {
    let (origin, address) = origin().await;
    let mut socket = open(address).await;
    for (sent, expected) in [
        (Message::text("hello"), Message::text("hello")),
        (
            Message::binary(vec![0; 70_000]),
            Message::binary(vec![0; 70_000]),
        ),
        (Message::Ping("p".into()), Message::Pong("p".into())),
    ] {
        socket.send(sent).await.expect("sent");
        let received = socket.next().await.expect("a message").expect("intact");
        assert_eq!(received, expected);
    }
    let journal = origin.journal();
    assert_eq!((journal.in_flight(), journal.open_connections()), (1, 1));
    socket.close(None).await.expect("closing");
    let answer = socket.next().await.expect("an answer").expect("intact");
    assert!(answer.is_close());
    assert!(socket.next().await.is_none());
    assert!(journal.becomes(SOON, |j| j.open_connections() == 0).await);
    assert_eq!((journal.in_flight(), journal.cancelled()), (0, 0));
    assert_eq!(journal.bytes_received(), 70_005);
}

#[tokio::test]
async fn a_peer_that_leaves_without_a_close_cancels_the_exchange() {
    let (origin, address) = origin().await;
    drop(open(address).await);
    let cancelled = origin.journal().becomes(SOON, |j| j.cancelled() == 1);
    assert!(cancelled.await);
}

#[tokio::test]
async fn stopping_the_origin_ends_an_open_socket() {
    let (origin, address) = origin().await;
    let mut socket = open(address).await;
    origin.stop().await;
    let ended = tokio::time::timeout(SOON, socket.next())
        .await
        .expect("soon");
    assert!(matches!(ended, None | Some(Err(_))));
}

#[tokio::test]
async fn a_request_that_is_no_handshake_is_told_to_upgrade() {
    let (_origin, address) = origin().await;
    let reply = get(address, "/ws").await;
    assert_eq!(reply.status, 426);
    assert_eq!(reply.field("upgrade"), "websocket");
}
