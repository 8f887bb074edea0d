//! What is a client's connection, once PROXY header and TLS handshake are done?
//!
//! One struct that Pingora's sessions read from and write to. It differs from Pingora's own stream in what it adds:
//! a read-ahead buffer that is given back while the connection is idle, bounds on what a session may read (so that a
//! pipelined request stays where it is), a write buffer that lets header and body leave in one system call, and limits
//! on how slowly a client may send a body or read an answer.

mod calm;
mod chunked;
mod date;
mod floods;
mod frames;
pub mod head;
pub mod http1;
pub mod http2;
pub mod open;
pub mod pace;
mod pong;
pub mod proxy_protocol;
mod reading;
pub mod socket;
pub mod waiting;
mod websocket;
mod wire;
mod writing;

mod goodbye;
mod pingora;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, SystemTime};

use ::pingora::protocols::raw_connect::ProxyDigest;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncWrite, ReadBuf};

use calm::Calm;
use chunked::Chunks;
use date::Date;
use frames::HeaderClock;
use goodbye::Goodbye;
use waiting::{Patience, Receiving, Sending};
use wire::Wire;

/// What a session may read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// This many bytes of a body, and then as `Nothing`.
    Body(u64),
    /// A chunked body up to its end, and then as `Nothing`.
    Chunked(Chunks),
    /// Whatever comes: an upgraded connection, HTTP/2.
    Stream,
    /// No byte belongs to the session; it only learns when the client goes away. What the client sends meanwhile, a
    /// pipelined request, waits in the read-ahead buffer.
    Nothing,
}

/// How much is read at once into the read-ahead buffer.
const READ_AHEAD: usize = 8 * 1024;
/// A client's connection.
pub struct Connection {
    wire: Wire,
    input: BytesMut,
    output: BytesMut,
    expect: Expect,
    /// HTTP/2 gathers its frames itself.
    buffers_writes: bool,
    patience: Patience,
    receiving: Option<Box<Receiving>>,
    sending: Option<Box<Sending>>,
    /// How many bytes were written.
    written: u64,
    /// How many of them for earlier requests.
    written_before: u64,
    /// How many bytes of a request's body have come.
    received: u64,
    said: Said,
    about: Arc<ProxyDigest>,
    /// Of HTTP/2.
    headers: Option<Box<HeaderClock>>,
    calm: Option<Box<Calm>>,
    /// Of WebSockets.
    goodbye: Option<Box<Goodbye>>,
    /// Whether the next response makes it a WebSocket.
    becomes_websocket: AtomicBool,
    /// Whether the answer's end is the connection's end, and has not come.
    unfinished: AtomicBool,
}

/// What the proxy's hooks have said about a request; they share the connection with its session.
#[derive(Default)]
struct Said {
    /// Its client waits with the body for a word (RFC 9110 §10.1.1).
    expects: AtomicBool,
    /// Nobody waits for its body just now.
    rests: AtomicBool,
    /// Its answer was made then.
    date: Date,
}

impl Connection {
    /// A connection whose first bytes, if any were read already, are `input`. `about` travels to the proxy's hooks, and
    /// `patience` says how slow the client may be.
    pub fn new(wire: Wire, input: BytesMut, patience: Patience, about: Arc<ProxyDigest>) -> Self {
        Self {
            wire,
            input,
            output: BytesMut::new(),
            expect: Expect::Nothing,
            buffers_writes: true,
            patience,
            receiving: None,
            sending: None,
            written: 0,
            written_before: 0,
            received: 0,
            said: Said::default(),
            about,
            headers: None,
            calm: None,
            goodbye: None,
            becomes_websocket: AtomicBool::new(false),
            unfinished: AtomicBool::new(false),
        }
    }

    /// What was read ahead and belongs to no session yet.
    pub fn input(&self) -> &[u8] {
        &self.input
    }

