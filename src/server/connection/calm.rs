//! How does an HTTP/2 connection learn that its client floods it, and how does it end then?
//!
//! The bytes are seen here, where they pass, and the end is said by who serves the connection: the alarm goes from one to
//! the other. From then on nothing more is given to the session.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::Sleep;

use super::floods::{Counts, Floods};
use super::frames::Frames;
use crate::telemetry::metrics::{Flood, ListenerMetrics, ResetBy};

/// How long, and for how many bytes, what still comes is read and forgotten: a reset of the connection would take the
/// GOAWAY away from the client.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// Goes off once, when there is a flood.
#[derive(Debug, Default)]
pub struct Alarm {
    flood: OnceLock<Flood>,
    raised: Notify,
}

impl Alarm {
    fn raise(&self, flood: Flood) {
        // The first is the cause.
        if self.flood.set(flood).is_ok() {
            self.raised.notify_one();
        }
    }

    /// Resolves when there is a flood. Who stops waiting for it misses nothing.
    pub async fn raised(&self) -> Flood {
        loop {
            if let Some(flood) = self.flood.get() {
                return *flood;
            }
            self.raised.notified().await;
        }
    }
}

/// Watches the frames of a connection.
#[derive(Debug)]
pub struct Calm {
    sent: Frames,
    floods: Floods,
    alarm: Arc<Alarm>,
    metrics: ListenerMetrics,
    lingers: Option<Pin<Box<Sleep>>>,
    forgotten: usize,
}

impl Calm {
    /// Raises `alarm` when a budget of `floods` is overdrawn, and counts streams that are reset in the listener's `metrics`.
    pub fn new(floods: Floods, alarm: Arc<Alarm>, metrics: ListenerMetrics) -> Self {
        Self {
            sent: Frames::ours(),
            floods,
            alarm,
            metrics,
            lingers: None,
            forgotten: 0,
        }
    }

    /// Takes note of what came from the client.
    pub fn heard(&mut self, passed: &Counts) {
        self.metrics.reset(ResetBy::Client, passed.resets());
        if let Some(flood) = self.floods.received(passed, Instant::now) {
            self.alarm.raise(flood);
        }
    }

    /// Takes note of what went to the client.
    pub fn said(&mut self, bytes: &[u8]) {
        let passed = self.sent.follow(bytes);
        self.metrics.reset(ResetBy::Portcullis, passed.resets());
        if let Some(flood) = self.floods.sent(&passed, Instant::now) {
            self.alarm.raise(flood);
        }
    }

    /// Whether there is a flood.
    pub fn is_over(&self) -> bool {
        self.alarm.flood.get().is_some()
    }

    /// Takes note of bytes that came after our end; whether more may come.
    pub fn forget(&mut self, bytes: usize) -> bool {
        self.forgotten = self.forgotten.saturating_add(bytes);
        self.forgotten < LINGER_BYTES
    }

    /// Resolves when enough time was given to what still comes.
    pub fn poll_lingered(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self
            .lingers
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        timer.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    fn listener() -> ListenerMetrics {
        Metrics::new().expect("metrics").listener("edge")
    }

    #[tokio::test]
    async fn the_first_flood_is_the_one_that_is_told_whenever_it_is_asked_for() {
        let alarm = Alarm::default();
        alarm.raise(Flood::Ping);
        alarm.raise(Flood::Reset);
        assert_eq!(alarm.raised().await, Flood::Ping);
        assert_eq!(alarm.raised().await, Flood::Ping);
    }

    #[tokio::test]
    async fn it_is_over_when_too_much_came_in_any_cut() {
        let alarm = Arc::new(Alarm::default());
        let floods = Floods::new(0, 5, Instant::now());
        let mut calm = Calm::new(floods, Arc::clone(&alarm), listener());
        let mut frames = Frames::ours();
        let ping = [&b"\0\0\x08\x06\0\0\0\0\0"[..], &[0; 8]].concat();
        let most = ping.repeat(100);
        most.chunks(7)
            .for_each(|piece| calm.heard(&frames.follow(piece)));
        assert!(!calm.is_over());
        calm.heard(&frames.follow(&ping));
        assert!(calm.is_over());
        assert_eq!(alarm.raised().await, Flood::Ping);
    }

    #[test]
    fn what_we_must_reset_counts_by_its_code() {
        let alarm = Arc::new(Alarm::default());
        let mut calm = Calm::new(Floods::new(0, 5, Instant::now()), alarm, listener());
        let reset = |code: u8| [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, code];
        calm.said(&reset(8).repeat(200));
        calm.said(&reset(0).repeat(200));
        calm.said(&reset(5).repeat(100));
        assert!(!calm.is_over());
        reset(1).chunks(5).for_each(|piece| calm.said(piece));
        assert!(calm.is_over());
    }
}
