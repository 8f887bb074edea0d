//! How does a test serve exact bytes, legal HTTP or not?
//!
//! A [`RawOrigin`] knows one thing of HTTP: a request head ends at the first empty line. For each
//! head it asks a function for a [`RawAnswer`] and carries its steps out; then it reads the next
//! head on the same connection. What it received is kept byte for byte, so that a test can tell
//! whether anything was smuggled past the proxy.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::accepting::Accepting;
use crate::listening::{Place, Socket};

/// A head longer than this, in bytes, ends its connection.
const MAX_HEAD_BYTES: usize = 256 * 1024;

/// How long a closed connection still takes what its peer had under way.
const LINGER: Duration = Duration::from_millis(20);

/// What to do on the connection after a request head, step by step.
///
/// ```
/// use std::time::Duration;
/// let early_hints = origin::RawAnswer::new()
///     .send("HTTP/1.1 103 Early Hints\r\n\r\n")
///     .pause(Duration::from_millis(20))
///     .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
/// # let _ = early_hints;
/// ```
#[derive(Clone, Debug, Default)]
pub struct RawAnswer(Vec<RawStep>);

#[derive(Clone, Debug)]
enum RawStep {
    Send(Bytes),
    Pause(Duration),
    Read(usize),
    Close,
    Reset,
}

impl RawAnswer {
    /// No answer: the connection stays open and the next head is read.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends these bytes as they are.
    #[must_use]
    pub fn send(self, bytes: impl Into<Bytes>) -> Self {
        self.then(RawStep::Send(bytes.into()))
    }

    /// Waits; nothing is read meanwhile.
    #[must_use]
    pub fn pause(self, duration: Duration) -> Self {
        self.then(RawStep::Pause(duration))
    }

    /// Reads this many bytes and drops them (they stay in [`RawOrigin::received`]): the request
    /// body, which would otherwise be taken for the start of the next head.
    #[must_use]
    pub fn read(self, bytes: usize) -> Self {
        self.then(RawStep::Read(bytes))
    }

    /// Closes the connection (FIN). Steps after it are never reached.
    #[must_use]
    pub fn close(self) -> Self {
        self.then(RawStep::Close)
    }

    /// Resets the connection (RST); what was sent may be lost on the way. Steps after it are
    /// never reached.
    #[must_use]
    pub fn reset(self) -> Self {
        self.then(RawStep::Reset)
    }

    fn then(mut self, step: RawStep) -> Self {
        self.0.push(step);
        self
    }
}

/// An origin that serves scripted bytes on a port of 127.0.0.1. Dropping it closes the port and
/// all connections.
#[derive(Debug)]
pub struct RawOrigin {
    address: SocketAddr,
    seen: Arc<Seen>,
    accepting: Accepting,
}

/// What has reached a raw origin.
#[derive(Debug, Default)]
struct Seen {
    connections: AtomicU64,
    heads: AtomicU64,
    /// One entry per connection, in the order of their acceptance.
    received: Mutex<Vec<Vec<u8>>>,
}

impl Seen {
    fn received(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RawOrigin {
    /// Starts on the current tokio runtime. `answer` is given each request head, its final empty
    /// line included.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start<F>(answer: F) -> io::Result<Self>
    where
        F: Fn(&[u8]) -> RawAnswer + Send + Sync + 'static,
    {
        let place = Place::Tcp("127.0.0.1:0".to_owned());
        let seen = Arc::new(Seen::default());
        let answer = Arc::new(answer);
        let accepting = Accepting::start(place, {
            let seen = seen.clone();
            move |socket, _| {
                let conversation = match socket {
                    Socket::Tcp(stream) => Some(Conversation::new(stream, seen.clone())),
                    // Its place is a TCP port.
                    Socket::Unix(_) => None,
                };
                let answer = answer.clone();
                async move {
                    if let Some(conversation) = conversation {
                        // It fails when the peer leaves, which ends it as well as anything.
                        let _ = conversation.hold(&*answer).await;
                    }
                }
            }
        })
        .await?;
        let address = accepting.address().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self {
            address,
            seen,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.seen.connections.load(Relaxed)
    }

    /// Request heads received so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.seen.heads.load(Relaxed)
    }

    /// All bytes received so far, one entry per connection in the order of their acceptance.
    #[must_use]
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.seen.received().clone()
    }

    /// As dropping it, and returns once its connections are closed.
    pub async fn stop(self) {
        self.accepting.stop().await;
    }
}

/// One connection of a raw origin.
struct Conversation {
    stream: TcpStream,
    seen: Arc<Seen>,
    /// Its place in [`Seen::received`].
    number: usize,
    /// Received and not used yet.
    pending: BytesMut,
}

impl Conversation {
    fn new(stream: TcpStream, seen: Arc<Seen>) -> Self {
        seen.connections.fetch_add(1, Relaxed);
        let number = {
            let mut received = seen.received();
            received.push(Vec::new());
            received.len() - 1
        };
        Self {
            stream,
            seen,
            number,
            pending: BytesMut::new(),
        }
    }

    /// Answers head after head until the peer leaves or a step closes the connection.
    async fn hold(mut self, answer: &(dyn Fn(&[u8]) -> RawAnswer + Sync)) -> io::Result<()> {
        loop {
            let end = loop {
                match end_of_head(&self.pending) {
                    Some(end) => break end,
                    None if self.pending.len() > MAX_HEAD_BYTES => return Ok(()),
                    None => self.receive().await?,
                }
            };
            self.seen.heads.fetch_add(1, Relaxed);
            let head = self.pending.split_to(end);
            for step in answer(&head).0 {
                match step {
                    RawStep::Send(bytes) => self.stream.write_all(&bytes).await?,
                    RawStep::Pause(duration) => tokio::time::sleep(duration).await,
                    RawStep::Read(bytes) => {
                        while self.pending.len() < bytes {
                            self.receive().await?;
                        }
                        let _ = self.pending.split_to(bytes);
                    }
                    RawStep::Close => return self.close().await,
                    RawStep::Reset => return self.stream.set_zero_linger(),
                }
            }
        }
    }

    /// Waits for more bytes; an error if none will come.
    async fn receive(&mut self) -> io::Result<()> {
        let before = self.pending.len();
        if self.stream.read_buf(&mut self.pending).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(received) = self.seen.received().get_mut(self.number) {
            received.extend_from_slice(&self.pending[before..]);
        }
        Ok(())
    }

    /// Closing with unread bytes would be a reset, so what has arrived is taken first.
    async fn close(mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let _ = tokio::time::timeout(LINGER, async { while self.receive().await.is_ok() {} }).await;
        Ok(())
    }
}

/// The length of the head at the front of `bytes`, its final empty line included.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    const EMPTY_LINE: &[u8] = b"\r\n\r\n";
    bytes
        .windows(EMPTY_LINE.len())
        .position(|window| window == EMPTY_LINE)
        .map(|at| at + EMPTY_LINE.len())
}
