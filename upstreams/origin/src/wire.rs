//! How can an answer break off the connection it travels on?

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::journal::OpenConnection;

/// A byte stream in both directions: TCP, Unix, or TLS over either. Behind a pointer, so that
/// hyper is compiled once and not once per kind.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// Work that takes the connection over once HTTP is done with it.
pub(crate) type Afterwards = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the answers of one connection know of it and may ask of it.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) peer: String,
    /// Facts of the TLS session, null without one.
    pub(crate) tls: Value,
    cut: AtomicBool,
    last_words: Mutex<Bytes>,
    afterwards: Mutex<Option<Afterwards>>,
}

impl Line {
    pub(crate) fn new(peer: String, tls: Value) -> Self {
        Self {
            peer,
            tls,
            ..Self::default()
        }
    }

    /// Closes the connection as soon as all that hyper has written is out, followed by
    /// `last_words`, which need not be HTTP. HTTP/1 only: it takes effect at the flush that hyper
    /// makes after every poll of an answer.
    pub(crate) fn cut(&self, last_words: Bytes) {
        *lock(&self.last_words) = last_words;
        self.cut.store(true, Ordering::Release);
    }

    /// Sets what runs on the connection after an upgrade.
    pub(crate) fn set_afterwards(&self, work: Afterwards) {
        *lock(&self.afterwards) = Some(work);
    }

    pub(crate) fn take_afterwards(&self) -> Option<Afterwards> {
        lock(&self.afterwards).take()
    }
}

/// No update of these values can be left half done, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stream under hyper: counted as open for as long as it exists, and cut when its [`Line`]
/// says so.
pub(crate) struct Wire {
    stream: Box<dyn Duplex>,
    line: Arc<Line>,
    _open: OpenConnection,
}

impl Wire {
    pub(crate) fn new(stream: Box<dyn Duplex>, line: Arc<Line>, open: OpenConnection) -> Self {
        Self {
            stream,
            line,
            _open: open,
        }
    }

    fn poll_last_words(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut words = lock(&self.line.last_words);
        while words.has_remaining() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &words))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            words.advance(written);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if !self.line.cut.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_last_words(cx))?;
        // hyper gives a connection up, and drops the stream, on the first failed flush.
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_cut_takes_effect_at_the_next_flush_and_after_the_last_words() {
        let journal = Journal::default();
        let (near, mut far) = tokio::io::duplex(64);
        let line = Arc::new(Line::default());
        let mut wire = Wire::new(Box::new(near), line.clone(), journal.open_connection());
        wire.write_all(b"answer ").await.expect("written");
        wire.flush().await.expect("not cut yet");
        line.cut(Bytes::from_static(b"bye"));
        let error = wire.flush().await.expect_err("cut");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        drop(wire);
        let mut seen = String::new();
        far.read_to_string(&mut seen).await.expect("read");
        assert_eq!(seen, "answer bye");
        assert_eq!(journal.open_connections(), 0);
    }
}
