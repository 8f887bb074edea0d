//! Does an upload that takes its time arrive whole?

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::AFTER_FAILURE;
use super::book::Page;
use super::door::Door;
use super::expected::Upload;
use super::http1::Line;
use crate::support::request;

/// The pause between two pieces.
pub const PIECE_EVERY: Duration = Duration::from_millis(100);

/// Uploads without a pause; of two clients the second (`half` 1) begins half an upload later.
pub async fn keep_uploading(door: Arc<Door>, page: Page, half: u32) {
    let mut line = Line::new(door);
    let mut pause = PIECE_EVERY * 7 * half;
    let mut number = u64::from(half);
    while page.goes_on(pause).await {
        number += 2;
        let upload = Upload::numbered(number);
        let asked = request("POST", Upload::PATH).body(Paced::new(upload).boxed());
        let asked = asked.expect("a request");
        pause = AFTER_FAILURE;
        if let Some((entry, response)) = line.ask(&page, asked).await {
            let answer = line.whole(response, Upload::PATH, &upload.body()).await;
            if answer.is_ok() {
                pause = Duration::ZERO;
            }
            entry.settle(answer);
        }
    }
}

/// A body whose pieces come one by one; every second one says its length beforehand.
struct Paced {
    upload: Upload,
    next: u64,
    pause: Pin<Box<Sleep>>,
}

impl Paced {
    fn new(upload: Upload) -> Self {
        Self {
            upload,
            next: 0,
            pause: Box::pin(sleep(Duration::ZERO)),
        }
    }
}

impl hyper::body::Body for Paced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.next == self.upload.pieces {
            return Poll::Ready(None);
        }
        ready!(self.pause.as_mut().poll(cx));
        self.pause = Box::pin(sleep(PIECE_EVERY));
        let piece = self.upload.piece(self.next);
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        if self.upload.is_announced() {
            let left = self.upload.pieces - self.next;
            SizeHint::with_exact(left * (self.upload.length() / self.upload.pieces))
        } else {
            SizeHint::default()
        }
    }
}
