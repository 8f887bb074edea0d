//! Which logs are open, those of former generations included?
//!
//! A generation may have a log of its own, and requests that began with it end in it, however late. So a log is known here
//! for as long as its thread has something to write or may get it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::AccessLog;
use super::queue::Queue;

/// The open logs of a process.
#[derive(Default)]
pub struct OpenLogs(Mutex<Vec<Weak<Queue>>>);

impl OpenLogs {
    /// Knows this one too, until it is closed.
    pub fn add(&self, log: &AccessLog) {
        let mut known = self.lock();
        known.retain(|queue| queue.strong_count() > 0);
        known.push(Arc::downgrade(&log.queue));
    }

    /// Asks the thread of each to open its file anew by name, because it was moved away. Does not wait for it. Returns
    /// whether there is any.
    ///
    /// If that fails, the failure is logged and the file that is open stays in use. Destinations that are no files ignore
    /// this.
    pub fn reopen(&self) -> bool {
        let open = self.open();
        open.iter().for_each(|queue| queue.ask_to_reopen());
        !open.is_empty()
    }

    /// From now on, a line that has no room in its queue waits for it, at most until then. For the end of the process, when
    /// many come at once and nobody is held up.
    pub fn wait_for_room(&self, until: Instant) {
        for queue in self.open() {
            queue.wait_for_room(until);
        }
    }

    /// Waits until the lines queued so far are written (or lost to a write error), for all logs together at most for
    /// `patience`. Returns false if the time was not enough.
    pub fn flush(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut all = true;
        for queue in self.open() {
            all &= queue.wait_until_written(end.saturating_duration_since(Instant::now()));
        }
        all
    }

    pub(super) fn open(&self) -> Vec<Arc<Queue>> {
        self.lock().iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Queue>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
