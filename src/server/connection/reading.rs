//! What does a session get to read, and when has a client been too slow with it?

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use super::chunked::{Chunks, Malformed};
use super::waiting::{Receiving, TooSlow};
use super::{Connection, Expect};

/// How many bytes of pipelined requests are taken from the kernel while an earlier one is answered.
const PIPELINE: usize = 16 * 1024;

impl Connection {
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
