//! What is a connection to an endpoint, for the direct carrier?

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::server::connection::socket::Socket;

/// A connection to an endpoint.
pub struct EndpointConnection {
    wire: EndpointWire,
    /// Whether anything has come since it was taken for a request.
    heard: bool,
}

/// The two ways bytes travel to an endpoint.
pub enum EndpointWire {
    /// As they are.
    Plain(Socket),
    /// Through TLS.
    Tls(Box<tokio_rustls::client::TlsStream<Socket>>),
}

impl From<EndpointWire> for EndpointConnection {
    fn from(wire: EndpointWire) -> Self {
        Self { wire, heard: false }
    }
}

impl EndpointConnection {
    fn socket(&self) -> &Socket {
        match &self.wire {
            EndpointWire::Plain(socket) => socket,
            EndpointWire::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Whether the endpoint agreed on HTTP/2, or was not asked: without TLS it is known beforehand (RFC 9113 §3.3).
    pub fn may_be_http2(&self) -> bool {
        match &self.wire {
            EndpointWire::Plain(_) => true,
            EndpointWire::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }

    /// Whether anything has come since it was taken for a request.
    pub fn has_heard(&self) -> bool {
        self.heard
    }

    /// Takes it for another request.
    pub fn begin(&mut self) {
        self.heard = false;
    }

    /// Whether it can take another request: still open, and nothing has come that nobody asked for.
    pub fn is_quiet(&self) -> bool {
        match &self.wire {
            EndpointWire::Plain(socket) => socket.is_quiet(),
            // What rustls has decrypted already shows on no socket. Taken for quiet, it would be the next client's answer.
            EndpointWire::Tls(stream) => {
                let (socket, session) = stream.get_ref();
                session.wants_read() && socket.is_quiet()
            }
        }
    }
}

impl AsyncRead for EndpointConnection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = match &mut this.wire {
            EndpointWire::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            EndpointWire::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        this.heard |= buf.filled().len() > before;
        read
    }
}

impl AsyncWrite for EndpointConnection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().wire {
            EndpointWire::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            EndpointWire::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().wire {
            EndpointWire::Plain(socket) => Pin::new(socket).poll_flush(cx),
            EndpointWire::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().wire {
            EndpointWire::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            EndpointWire::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[async_trait]
impl Shutdown for EndpointConnection {
    async fn shutdown(&mut self) {
        // Already broken is closed as well.
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for EndpointConnection {
    fn id(&self) -> UniqueIDType {
        self.socket().fd()
    }
}

impl Ssl for EndpointConnection {}

impl GetTimingDigest for EndpointConnection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for EndpointConnection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for EndpointConnection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl Peek for EndpointConnection {}

impl fmt::Debug for EndpointConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointConnection")
            .field("fd", &self.socket().fd())
            .finish_non_exhaustive()
    }
}
