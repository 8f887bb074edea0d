//! How much may the other side say?
//!
//! Answers are short. A service that says more than anyone has asked for is not the one that was meant, and what it says
//! would have to be kept until it makes sense.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// For the greeting, in bytes: a few answers, `HELLO` among them.
const GREETING: u64 = 16 * 1024;
/// For the answer to one question: a number, or an error in a sentence.
const ANSWER: u64 = 2 * 1024;

/// How many more bytes may come.
#[derive(Clone)]
pub(super) struct Allowance(Arc<AtomicU64>);

impl Allowance {
    /// Enough for the greeting.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(GREETING)))
    }

    /// One more answer is expected. What one leaves is not kept for the next ones beyond that of a thousand.
    pub(super) fn expect_one(&self) {
        let most = GREETING + 1_000 * ANSWER;
        let more = |left: u64| Some((left + ANSWER).min(most));
        // It always gives a number.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    fn spend(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

/// A stream that ends with an error when more is said than is expected.
pub(super) struct Metered<S> {
    stream: S,
    allowance: Allowance,
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S, allowance: Allowance) -> Self {
        Self { stream, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let bytes = buf.filled().len().saturating_sub(before);
        if self.allowance.spend(bytes as u64) {
            read
        } else {
            Poll::Ready(Err(io::Error::other("it says more than it was asked")))
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn who_says_more_than_was_asked_is_cut_off() {
        let allowance = Allowance::new();
        let mut stream = Metered::new(tokio::io::repeat(b'1'), allowance.clone());
        let mut heard = vec![0; GREETING as usize];
        assert!(stream.read_exact(&mut heard).await.is_ok());
        assert!(stream.read_u8().await.is_err());
        allowance.expect_one();
        assert!(
            stream
                .read_exact(&mut heard[..ANSWER as usize])
                .await
                .is_ok()
        );
        assert!(stream.read_u8().await.is_err());
    }
}
