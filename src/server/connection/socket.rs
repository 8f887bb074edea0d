//! What is under a connection: TCP or a Unix socket?

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A stream socket, of a client or of an endpoint.
#[derive(Debug)]
pub struct Socket {
    stream: Stream,
    /// Bytes that were read too early and come first.
    replay: BytesMut,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self {
            stream: Stream::Tcp(stream),
            replay: BytesMut::new(),
        }
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self {
            stream: Stream::Unix(stream),
            replay: BytesMut::new(),
        }
    }
}

impl Socket {
    /// The file descriptor's number.
    pub fn fd(&self) -> RawFd {
        match &self.stream {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
        }
    }

    /// Gives back bytes that were read too early; they come before what the socket has.
    pub fn replay(&mut self, bytes: BytesMut) {
        self.replay = bytes;
    }

    /// Makes the close that follows a reset (TCP only).
    pub fn reset_on_close(&self) {
        if let Stream::Tcp(stream) = &self.stream
            && let Err(error) = SockRef::from(stream).set_linger(Some(Duration::ZERO))
        {
            log::debug!("SO_LINGER: {error}");
        }
    }

    /// How many bytes the other side has acknowledged; `None` where the kernel does not say it.
    #[cfg(target_os = "linux")]
    pub fn arrived(&self) -> Option<u64> {
        match &self.stream {
            Stream::Tcp(stream) => {
                let info = pingora::protocols::l4::ext::get_tcp_info(stream.as_raw_fd());
                info.ok().map(|info| info.tcpi_bytes_acked)
            }
            Stream::Unix(_) => None,
        }
    }

    /// As elsewhere, but only Linux says it.
    #[cfg(not(target_os = "linux"))]
    pub fn arrived(&self) -> Option<u64> {
        None
    }

    /// Whether an idle connection is still usable: nothing to read, so neither closed nor talking out of turn. Asks
    /// the runtime's readiness first, which costs no system call while nothing has happened.
    pub fn is_quiet(&self) -> bool {
        let mut nothing = [0; 1];
        let read = match &self.stream {
            Stream::Tcp(stream) => stream.try_read(&mut nothing),
            Stream::Unix(stream) => stream.try_read(&mut nothing),
        };
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Socket {
    /// Waits until the other side has closed or reset its connection, whatever it sent before that is not read yet.
    pub async fn closes(&self) {
        let heard = match &self.stream {
            Stream::Tcp(stream) => stream.ready(CLOSED).await,
            Stream::Unix(stream) => stream.ready(CLOSED).await,
        };
        if heard.is_ok_and(|ready| !ready.is_read_closed() && !ready.is_error()) {
            // Nothing that this asks for, and it would be said again and again.
            std::future::pending().await
        }
    }
}

/// What the end of a connection makes ready, and bytes that can be read don't: of all interests but that in reading, this
/// one is woken by a closed read side as well. Sockets are not registered for urgent bytes, so it is by nothing else. Elsewhere than on Linux only
/// a reset is heard.
#[cfg(target_os = "linux")]
const CLOSED: Interest = Interest::PRIORITY.add(Interest::ERROR);
#[cfg(not(target_os = "linux"))]
const CLOSED: Interest = Interest::ERROR;

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.replay.is_empty() {
            let length = this.replay.len().min(buf.remaining());
            buf.put_slice(&this.replay.split_to(length));
            return Poll::Ready(Ok(()));
        }
        match &mut this.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// A client of TCP and its connection here, with some bytes that are not read.
    async fn connected() -> (TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut client = TcpStream::connect(address).await.expect("connected");
        let (stream, _) = listener.accept().await.expect("accepted");
        client.write_all(b"some bytes").await.expect("sent");
        stream.readable().await.expect("they have come");
        (client, stream.into())
    }

    async fn read(mut socket: Socket) -> Vec<u8> {
        let mut read = Vec::new();
        let ended = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut read).await;
        ended.expect("no reset");
        read
    }

    async fn stays(socket: &Socket) {
        let short = Duration::from_millis(50);
        let closes = tokio::time::timeout(short, socket.closes()).await;
        assert!(closes.is_err(), "it is still there");
    }

    #[tokio::test]
    async fn a_close_is_heard_past_bytes_that_are_not_read() {
        let (client, socket) = connected().await;
        stays(&socket).await;
        drop(client);
        socket.closes().await;
        socket.closes().await;
        assert_eq!(read(socket).await, b"some bytes");
    }

    #[tokio::test]
    async fn a_reset_is_heard_past_bytes_that_are_not_read() {
        let (client, socket) = connected().await;
        stays(&socket).await;
        Socket::from(client).reset_on_close();
        socket.closes().await;
    }

    #[tokio::test]
    async fn a_close_is_heard_on_unix_sockets() {
        let (mut client, stream) = UnixStream::pair().expect("a pair");
        client.write_all(b"some bytes").await.expect("sent");
        let socket = Socket::from(stream);
        stays(&socket).await;
        drop(client);
        socket.closes().await;
        assert_eq!(read(socket).await, b"some bytes");
    }
}
