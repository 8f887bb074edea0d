//! Which connections to endpoints carry many requests at once (HTTP/2)?
//!
//! As the idle connections beside them, they belong to one worker. One that is used is here as well, for the next request
//! may go on it; it is closed when nobody has it any more.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pingora::connectors::http::v2::{ConnectionRef, H2HandshakeSettings, handshake};
use rustc_hash::{FxHashMap, FxHashSet};

use super::connection::EndpointConnection;
use super::shown::Shown;
use super::{HTTP2_STREAMS, PeerId};
use crate::pool::Keepalive;
use crate::telemetry::metrics::PoolMetrics;

/// How much of one answer the endpoint may send before somebody takes it, in bytes. Within a network of 100 ms that allows
/// 10 MB/s.
const WINDOW_OF_ONE: u32 = 1 << 20;

/// The same for all answers on a connection: so many that one which nobody takes holds up no other.
const WINDOW_OF_ALL: u32 = 1 << 24;

/// The connections of one worker that several requests share.
#[derive(Default)]
pub struct SharedPool {
    by_peer: Mutex<FxHashMap<PeerId, Open>>,
}

/// The connections to one endpoint.
struct Open {
    connections: Vec<Shared>,
    shown: Shown,
}

struct Shared {
    connection: ConnectionRef,
    /// How long it is kept without a request.
    idle: Duration,
    /// When it was seen to have one.
    used: Instant,
}

/// Begins HTTP/2 on a connection. How long that may take is the caller's business.
///
/// # Errors
///
/// The endpoint does not speak it.
pub async fn begin(connection: EndpointConnection) -> pingora::Result<ConnectionRef> {
    let mut settings = H2HandshakeSettings::new();
    settings.max_streams = HTTP2_STREAMS;
    settings.stream_window_size = Some(WINDOW_OF_ONE);
    settings.connection_window_size = Some(WINDOW_OF_ALL);
    handshake(Box::new(connection), settings).await
}

impl SharedPool {
    /// One that has room for a request.
    pub fn take(&self, peer: PeerId, now: Instant) -> Option<ConnectionRef> {
        let mut by_peer = self.lock();
        let shared = &mut by_peer.get_mut(&peer)?.connections;
        shared.retain(|one| is_open(&one.connection));
        let mut open = shared.iter_mut();
        let one = open.find(|one| one.connection.can_accept_streams(1))?;
        one.used = now;
        Some(one.connection.clone())
    }

    /// Lets other requests find a connection, for as long as it is good. While it has none it is counted in the `metrics` of
    /// its pool.
    pub fn put(
        &self,
        peer: PeerId,
        connection: &ConnectionRef,
        keepalive: &Keepalive,
        metrics: &PoolMetrics,
        now: Instant,
    ) {
        let Some(idle) = keepalive.idle else { return };
        let mut by_peer = self.lock();
        let open = by_peer.entry(peer).or_insert_with(|| Open {
            connections: Vec::new(),
            shown: Shown::new(metrics),
        });
        // One more serves its request, and is closed then.
        if open.connections.len() < keepalive.connections {
            open.connections.push(Shared {
                connection: connection.clone(),
                idle,
                used: now,
            });
        }
    }

    /// Lets go what is old or was closed by the endpoint, and forgets endpoints without connections.
    pub fn sweep(&self, now: Instant) {
        self.lock().retain(|_, open| {
            let mut idle = 0;
            open.connections.retain_mut(|one| {
                let is_idle = one.connection.is_idle();
                if !is_idle {
                    one.used = now;
                }
                let unused = now.saturating_duration_since(one.used);
                let stays = is_open(&one.connection) && unused < one.idle;
                idle += usize::from(stays && is_idle);
                stays
            });
            open.shown.tell(idle);
            !open.connections.is_empty()
        });
    }

    /// Lets the connections to everyone else go. Requests on them are answered.
    pub fn keep_only(&self, peers: &FxHashSet<PeerId>) {
        self.lock().retain(|peer, _| peers.contains(peer));
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<PeerId, Open>> {
        // A panic while it was held can't have left a half-made entry behind.
        self.by_peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_open(connection: &ConnectionRef) -> bool {
    !connection.is_closed() && !connection.is_shutting_down()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::connection::socket::Socket;
    use crate::telemetry::Metrics;
    use crate::upstream::connection::EndpointWire;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    const KEEPALIVE: Keepalive = Keepalive {
        idle: Some(Duration::from_secs(60)),
        connections: 1,
    };

    fn peer() -> PeerId {
        PeerId::for_test(1)
    }

    fn metrics() -> PoolMetrics {
        Metrics::new().expect("metrics").pool("app")
    }

    /// A connection, and the endpoint that serves it.
    async fn connection() -> (ConnectionRef, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let theirs = theirs.expect("it accepts").0;
        let endpoint = tokio::spawn(async move {
            let mut http2 = h2::server::handshake(theirs).await.expect("HTTP/2");
            while http2.accept().await.is_some() {}
        });
        let ours = EndpointWire::Plain(Socket::from(ours.expect("it connects")));
        (begin(ours.into()).await.expect("HTTP/2"), endpoint)
    }

    #[tokio::test]
    async fn a_connection_is_found_for_as_long_as_it_may_be_idle_and_one_in_use_stays() {
        let pool = SharedPool::default();
        let now = Instant::now();
        let (one, _endpoint) = connection().await;
        pool.put(peer(), &one, &KEEPALIVE, &metrics(), now);
        assert!(pool.take(PeerId::for_test(2), now).is_none());
        let stream = one
            .spawn_stream()
            .await
            .expect("a stream")
            .expect("a stream");
        let later = now + Duration::from_secs(61);
        pool.sweep(later);
        assert!(pool.take(peer(), later).is_some());
        drop(stream);
        pool.sweep(later + Duration::from_secs(59));
        assert!(pool.take(peer(), later).is_some());
        pool.sweep(later + Duration::from_secs(60));
        assert!(pool.take(peer(), later).is_none());
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_or_is_to_end_is_not_found() {
        let pool = SharedPool::default();
        let now = Instant::now();
        let (one, endpoint) = connection().await;
        pool.put(peer(), &one, &KEEPALIVE, &metrics(), now);
        endpoint.abort();
        while !one.is_closed() {
            tokio::task::yield_now().await;
        }
        assert!(pool.take(peer(), now).is_none());
        let (one, _endpoint) = connection().await;
        pool.put(peer(), &one, &KEEPALIVE, &metrics(), now);
        one.mark_shutdown();
        assert!(pool.take(peer(), now).is_none());
    }

    #[tokio::test]
    async fn no_more_are_kept_than_the_pool_says_and_none_for_endpoints_that_are_gone() {
        let pool = SharedPool::default();
        let now = Instant::now();
        let (one, _endpoint) = connection().await;
        let (other, _endpoint) = connection().await;
        let none = Keepalive {
            idle: None,
            ..KEEPALIVE
        };
        pool.put(peer(), &one, &none, &metrics(), now);
        assert!(pool.take(peer(), now).is_none());
        pool.put(peer(), &one, &KEEPALIVE, &metrics(), now);
        pool.put(peer(), &other, &KEEPALIVE, &metrics(), now);
        let found = pool.take(peer(), now).expect("one");
        assert_eq!(found.id(), one.id());
        pool.keep_only(&FxHashSet::from_iter([peer()]));
        assert!(pool.take(peer(), now).is_some());
        pool.keep_only(&FxHashSet::default());
        assert!(pool.take(peer(), now).is_none());
    }
}
