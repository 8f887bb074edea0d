//! Which open connections to endpoints wait for their next request?
//!
//! One pool for each worker thread, so its lock is never contended and never held across an await. Nothing is spawned
//! for an idle connection: whether it is still good is seen when it is taken, and a sweep closes what got old.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pingora::connectors::http::v2::ConnectionRef;
use rustc_hash::{FxHashMap, FxHashSet};

use super::connection::EndpointConnection;
use super::shared::SharedPool;
use super::shown::Shown;
use super::{Peer, PeerId};
use crate::pool::{Keepalive, Protocol};
use crate::telemetry::metrics::PoolMetrics;

/// The idle connections of one worker.
#[derive(Default)]
pub struct IdlePool {
    by_peer: Mutex<FxHashMap<PeerId, Waiting>>,
    /// Those beside them that need not be idle to be used.
    pub shared: SharedPool,
}

/// A connection that was used before.
pub enum Kept {
    /// For one request at a time.
    Alone(Box<EndpointConnection>),
    /// For many.
    Shared(ConnectionRef),
}

/// The idle connections to one endpoint.
#[derive(Debug)]
struct Waiting {
    idle: Vec<Idle>,
    shown: Shown,
}

#[derive(Debug)]
struct Idle {
    connection: Box<EndpointConnection>,
    until: Instant,
}

impl IdlePool {
    /// How often [`sweep`](Self::sweep) should be called.
    pub const SWEEP_EVERY: Duration = Duration::from_secs(1);

    /// A connection on which a request to the peer can go.
    pub fn find(&self, peer: &Peer, now: Instant) -> Option<Kept> {
        if peer.protocol == Protocol::Http2
            && let Some(shared) = self.shared.take(peer.id, now)
        {
            return Some(Kept::Shared(shared));
        }
        // An endpoint that was to speak HTTP/2 may have chosen otherwise (RFC 7301 §3.2).
        self.take(peer.id, now).map(Kept::Alone)
    }

    /// The connection that was used last, if one is still good: it is the least likely to be closed by the other side,
    /// and the ones below it can grow old.
    pub fn take(&self, peer: PeerId, now: Instant) -> Option<Box<EndpointConnection>> {
        let mut by_peer = self.lock();
        let idle = &mut by_peer.get_mut(&peer)?.idle;
        while let Some(mut candidate) = idle.pop() {
            if candidate.until > now && candidate.connection.is_quiet() {
                candidate.connection.begin();
                return Some(candidate.connection);
            }
        }
        None
    }

    /// Keeps a connection whose last response was read to its end, and counts it in the `metrics` of its pool from the next
    /// [`sweep`](Self::sweep) on. Beyond the limit the oldest one goes.
    pub fn put(
        &self,
        peer: PeerId,
        connection: Box<EndpointConnection>,
        keepalive: &Keepalive,
        metrics: &PoolMetrics,
        now: Instant,
    ) {
        // A time past the end of time is as good as none.
        let Some(until) = keepalive.idle.and_then(|idle| now.checked_add(idle)) else {
            return;
        };
        if keepalive.connections == 0 {
            return;
        }
        let mut by_peer = self.lock();
        let waiting = by_peer.entry(peer).or_insert_with(|| Waiting {
            idle: Vec::new(),
            shown: Shown::new(metrics),
        });
        let idle = &mut waiting.idle;
        if idle.len() >= keepalive.connections {
            idle.remove(0);
        }
        idle.push(Idle { connection, until });
    }

    /// Closes what is old or was closed by the endpoint, and forgets endpoints without connections.
    pub fn sweep(&self, now: Instant) {
        self.lock().retain(|_, Waiting { idle, shown }| {
            idle.retain(|candidate| candidate.until > now && candidate.connection.is_quiet());
            shown.tell(idle.len());
            !idle.is_empty()
        });
        self.shared.sweep(now);
    }

    /// Closes the connections to everyone else.
    pub fn keep_only(&self, peers: &FxHashSet<PeerId>) {
        self.lock().retain(|peer, _| peers.contains(peer));
        self.shared.keep_only(peers);
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<PeerId, Waiting>> {
        // A panic while it was held can't have left a half-made entry behind.
        self.by_peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
