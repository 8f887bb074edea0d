//! How is an endpoint reached for a request that wants to become a WebSocket?
//!
//! Pingora gives a session with an endpoint one read timeout for its whole life. A WebSocket needs two: an answer must
//! come as soon as any other, and after that both sides may be silent for long. So such a request gets a connection of
//! its own, whose socket keeps these times itself. It is never used again, so nothing is lost by that.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

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

/// Opens connections for requests that want to be upgraded.
pub struct UpgradeConnector {
    peer: Peer,
    timeouts: Timeouts,
}

impl UpgradeConnector {
    /// A connector to this endpoint, with these times.
    pub fn new(peer: Peer, timeouts: Timeouts) -> Self {
        Self { peer, timeouts }
    }
}

impl fmt::Debug for UpgradeConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeConnector")
            .field("address", &self.peer.address)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Connect for UpgradeConnector {
    async fn connect(&self, _: &SocketAddr) -> pingora::Result<Stream> {
        let started = Instant::now();
        let connection = connect(&self.peer, self.timeouts.connect)
            .await
            .map_err(explain)?;
        log::trace!("connected for an upgrade in {:?}", started.elapsed());
        let socket = PatientSocket {
            connection,
            answer_within: Some(self.timeouts.first_byte),
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
    let mut explained = Error::because(kind, "connect for an upgrade", error);
    explained.esource = ErrorSource::Upstream;
    explained
}

/// A connection that waits for its first byte as long as for any response, and then for as long as a WebSocket may be
/// silent.
struct PatientSocket {
    connection: EndpointConnection,
    /// The limit until the first byte has come.
    answer_within: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for PatientSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(read) = Pin::new(&mut this.connection).poll_read(cx, buf) {
            this.answer_within = None;
            this.timer = None;
            return Poll::Ready(read);
        }
        let limit = this.answer_within.unwrap_or(IDLE);
        let timer = this
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for PatientSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write(cx, bytes)
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