    /// Takes the first `length` bytes of what was read ahead.
    pub fn take_input(&mut self, length: usize) -> BytesMut {
        if length == self.input.len() {
            // The usual case: the read-ahead was exactly one header, and its memory goes with it.
            return std::mem::take(&mut self.input);
        }
        self.input.split_to(length)
    }

    /// Drops empty lines that were read ahead; true if nothing else is there.
    pub fn skip_line_ends(&mut self) -> bool {
        while self.input.starts_with(b"\r\n") {
            self.input.advance(2);
        }
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        self.input.is_empty()
    }

    /// Says what the next session may read.
    pub fn expect(&mut self, expect: Expect) {
        // Another request: the answer before it was whole.
        self.unfinished = AtomicBool::new(false);
        self.expect = expect;
        self.receiving = None;
        self.sending = None;
        self.written_before = self.written;
        self.received = 0;
        self.said = Said::default();
    }

    /// Says how slow the client may be with the next request.
    pub fn be_patient(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// Asks no rate of the client before it has begun with its body: it waits to be told so.
    pub fn expects_word(&self) {
        self.said.expects.store(true, Ordering::Relaxed);
    }

    /// Lets the time not count until the body is read again: it is not the client who is waited for.
    pub fn rest(&self) {
        self.said.rests.store(true, Ordering::Relaxed);
    }

    /// Says when the answer was made whose header comes next; `None` for now. Of HTTP/1 only.
    pub fn keep_date(&self, made: Option<SystemTime>) {
        self.said.date.keep(made);
    }

    /// Hands everything to an HTTP/2 session, which frames and gathers by itself.
    /// A request's header must be complete within `header_limit`, and `calm` watches what passes.
    fn become_http2(&mut self, header_limit: Duration, calm: Calm) {
        self.headers = Some(Box::new(HeaderClock::new(header_limit)));
        self.calm = Some(Box::new(calm));
        self.expect = Expect::Stream;
        self.buffers_writes = false;
    }

    /// Waits for bytes and puts them into the read-ahead buffer; 0 means that the client has closed.
    ///
    /// Nothing is allocated until bytes are there, so an idle connection holds no buffer.
    ///
    /// # Errors
    ///
    /// The socket's or the TLS session's.
    pub async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = [MaybeUninit::<u8>::uninit(); READ_AHEAD];
        let mut buf = ReadBuf::uninit(&mut scratch);
        ready!(self.wire.poll_read(cx, &mut buf))?;
        self.input.extend_from_slice(buf.filled());
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Sends bytes past any session: Portcullis' own answer to a header that never became a request.
    ///
    /// # Errors
    ///
    /// The socket's or the TLS session's, or `TimedOut` past the write limit.
    pub async fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent = poll_fn(|cx| Pin::new(&mut *self).poll_write(cx, bytes)).await?;
            bytes = &bytes[sent..];
        }
        poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx)).await
    }

    /// Waits until the client has closed the connection, whatever it sent before that is not read yet.
    pub async fn closes(&self) {
        self.wire.socket().closes().await;
    }

    /// Says that the answer on its way ends with the connection (HTTP/1.0). Unless it is then closed in good order, the
    /// close becomes a reset: an answer that broke off would otherwise look whole.
    pub fn answer_ends_with_it(&self) {
        self.unfinished.store(true, Ordering::Relaxed);
    }

    /// Says that the response on its way makes it a WebSocket.
    pub fn becomes_websocket(&self) {
        self.becomes_websocket.store(true, Ordering::Relaxed);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // What an endpoint sent before it broke off is the client's, as far as the socket takes it at once.
        let mut now = Context::from_waker(Waker::noop());
        if !self.output.is_empty() && self.poll_drain_output(&mut now).is_ready() {
            let _ = self.wire.poll_flush(&mut now);
        }
        if *self.unfinished.get_mut() {
            self.wire.socket().reset_on_close();
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("fd", &self.wire.socket().fd())
            .field("expect", &self.expect)
            .finish_non_exhaustive()
    }
}
