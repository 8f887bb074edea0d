//! How does a request end whose time is over while Pingora moves its bytes?
//!
//! Pingora's own timeouts are for single reads and writes, and its HTTP/2 server sessions have none. So whoever runs a
//! session polls it through [`watch`], and the hooks set a deadline from inside. While none is set it costs one load.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::unwind;
use crate::pool::clock;
use crate::snapshot::Snapshot;

tokio::task_local! {
    static CURRENT: Arc<Overtime>;
}

/// A deadline that can be moved.
#[derive(Debug)]
pub struct Overtime {
    start: Instant,
    /// Milliseconds from `start`; 0 for none.
    total: AtomicU64,
    body: AtomicU64,
    rate: AtomicU64,
    /// Whether the hooks know of the request.
    seen: AtomicBool,
}

impl Default for Overtime {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            total: AtomicU64::new(0),
            body: AtomicU64::new(0),
            rate: AtomicU64::new(0),
            seen: AtomicBool::new(false),
        }
    }
}

impl Overtime {
    /// The one that watches over the session that is being polled.
    pub fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Notes that the hooks know of the request that is being polled.
    pub fn note_seen() {
        // Outside of a watched session, as in tests, there is nothing to note.
        let _ = CURRENT.try_with(|current| current.seen.store(true, Ordering::Relaxed));
    }

    /// Whether the hooks knew of it.
    pub fn was_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// The request as a whole must end by `at`.
    pub fn set_total(&self, at: Option<Instant>) {
        self.total.store(self.millis(at), Ordering::Relaxed);
    }

    /// The next piece of the request's body must come by `at`.
    pub fn set_body(&self, at: Option<Instant>) {
        self.body.store(self.millis(at), Ordering::Relaxed);
    }

    /// The request's body will have come too slowly by `at`, unless more of it comes.
    pub fn set_rate(&self, at: Option<Instant>) {
        self.rate.store(self.millis(at), Ordering::Relaxed);
    }

    /// Whether it is the request as a whole that took too long. One that has become a WebSocket never does.
    pub fn is_over(&self, now: Instant) -> bool {
        let total = self.total.load(Ordering::Relaxed);
        total != 0 && self.millis(Some(now)) >= total
    }

    /// Whether it is the body that came too slowly.
    pub fn body_is_slow(&self, now: Instant) -> bool {
        let rate = self.rate.load(Ordering::Relaxed);
        rate != 0 && self.millis(Some(now)) >= rate
    }

    /// Lets the next piece of the request's body come later, until [`resume_body`](Self::resume_body): it is not the
    /// client who is late. Gives the time it has left, if it is waited for.
    pub fn pause_body(&self, now: Instant) -> Option<Duration> {
        let body = self.body.swap(0, Ordering::Relaxed);
        (body != 0).then(|| Duration::from_millis(body.saturating_sub(self.millis(Some(now)))))
    }

    /// Gives the next piece of the request's body the time again that it had left.
    pub fn resume_body(&self, left: Option<Duration>, now: Instant) {
        self.set_body(left.and_then(|left| now.checked_add(left)));
    }

    /// Whether it is the body that did not come in time.
    pub fn body_is_late(&self, now: Instant) -> bool {
        let body = self.body.load(Ordering::Relaxed);
        body != 0 && self.millis(Some(now)) >= body
    }

    /// Forgets the deadlines, for the connection's next request.
    pub fn reset(&self) {
        self.set_total(None);
        self.set_body(None);
        self.set_rate(None);
        self.seen.store(false, Ordering::Relaxed);
    }

    fn millis(&self, at: Option<Instant>) -> u64 {
        at.map_or(0, |at| {
            clock::length(at.saturating_duration_since(self.start)).max(1)
        })
    }

    fn deadline(&self) -> Option<Instant> {
        let times = [&self.total, &self.body, &self.rate].map(|time| time.load(Ordering::Relaxed));
        let millis = times.into_iter().filter(|time| *time != 0).min()?;
        self.start.checked_add(Duration::from_millis(millis))
    }
}

/// Polls a session until it ends, or until its deadline: then it is dropped, and `None` comes back.
///
/// The same if it panics, which is counted in the generation of now. Our hooks catch their own panics before.
pub async fn watch<F: Future>(
    overtime: Arc<Overtime>,
    now: impl FnOnce() -> Arc<Snapshot>,
    session: F,
) -> Option<F::Output> {
    let mut session = pin!(CURRENT.scope(Arc::clone(&overtime), session));
    let mut timer = None;
    let ended = poll_fn(|cx| {
        match unwind::catch_now(|| session.as_mut().poll(cx)) {
            Ok(Poll::Ready(output)) => return Poll::Ready(Ok(Some(output))),
            Ok(Poll::Pending) => {}
            Err(panic) => return Poll::Ready(Err(panic)),
        }
        let Some(deadline) = overtime.deadline() else {
            return Poll::Pending;
        };
        let deadline = tokio::time::Instant::from_std(deadline);
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx).map(|()| Ok(None))
    })
    .await;
    ended.unwrap_or_else(|panic| {
        unwind::unexplained(&panic, &now().metrics);
        None
    })
}
