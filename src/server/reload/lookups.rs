//! Who looks up the host names of a generation, and how long does it wait for them?

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::pool::discovery::keep_resolved;
use crate::snapshot::Snapshot;
use crate::state::State;

/// How long a reload waits for host names that nobody has looked up yet. Past it the pool begins without them, as it
/// does at a start: one name that can't be resolved must not hold everything up.
pub const RESOLVE_LIMIT: Duration = Duration::from_secs(3);

/// The task that looks names up; it ends when this is dropped.
#[derive(Default)]
pub struct Lookups(Option<AbortHandle>);

impl Lookups {
    /// Looks up the names of a generation, from now on. To be called in a runtime.
    pub fn start(snapshot: &Snapshot, state: &Arc<State>) -> Self {
        if snapshot.lookups.is_empty() {
            return Self(None);
        }
        let (lookups, resolver) = (snapshot.lookups.to_vec(), Arc::clone(&snapshot.resolver));
        let keeping = keep_resolved(lookups, resolver, Arc::clone(state));
        Self(Some(tokio::spawn(keeping).abort_handle()))
    }
}

impl Drop for Lookups {
    fn drop(&mut self) {
        if let Some(keeping) = &self.0 {
            keeping.abort();
        }
    }
}
