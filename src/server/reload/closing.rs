//! When is everyone in who waited at an address that a reload closes?

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::server::door::Door;

/// How long doors may take to be shut before the answer says that they are.
pub(super) const SHUT: Duration = Duration::from_secs(1);

/// What nobody is to come in by any more.
pub(super) struct Closing {
    /// Doors of listeners.
    pub(super) doors: Vec<Arc<Door>>,
    /// The accept loop of the admin listener, where it was.
    pub(super) admin: Option<JoinHandle<()>>,
}

impl Closing {
    /// Resolves when everyone who waited outside is in.
    pub(super) async fn shut(self) {
        for door in &self.doors {
            door.shut().await;
        }
        if let Some(admin) = self.admin {
            // It ends in no other way.
            let _ = admin.await;
        }
    }
}
