//! Do connections wait outside because hardly a descriptor is left?

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::server::descriptors;
use crate::telemetry::seldom::Seldom;
use crate::upstream::connect::is_shortage;

/// How often a shortage is told: it may come and go with every connection.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// What the accept loops of a process have stopped for.
#[derive(Debug)]
pub struct Shortage {
    paused: AtomicUsize,
    told: Seldom,
    /// Whether its beginning was told, and its end was not.
    end_is_due: AtomicBool,
}

/// An accept loop that has stopped; until it is dropped.
#[derive(Debug)]
pub struct Paused(Arc<Shortage>);

impl Default for Shortage {
    fn default() -> Self {
        Self {
            paused: AtomicUsize::new(0),
            told: Seldom::new(TOLD_EVERY),
            end_is_due: AtomicBool::new(false),
        }
    }
}

impl Shortage {
    /// Takes note that a loop of this listener has stopped; of `error`, if the system has said one.
    pub fn begin(self: &Arc<Self>, listener: &str, error: Option<&io::Error>) -> Paused {
        self.paused.fetch_add(1, Ordering::Relaxed);
        if self.told.happened(Instant::now()).is_some() {
            self.end_is_due.store(true, Ordering::Relaxed);
            let limit = descriptors::limit();
            match error.filter(|error| !is_shortage(error)) {
                Some(error) => {
                    log::warn!("listener {listener}: accept: {error}; new connections wait")
                }
                None => log::warn!(
                    "listener {listener}: hardly any of {limit} descriptors is free; new connections wait until more are \
                     (overload.connections, RLIMIT_NOFILE)"
                ),
            }
        }
        Paused(Arc::clone(self))
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        let is_last = self.0.paused.fetch_sub(1, Ordering::Relaxed) == 1;
        if is_last && self.0.end_is_due.swap(false, Ordering::Relaxed) {
            log::info!("descriptors are free again; connections that waited are taken");
        }
    }
}
