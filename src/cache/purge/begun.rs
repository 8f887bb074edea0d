//! What was begun before a purge, and may yet store what that was about?

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Seq;

/// How many were begun at each place in the order, and have not ended.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Arc<Mutex<BTreeMap<Seq, usize>>>);

impl UnderWay {
    pub(super) fn begin(&self, now: impl FnOnce() -> Seq) -> Begun {
        let mut begun = self.lock();
        // Under the lock: what `oldest` does not see begins after it.
        let since = now();
        *begun.entry(since).or_default() += 1;
        drop(begun);
        Begun {
            since,
            under_way: self.clone(),
        }
    }

    pub(super) fn oldest(&self) -> Option<Seq> {
        self.lock().keys().next().copied()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Seq, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that was begun, until it is dropped.
#[derive(Debug)]
pub struct Begun {
    since: Seq,
    under_way: UnderWay,
}

impl Begun {
    /// When.
    pub fn since(&self) -> Seq {
        self.since
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut begun = self.under_way.lock();
        if let Some(count) = begun.get_mut(&self.since) {
            *count -= 1;
            if *count == 0 {
                begun.remove(&self.since);
            }
        }
    }
}
