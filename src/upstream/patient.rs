//! How long is a connection of the duplex carrier waited for, when one time is not enough?
//!
//! Pingora gives a session with an endpoint one read timeout for its whole life. A pool may want one time for the answer
//! and another for the pieces of its body, and a WebSocket a third for the silence after it. Such a request gets a
//! connection of its own, whose socket keeps these times itself. It is never used again: Pingora recognises a connection
//! it may use again by its descriptor, which this one does not show, so it is closed after its request.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::l4::Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorSource, ErrorType};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::Peer;
use super::connect::{ConnectError, connect};
use super::connection::EndpointConnection;
use crate::error::Reason;
use crate::pool::Timeouts;

/// How long an upgraded connection may be silent in both directions.
pub const IDLE: Duration = Duration::from_secs(3600);

/// Opens connections that keep their times themselves.
pub struct PatientConnector {
    peer: Peer,
    timeouts: Timeouts,
    upgraded: Option<Arc<AtomicBool>>,
}

impl PatientConnector {
    /// A connector to this endpoint, with these times; `upgraded` turns true when silence is allowed.
    pub fn new(peer: Peer, timeouts: Timeouts, upgraded: Option<Arc<AtomicBool>>) -> Self {
        Self {
            peer,
            timeouts,
            upgraded,
        }
    }
}

impl fmt::Debug for PatientConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatientConnector")
            .field("address", &self.peer.address)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Connect for PatientConnector {
    async fn connect(&self, _: &SocketAddr) -> pingora::Result<Stream> {
        let connection = connect(&self.peer, self.timeouts.connect)
            .await
            .map_err(explain)?;
        let socket = PatientSocket {
            connection,
            timeouts: self.timeouts,
            heard: false,
            upgraded: self.upgraded.clone(),
            timer: None,
        };
        Ok(Stream::from(VirtualSocketStream::new(Box::new(socket))))
    }
}

fn explain(error: ConnectError) -> pingora::BError {
    let kind = match error.reason() {
        Reason::ConnectTimeout => ErrorType::ConnectTimedout,
        Reason::ConnectRefused => ErrorType::ConnectRefused,
        Reason::UpstreamTls => ErrorType::TLSHandshakeFailure,
        _ => ErrorType::ConnectError,
    };
    let mut explained = Error::because(kind, "connect", error);
    explained.esource = ErrorSource::Upstream;
    explained
}

/// A connection that waits as long as for any response, and then for as long as a WebSocket may be silent.
struct PatientSocket {
    connection: EndpointConnection,
    timeouts: Timeouts,
    /// Whether anything has come.
    heard: bool,
    upgraded: Option<Arc<AtomicBool>>,
    /// What is waited for, and how long that may take.
    timer: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl PatientSocket {
    fn is_upgraded(&self) -> bool {
        self.upgraded
            .as_ref()
            .is_some_and(|upgraded| upgraded.load(Ordering::Relaxed))
    }
}

impl AsyncRead for PatientSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(read) = Pin::new(&mut this.connection).poll_read(cx, buf) {
            this.heard = true;
            this.timer = None;
            return Poll::Ready(read);
        }
        loop {
            let limit = match (this.heard, this.is_upgraded()) {
                (false, _) => this.timeouts.first_byte,
                (true, false) => this.timeouts.read,
                (true, true) => IDLE,
            };
            let (armed, timer) = this
                .timer
                .get_or_insert_with(|| (limit, Box::pin(tokio::time::sleep(limit))));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if *armed >= limit {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            // It has become a WebSocket since.
            this.timer = None;
        }
    }
}

impl AsyncWrite for PatientSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.connection).poll_write(cx, bytes);
        if written.is_ready() {
            // Silent is who neither speaks nor is spoken to; an answer is due when the whole request is there.
            this.timer = None;
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_shutdown(cx)
    }
}

impl VirtualSocket for PatientSocket {
    fn set_socket_option(&self, _: VirtualSockOpt) -> io::Result<()> {
        // Set when it was connected.
        Ok(())
    }
}

impl fmt::Debug for PatientSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.connection.fmt(f)
    }
}
