//! What has reached the origin so far, and how did each request end?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Pause between two looks of [`Journal::becomes`].
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Counters of one origin. Clones share the counters and outlive the origin.
///
/// Counters are relaxed: a test that has not itself seen the effect should wait with
/// [`Journal::becomes`] rather than read once.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    open_connections: AtomicU64,
    requests: AtomicU64,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
    cancelled: AtomicU64,
    bytes_received: AtomicU64,
}

impl Journal {
    /// Connections accepted, those whose TLS handshake failed included.
    pub fn connections(&self) -> u64 {
        self.0.connections.load(Relaxed)
    }

    /// Connections accepted and not closed yet.
    pub fn open_connections(&self) -> u64 {
        self.0.open_connections.load(Relaxed)
    }

    /// Requests whose header was received.
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Relaxed)
    }

    /// Requests whose response is not complete yet; an open WebSocket counts as one.
    pub fn in_flight(&self) -> u64 {
        self.0.in_flight.load(Relaxed)
    }

    /// The most requests that were in flight at once.
    pub fn most_in_flight(&self) -> u64 {
        self.0.most_in_flight.load(Relaxed)
    }

    /// Requests given up before their response was complete, because the peer went away (closed
    /// connection, reset stream) or because the origin was stopped.
    pub fn cancelled(&self) -> u64 {
        self.0.cancelled.load(Relaxed)
    }

    /// Bytes of request bodies and of WebSocket messages that were read, framing excluded.
    pub fn bytes_received(&self) -> u64 {
        self.0.bytes_received.load(Relaxed)
    }

    /// Waits until `condition` holds, at most `within`; whether it came to hold.
    pub async fn becomes(&self, within: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let started = Instant::now();
        while !condition(self) {
            if started.elapsed() >= within {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        true
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.0.bytes_received.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn open_connection(&self) -> OpenConnection {
        self.0.connections.fetch_add(1, Relaxed);
        self.0.open_connections.fetch_add(1, Relaxed);
        OpenConnection(self.clone())
    }

    pub(crate) fn begin(&self) -> Exchange {
        self.0.requests.fetch_add(1, Relaxed);
        let now = self.0.in_flight.fetch_add(1, Relaxed) + 1;
        self.0.most_in_flight.fetch_max(now, Relaxed);
        Exchange(Some(self.clone()))
    }
}

/// A connection that counts as open for as long as this lives.
#[derive(Debug)]
pub(crate) struct OpenConnection(Journal);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.0.open_connections.fetch_sub(1, Relaxed);
    }
}

/// A request that counts as in flight for as long as this lives, and as cancelled if this is
/// dropped before [`Exchange::complete`].
///
/// hyper drops the answering future or the response body when the peer goes away, so ownership
/// alone tells a cancelled exchange from a completed one.
#[derive(Debug)]
pub(crate) struct Exchange(Option<Journal>);

impl Exchange {
    pub(crate) fn complete(mut self) {
        if let Some(journal) = self.0.take() {
            journal.0.in_flight.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(journal) = self.0.take() {
            journal.0.in_flight.fetch_sub(1, Relaxed);
            journal.0.cancelled.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_dropped_before_completion_is_cancelled() {
        let journal = Journal::default();
        let (first, second) = (journal.begin(), journal.begin());
        assert_eq!((journal.requests(), journal.in_flight()), (2, 2));
        first.complete();
        assert_eq!((journal.in_flight(), journal.cancelled()), (1, 0));
        drop(second);
        assert_eq!((journal.in_flight(), journal.cancelled()), (0, 1));
        assert_eq!(journal.most_in_flight(), 2);
    }

    #[test]
    fn a_connection_is_open_until_dropped_and_counted_for_ever() {
        let journal = Journal::default();
        let open = journal.open_connection();
        assert_eq!((journal.connections(), journal.open_connections()), (1, 1));
        drop(open);
        assert_eq!((journal.connections(), journal.open_connections()), (1, 0));
    }

    #[tokio::test]
    async fn a_condition_that_never_holds_is_reported_after_the_wait() {
        let journal = Journal::default();
        assert!(
            !journal
                .becomes(Duration::from_millis(5), |j| j.requests() > 0)
                .await
        );
        assert!(journal.becomes(Duration::ZERO, |j| j.requests() == 0).await);
    }
}
