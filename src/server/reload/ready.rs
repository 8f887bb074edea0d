//! What must a generation have before it can be put in force? Everything that can fail is had here.

use std::io;
use std::sync::Arc;

use super::lookups::RESOLVE_LIMIT;
use super::refusal::Refusal;
use super::{Reloader, told};
use crate::admin::OpenAdmin;
use crate::config::{Config, Diagnostic, Diagnostics};
use crate::pool::discovery::resolve_unknown;
use crate::server::door::doors::{Ajar, Inherited};
use crate::server::logs;
use crate::snapshot::Snapshot;
use crate::upstream::key_sets::fetch_unknown;

/// A generation that has everything it needs.
pub(super) struct Ready {
    /// It, without its number.
    pub(super) snapshot: Snapshot,
    /// The hash of what it was read from.
    pub(super) hash: u64,
    /// The doors of its new listeners.
    pub(super) ajar: Ajar,
    /// What is to become of the admin listener.
    pub(super) admin: OpenAdmin,
}

impl Reloader {
    /// Gets everything that can fail.
    pub(super) async fn make_ready(
        &self,
        config: &Config,
        mut snapshot: Snapshot,
        old: &Snapshot,
        hash: u64,
    ) -> Result<Ready, Refusal> {
        let (lookups, state) = (&snapshot.lookups, &self.process.state);
        resolve_unknown(lookups, &snapshot.resolver, state, RESOLVE_LIMIT).await;
        fetch_unknown(&snapshot.key_fetches, &snapshot.resolver, RESOLVE_LIMIT).await;
        let mut problems = Diagnostics::default();
        // What it masks depends on routes too.
        snapshot.access_log = if snapshot.access_log_settings == old.access_log_settings {
            old.access_log.clone()
        } else {
            let opened = logs::open_access_log(snapshot.access_log_settings.as_ref(), state);
            let opened = opened.map_err(|error| {
                let position = config.access_log.path.position.clone();
                problems.push(Diagnostic::error("access_log.path", error.to_string()).at(position));
            });
            opened.ok().flatten()
        };
        let opened = {
            let (state, settings) = (Arc::clone(&self.process.state), snapshot.cache.clone());
            let open = move || state.cache.open_disk(&settings, &state.metrics.disk);
            tokio::task::spawn_blocking(open).await
        };
        match opened.map_err(io::Error::other).flatten() {
            Ok(disk) => snapshot.disk = disk,
            Err(error) => {
                let disk = config.cache.disk.as_ref();
                let position = disk.and_then(|disk| disk.path.position.clone());
                problems.push(Diagnostic::error("cache.disk.path", error.to_string()).at(position));
            }
        }
        let mut plan = self.process.doors().plan();
        // Listeners may have the admin listener's address, and it theirs.
        plan.ours.extend(self.admin.address());
        let (listeners, address) = (snapshot.listeners.clone(), snapshot.admin.clone());
        let admin = Arc::clone(&self.admin);
        // The system may take its time.
        let bound = tokio::task::spawn_blocking(move || {
            let ajar = plan.prepare(&listeners, &mut Inherited::new());
            let admin = admin.prepare(address.as_ref(), &plan.ours, &mut Inherited::new());
            (ajar, admin)
        });
        let Ok((ajar, admin)) = bound.await else {
            return Err(Refusal::Failed("opening it failed in an unexpected way"));
        };
        let ajar = ajar.map_err(|failed| told::not_bound(config, &failed, &mut problems));
        let admin = admin.map_err(|error| told::admin_not_bound(config, &error, &mut problems));
        let (Ok(ajar), Ok(admin), true) = (ajar, admin, problems.is_empty()) else {
            return Err(Refusal::Wrong(problems));
        };
        Ok(Ready {
            snapshot,
            hash,
            ajar,
            admin,
        })
    }
}
