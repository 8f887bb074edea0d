//! When do the bytes of an answer leave, and when has a client been too slow to take them?

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::pingora::protocols::Shutdown;
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

use super::calm::Calm;
use super::goodbye::Goodbye;
use super::waiting::{Sending, TooSlow};
use super::{Connection, Expect, date};
use crate::proxy::About;

/// How many bytes of an answer wait for company before they are sent.
const WRITE_BUFFER: usize = 16 * 1024;
/// How long, and for how many bytes, a closed connection still listens.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

impl Connection {
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

    pub(super) fn poll_drain_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
