//! What can a response body do, and when has it been answered in full?

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::sleep;

use crate::journal::Exchange;
use crate::wire::Line;

/// Why a response ends early over HTTP/2: hyper resets the stream of a body that fails.
#[derive(Debug)]
pub(crate) struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken off as asked")
    }
}

impl std::error::Error for BrokenOff {}

/// What a scripted body does next.
pub(crate) enum Step {
    Send(Bytes),
    Pause(Duration),
    /// Goes on when this says so.
    Until(Released),
    /// Never goes on; ends only when the peer leaves.
    Hang,
    /// Closes the connection once all before is out (HTTP/1).
    Cut(Arc<Line>),
    /// Resets the stream (HTTP/2).
    Fail,
    Trailers(HeaderMap),
}

/// Resolves when what is held may go.
pub(crate) type Released = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The steps of a body, made one by one so that an endless one takes no memory.
pub(crate) type Steps = Box<dyn Iterator<Item = Step> + Send>;

/// A response body. The first two kinds are what benches ask for and allocate nothing.
pub(crate) enum Content {
    Whole(Bytes),
    Pages(Pages),
    Script(Script),
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = hyper::Error> + Send>>),
}

impl Content {
    pub(crate) const EMPTY: Self = Self::Whole(Bytes::new());

    /// What `content-length` announces, in bytes; `None` announces nothing.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Pages(pages) => pages.announced.then_some(pages.left),
            Self::Script(script) => script.left,
            Self::Stream(_) => None,
        }
    }

    /// A body of these steps; `length` becomes the `content-length`, true or not.
    pub(crate) fn script(length: Option<u64>, steps: Steps) -> Self {
        Self::Script(Script {
            steps,
            left: length,
            pause: None,
            rest: Rest::Going,
        })
    }

    /// A body of a few known steps and unknown length.
    pub(crate) fn steps(steps: impl Into<VecDeque<Step>>) -> Self {
        Self::script(None, Box::new(steps.into().into_iter()))
    }
}

/// `left` bytes cut from one static page, again and again.
pub(crate) struct Pages {
    pub(crate) page: &'static [u8],
    pub(crate) left: u64,
    /// Whether the length is announced.
    pub(crate) announced: bool,
}

impl Iterator for Pages {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.left == 0 {
            return None;
        }
        let length = usize::try_from(self.left).map_or(self.page.len(), |n| n.min(self.page.len()));
        self.left -= length as u64;
        Some(Bytes::from_static(&self.page[..length]))
    }
}

/// A body that follows [`Steps`].
pub(crate) struct Script {
    steps: Steps,
    left: Option<u64>,
    pause: Option<Released>,
    rest: Rest,
}

/// What is still to come of a script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Going,
    /// Nothing, and the peer is to wait for it.
    Hanging,
    /// Nothing, and the connection closes at its next flush.
    Cut,
}

impl Script {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            if self.rest != Rest::Going {
                return Poll::Pending;
            }
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match self.steps.next() {
                None => return Poll::Ready(None),
                Some(Step::Send(bytes)) => {
                    if let Some(left) = &mut self.left {
                        *left = left.saturating_sub(bytes.len() as u64);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Pause(duration)) => self.pause = Some(Box::pin(sleep(duration))),
                Some(Step::Until(released)) => self.pause = Some(released),
                Some(Step::Hang) => self.rest = Rest::Hanging,
                Some(Step::Cut(line)) => {
                    line.cut(Bytes::new());
                    self.rest = Rest::Cut;
                }
                Some(Step::Fail) => return Poll::Ready(Some(Err(BrokenOff))),
                Some(Step::Trailers(fields)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(fields))));
                }
            }
        }
    }
}

/// A body that tells the journal how its exchange ended.
pub(crate) struct Tracked {
    content: Content,
    exchange: Option<Exchange>,
}

impl Tracked {
    /// Without an exchange nobody is told: whoever holds it will end it.
    pub(crate) fn new(content: Content, exchange: Option<Exchange>) -> Self {
        let mut tracked = Self { content, exchange };
        // hyper never polls a body that says it is at its end.
        if tracked.is_end_stream() {
            tracked.complete();
        }
        tracked
    }

    fn complete(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.complete();
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Body for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame: Option<Result<_, BoxError>> = match &mut self.content {
            Content::Whole(bytes) if bytes.is_empty() => None,
            Content::Whole(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
            Content::Pages(pages) => pages.next().map(|page| Ok(Frame::data(page))),
            Content::Script(script) => match script.poll_next(cx) {
                Poll::Ready(frame) => frame.map(|frame| frame.map_err(Into::into)),
                Poll::Pending => {
                    if script.rest == Rest::Cut {
                        self.complete();
                    }
                    return Poll::Pending;
                }
            },
            Content::Stream(stream) => {
                ready!(stream.as_mut().poll_frame(cx)).map(|frame| frame.map_err(Into::into))
            }
        };
        // A body broken off on purpose ends as asked, which is no cancellation by the peer.
        let broken_off = matches!(&frame, Some(Err(error)) if error.is::<BrokenOff>());
        if frame.is_none() || broken_off || self.is_end_stream() {
            self.complete();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Pages(pages) => pages.left == 0,
            // Trailers may follow the last announced byte, but no script has both.
            Content::Script(script) => script.left == Some(0),
            Content::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.content.length();
        length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
