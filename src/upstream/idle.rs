//! Which open connections to endpoints wait for their next request?
//!
//! One pool for each worker thread, so its lock is never contended and never held across an await. Nothing is spawned
//! for an idle connection: whether it is still good is seen when it is taken, and a sweep closes what got old.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pingora::protocols::Stream;
use rustc_hash::FxHashMap;

use super::PeerId;
use super::connection::EndpointConnection;
use crate::pool::Keepalive;

/// The idle connections of one worker.
#[derive(Debug, Default)]
pub struct IdlePool {
    by_peer: Mutex<FxHashMap<PeerId, Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    stream: Stream,
    until: Instant,
}

impl IdlePool {
    /// How often [`sweep`](Self::sweep) should be called.
    pub const SWEEP_EVERY: Duration = Duration::from_secs(1);

    /// The connection that was used last, if one is still good: it is the least likely to be closed by the other side,
    /// and the ones below it can grow old.
    pub fn take(&self, peer: PeerId, now: Instant) -> Option<Stream> {
        let mut by_peer = self.lock();
        let idle = by_peer.get_mut(&peer)?;
        while let Some(candidate) = idle.pop() {
            if candidate.until > now && is_quiet(&candidate.stream) {
                return Some(candidate.stream);
            }
        }
        None
    }

    /// Keeps a connection whose last response was read to its end. Beyond the limit the oldest one goes.
    pub fn put(&self, peer: PeerId, stream: Stream, keepalive: &Keepalive, now: Instant) {
        let Some(idle_time) = keepalive.idle else {
            return;
        };
        if keepalive.connections == 0 {
            return;
        }
        let mut by_peer = self.lock();
        let idle = by_peer.entry(peer).or_default();
        if idle.len() >= keepalive.connections {
            idle.remove(0);
        }
        idle.push(Idle {
            stream,
            until: now + idle_time,
        });
    }

    /// Closes what is old or was closed by the endpoint, and forgets endpoints without connections.
    pub fn sweep(&self, now: Instant) {
        self.lock().retain(|_, idle| {
            idle.retain(|candidate| candidate.until > now && is_quiet(&candidate.stream));
            !idle.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<PeerId, Vec<Idle>>> {
        // A panic while it was held can't have left a half-made entry behind.
        self.by_peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_quiet(stream: &Stream) -> bool {
    stream
        .as_any()
        .downcast_ref::<EndpointConnection>()
        .is_some_and(EndpointConnection::is_quiet)
}

#[cfg(test)]
mod tests;
