//! How does a test send a body, or be an endpoint, one piece at a time?

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::*;

/// A body that grows while its request is under way; it ends when the sender is dropped.
pub fn growing() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, pieces) = mpsc::channel(1);
    (sender, Growing(pieces).boxed())
}

struct Growing(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Growing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// The next piece of a response's body; empty at its end.
pub async fn next_piece(body: &mut Incoming) -> Bytes {
    match in_time("a piece of a body", body.frame()).await {
        Some(frame) => frame.expect("no break").into_data().unwrap_or_default(),
        None => Bytes::new(),
    }
}

/// An endpoint that the test plays itself.
pub struct Stage(TcpListener);

impl Stage {
    /// One on a port of its own.
    pub async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    /// Where it is.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }

    /// The next connection.
    pub async fn accept(&self) -> Raw {
        let (stream, _) = in_time("a connection", self.0.accept())
            .await
            .expect("accepted");
        Raw::over(stream)
    }

    /// The next connection, and the header of its first request.
    pub async fn request(&self) -> (Raw, String) {
        let mut connection = self.accept().await;
        let head = connection.until(b"\r\n\r\n").await;
        (
            connection,
            String::from_utf8(head).expect("ASCII").to_ascii_lowercase(),
        )
    }
}
