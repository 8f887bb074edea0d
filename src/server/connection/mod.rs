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
pub mod socket;
pub mod waiting;
mod websocket;
mod wire;

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
use std::time::{Duration, Instant, SystemTime};

use ::pingora::protocols::Shutdown;
use ::pingora::protocols::raw_connect::ProxyDigest;
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proxy::About;
use calm::Calm;
use chunked::{Chunks, Malformed};
use date::Date;
use frames::HeaderClock;
use goodbye::Goodbye;
use waiting::{Patience, Receiving, Sending, TooSlow};
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

/// How many bytes of an answer wait for company before they are sent.
const WRITE_BUFFER: usize = 16 * 1024;
/// How much is read at once into the read-ahead buffer.
const READ_AHEAD: usize = 8 * 1024;
/// How many bytes of pipelined requests are taken from the kernel while an earlier one is answered.
const PIPELINE: usize = 16 * 1024;
/// How long, and for how many bytes, a closed connection still listens (see [`Shutdown`] below).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

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

    fn poll_session_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        if !self.input.is_empty() {
            let length = self.input.len().min(buf.remaining()).min(most);
            buf.put_slice(&self.input[..length]);
            self.input.advance(length);
            if self.input.is_empty() {
                // Its memory too: it may be the last read before the connection is idle.
                self.input = BytesMut::new();
            }
            return Poll::Ready(Ok(length));
        }
        if most >= buf.remaining() {
            let before = buf.filled().len();
            ready!(self.wire.poll_read(cx, buf))?;
            return Poll::Ready(Ok(buf.filled().len() - before));
        }
        // A smaller window of the caller's buffer, so that no byte past the body is taken.
        let mut window = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(self.wire.poll_read(cx, &mut window))?;
        let length = window.filled().len();
        buf.advance(length);
        Poll::Ready(Ok(length))
    }

    /// Gives the session whatever comes, at the pace of its clock if it has one.
    fn poll_stream_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            if self.calm.as_ref().is_some_and(|calm| calm.is_over()) {
                // The alarm has woken who ends the connection; until then the session hears nothing more.
                return Poll::Pending;
            }
            if let Some(clock) = &mut self.headers
                && let Some(held) = clock.poll_held(cx)
            {
                let held = held.as_ref();
                let now = held.len().min(buf.remaining());
                buf.put_slice(&held[..now]);
                // Before what is there already: the clock has not heard of that yet.
                let mut input = BytesMut::from(&held[now..]);
                input.extend_from_slice(&self.input);
                self.input = input;
                return Poll::Ready(Ok(()));
            }
            let read = self.poll_session_read(cx, buf, usize::MAX);
            let Some(clock) = &mut self.headers else {
                return read.map_ok(|_| ());
            };
            match read {
                Poll::Pending => return clock.poll(cx).map(Err),
                Poll::Ready(Ok(length)) if length > 0 => {
                    let mut kept = clock.heard(&mut buf.filled_mut()[before..]);
                    if let Some(calm) = &mut self.calm {
                        calm.heard(&clock.passed());
                        if calm.is_over() {
                            kept = 0;
                        }
                    }
                    buf.set_filled(before + kept);
                    if kept > 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(ended) => return Poll::Ready(ended.map(|_| ())),
            }
        }
    }

    /// Gives the session what belongs to a chunked body; what is behind it goes back to the read-ahead buffer.
    fn poll_chunked_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        mut chunks: Chunks,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(self.poll_session_read(cx, buf, usize::MAX))?;
        let heard = &buf.filled()[before..];
        let malformed = |error: Malformed| io::Error::new(io::ErrorKind::InvalidData, error);
        let length = chunks.follow(heard).map_err(malformed)?;
        if length < heard.len() {
            // Before what an earlier read left there.
            let mut input = BytesMut::from(&heard[length..]);
            input.extend_from_slice(&self.input);
            self.input = input;
            buf.set_filled(before + length);
        }
        self.expect = if chunks.is_done() {
            Expect::Nothing
        } else {
            Expect::Chunked(chunks)
        };
        Poll::Ready(Ok(()))
    }

    /// Tells only whether the client is still there.
    fn poll_presence(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.input.len() >= PIPELINE {
                // It sent plenty and will be heard when its turn comes; its going away shows when we write.
                return Poll::Pending;
            }
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Takes some of the bytes, into the buffer or out to the client.
    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(made) = self.said.date.take() {
            // A header, and all of it however long it is: a part would be no place to look for the date.
            let begin = self.output.len();
            self.output.extend_from_slice(bytes);
            date::overwrite(&mut self.output[begin..], made);
            return Poll::Ready(Ok(bytes.len()));
        }
        if self.buffers_writes {
            if self.output.len() + bytes.len() <= WRITE_BUFFER {
                self.output.extend_from_slice(bytes);
                return Poll::Ready(Ok(bytes.len()));
            }
            if !self.output.is_empty() {
                // Fill the buffer up before it is sent: one system call less for a header and the start of its body.
                let fits = WRITE_BUFFER
                    .saturating_sub(self.output.len())
                    .min(bytes.len());
                if fits > 0 {
                    self.output.extend_from_slice(&bytes[..fits]);
                    return Poll::Ready(Ok(fits));
                }
                ready!(self.poll_drain_output(cx))?;
            }
        }
        match self.wire.poll_write(cx, bytes) {
            Poll::Pending => self.poll_stalled(cx),
            Poll::Ready(Ok(sent)) => {
                self.wrote(sent);
                Poll::Ready(Ok(sent))
            }
            failed => failed,
        }
    }

    fn poll_drain_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            match self.wire.poll_write(cx, &self.output) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(sent)) => {
                    self.wrote(sent);
                    self.output.advance(sent);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.poll_stalled(cx),
            }
        }
        // An emptied buffer keeps no memory: an idle connection must be cheap.
        self.output = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Reads and forgets what a flood still has to send, for a moment.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let over = |calm: &&mut Box<Calm>| calm.is_over();
            let Some(calm) = self.calm.as_mut().filter(over) else {
                return Poll::Ready(());
            };
            if calm.poll_lingered(cx).is_ready() {
                return Poll::Ready(());
            }
            self.input.clear();
            match ready!(self.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(length) => {
                    if !self.calm.as_mut().is_some_and(|calm| calm.forget(length)) {
                        return Poll::Ready(());
                    }
                }
            }
        }
    }

    /// Some bytes went out.
    fn wrote(&mut self, length: usize) {
        self.written = self.written.wrapping_add(length as u64);
        if let Some(sending) = &mut self.sending {
            sending.rest();
        }
    }

    /// The client takes nothing; how long has that been so, and how fast was it?
    fn poll_stalled<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let patience = &self.patience;
        let before = self.written_before;
        let sending = self
            .sending
            .get_or_insert_with(|| Sending::new(patience, before));
        // A WebSocket is as fast as those who use it want; to have asked for one is not enough.
        let spared = self.goodbye.is_some();
        let (socket, written) = (self.wire.socket(), self.written);
        ready!(sending.poll(cx, spared, || socket.arrived().unwrap_or(written)));
        if let Some(about) = About::told(&self.about) {
            about.too_slow.store(true, Ordering::Relaxed);
        }
        // Else the kernel would go on offering what it has, megabytes perhaps, to a client that takes none.
        socket.reset_on_close();
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            TooSlow::Answer,
        )))
    }

    /// Gives the session some of a body, unless it comes too slowly.
    fn poll_body_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if std::mem::take(self.said.rests.get_mut())
            && let Some(receiving) = &mut self.receiving
        {
            receiving.pace.forget();
        }
        let read = match self.expect {
            Expect::Chunked(chunks) => self.poll_chunked_read(cx, buf, chunks),
            Expect::Body(left) => self.poll_length_read(cx, buf, left),
            Expect::Stream | Expect::Nothing => Poll::Ready(Ok(())),
        };
        match read {
            Poll::Pending => self.poll_late(cx),
            Poll::Ready(read) => {
                let length = buf.filled().len() - before;
                if length > 0 {
                    *self.said.expects.get_mut() = false;
                }
                self.received = self.received.saturating_add(length as u64);
                if let Some(receiving) = &mut self.receiving {
                    receiving.pace.moved(length as u64, Instant::now());
                }
                Poll::Ready(read)
            }
        }
    }

    /// The client sends nothing of its body; how fast was it?
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if *self.said.expects.get_mut() {
            return Poll::Pending;
        }
        if self.receiving.is_none() {
            self.receiving = Receiving::new(&self.patience, self.received);
        }
        let Some(receiving) = &mut self.receiving else {
            return Poll::Pending;
        };
        let too_slow = || Err(io::Error::new(io::ErrorKind::TimedOut, TooSlow::Body));
        receiving.poll(cx).map(|()| too_slow())
    }

    fn poll_length_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        left: u64,
    ) -> Poll<io::Result<()>> {
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let length = ready!(self.poll_session_read(cx, buf, most))?;
        let left = left.saturating_sub(length as u64);
        self.expect = if left == 0 {
            Expect::Nothing
        } else {
            Expect::Body(left)
        };
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A session that turns to the client is about to wait: what was written so far should not wait with it.
        if !this.output.is_empty()
            && let Poll::Ready(Err(error)) = this.poll_drain_output(cx)
        {
            return Poll::Ready(Err(error));
        }
        match this.expect {
            Expect::Nothing => this.poll_presence(cx),
            Expect::Body(_) | Expect::Chunked(_) => this.poll_body_read(cx, buf),
            Expect::Stream => {
                if let Some(goodbye) = &mut this.goodbye
                    && let Some(frame) = goodbye.poll(cx)
                {
                    this.output.extend_from_slice(frame);
                    if let Poll::Ready(Err(error)) = this.poll_drain_output(cx) {
                        return Poll::Ready(Err(error));
                    }
                }
                this.poll_stream_read(cx, buf)
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if *this.becomes_websocket.get_mut() {
            this.becomes_websocket = AtomicBool::new(false);
            let about = About::told(&this.about);
            this.goodbye = about.map(|about| Box::new(Goodbye::new(about.stay.clone())));
        }
        if this
            .goodbye
            .as_ref()
            .is_some_and(|goodbye| goodbye.is_said())
        {
            return Poll::Ready(Ok(bytes.len()));
        }
        let length = ready!(this.poll_send(cx, bytes))?;
        if let Some(calm) = &mut this.calm {
            calm.said(&bytes[..length]);
        }
        if let Some(goodbye) = &mut this.goodbye {
            goodbye.follow(&bytes[..length]);
            if let Some(frame) = goodbye.now() {
                this.output.extend_from_slice(frame);
            }
        }
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain_output(cx))?;
        // TLS may hold some of it still, and a client that reads nothing must not keep it there for ever.
        match this.wire.poll_flush(cx) {
            Poll::Pending => this.poll_stalled(cx),
            flushed => {
                this.wrote(0);
                flushed
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain_output(cx))?;
        let closed = match this.wire.poll_shutdown(cx) {
            Poll::Pending => return this.poll_stalled(cx),
            closed => closed,
        };
        this.wrote(0);
        ready!(this.poll_linger(cx));
        closed
    }
}

#[async_trait]
impl Shutdown for Connection {
    /// Closes in good order: our side first, and then what the client still sends is read and forgotten for a moment.
    /// Closing with unread bytes would make the kernel reset the connection, and the client could lose an answer that
    /// is still on its way (a 413 in the middle of an upload).
    async fn shutdown(&mut self) {
        let closed = poll_fn(|cx| Pin::new(&mut *self).poll_shutdown(cx)).await;
        if closed.is_ok() {
            self.unfinished.store(false, Ordering::Relaxed);
        }
        if closed.is_err() || self.expect == Expect::Nothing {
            return;
        }
        let linger = async {
            let mut heard = 0;
            while heard < LINGER_BYTES {
                self.input.clear();
                match self.fill().await {
                    Ok(0) | Err(_) => break,
                    Ok(length) => heard += length,
                }
            }
        };
        // Either end of it will do.
        let _ = tokio::time::timeout(LINGER, linger).await;
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
