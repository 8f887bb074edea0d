//! How does a WebSocket hear that the process ends? With a close frame between two frames of its endpoint (RFC 6455 §5.5.1,
//! status 1001). From then on the endpoint is not heard any more, and the client's answer tells it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::server::connection::websocket::{Frames, GOING_AWAY};
use crate::server::door::stay::{Stay, Word};

/// The end of a WebSocket, should it come from here.
pub struct Goodbye {
    /// What the endpoint has sent so far.
    frames: Frames,
    due: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    said: bool,
}

impl Goodbye {
    /// The end of a connection that becomes a WebSocket with the next response.
    pub fn new(stay: Stay) -> Self {
        Self {
            frames: Frames::new(),
            due: Some(Box::pin(async move { stay.until(Word::Goodbye).await })),
            said: false,
        }
    }

    /// Notes what was sent to the client.
    pub fn follow(&mut self, bytes: &[u8]) {
        self.frames.follow(bytes);
    }

    /// Whether it was said, and nothing may follow.
    pub fn is_said(&self) -> bool {
        self.said
    }

    /// What is to be sent now; wakes the task when there may be something.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Option<&'static [u8]> {
        if let Some(due) = &mut self.due
            && due.as_mut().poll(cx) == Poll::Ready(())
        {
            self.due = None;
        }
        self.now()
    }

    /// The same, without waiting: a frame may have ended.
    pub fn now(&mut self) -> Option<&'static [u8]> {
        let may = self.due.is_none()
            && !self.said
            && self.frames.is_between()
            && !self.frames.is_closing();
        if !may {
            return None;
        }
        self.said = true;
        Some(&GOING_AWAY)
    }
}

impl fmt::Debug for Goodbye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Goodbye")
            .field("said", &self.said)
            .finish_non_exhaustive()
    }
}
