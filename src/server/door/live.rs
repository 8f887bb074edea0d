//! How many connections (or accept loops) are there, and when is the last one gone?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A count of what is alive.
#[derive(Debug, Default)]
pub struct Live {
    count: AtomicUsize,
    last_gone: Notify,
}

/// One of them; not counted any more when dropped.
#[derive(Debug)]
pub struct Alive(Arc<Live>);

impl Live {
    /// Counts one more.
    pub fn one_more(self: &Arc<Self>) -> Alive {
        self.count.fetch_add(1, Ordering::Relaxed);
        Alive(Arc::clone(self))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
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

impl Drop for Alive {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.last_gone.notify_waiters();
        }
    }
}
