//! How does a test speak WebSocket?

use std::net::{SocketAddr, TcpStream};

use tokio::task::block_in_place;
use tokio_tungstenite::tungstenite::{self, Message};

use super::PATIENCE;

/// A WebSocket client. It blocks its thread, so the test needs a runtime with several.
pub struct WebSocket {
    socket: tungstenite::WebSocket<TcpStream>,
}

impl WebSocket {
    /// Connects to `ws://ADDRESS/path` and does the handshake.
    pub fn connect(address: SocketAddr, path: &str) -> Self {
        block_in_place(|| {
            let stream = TcpStream::connect(address).expect("connected");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
            let url = format!("ws://{address}{path}");
            let (socket, _) = tungstenite::client(url, stream).expect("a WebSocket");
            Self { socket }
        })
    }

    /// Sends one message.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    pub fn send(&mut self, message: impl Into<Message>) -> tungstenite::Result<()> {
        block_in_place(|| self.socket.send(message.into()))
    }

    /// The next message.
    ///
    /// # Errors
    ///
    /// The connection is gone, or nothing came in time.
    pub fn receive(&mut self) -> tungstenite::Result<Message> {
        block_in_place(|| self.socket.read())
    }

    /// Says goodbye, and waits until the other end has done so too.
    pub fn close(mut self) {
        block_in_place(|| {
            self.socket.close(None).expect("a close frame");
            // It ends with `ConnectionClosed` once both sides have said goodbye.
            while self.socket.read().is_ok() {}
        });
    }
}
