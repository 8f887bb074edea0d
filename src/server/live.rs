//! How many connections are open, and when is the last one gone?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The connections of the process.
#[derive(Debug, Default)]
pub struct Live {
    connections: AtomicUsize,
    last_gone: Notify,
}

/// One of them; not counted any more when dropped.
#[derive(Debug)]
pub struct LiveConnection(Arc<Live>);

impl Live {
    /// Counts one more.
    pub fn one_more(self: &Arc<Self>) -> LiveConnection {
        self.connections.fetch_add(1, Ordering::Relaxed);
        LiveConnection(Arc::clone(self))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Resolves when there is none.
    pub async fn none_left(&self) {
        loop {
            let gone = self.last_gone.notified();
            if self.count() == 0 {
                return;
            }
            gone.await;
        }
    }
}

impl Drop for LiveConnection {
    fn drop(&mut self) {
        if self.0.connections.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.last_gone.notify_waiters();
        }
    }
}
