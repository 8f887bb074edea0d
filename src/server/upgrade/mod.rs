//! How is the binary replaced without a client noticing?
//!
//! The old process starts the new one and meets it over a socket that only their user can reach:
//!
//! ```text
//! new   hello                  it is there
//! old   sockets, memory        of every door; what is cheap to hand over
//! new   ready                  configuration read, certificates loaded, what is new bound
//! old   go                     until here either can give up, and nothing has changed
//! new   serving                it accepts from the same queues as the old one
//! old   leaving                it accepts no more; repeated with the number of connections it still has
//! new   settled                control socket and PID file are its own: now the upgrade is said to be done
//! ```
//!
//! Pingora can hand over sockets as well, but at most 32 with 2 KiB of names, without any memory, and the old process
//! ends even if that failed.

mod hand_over;
mod link;
mod message;
mod take_over;

use std::path::PathBuf;
use std::sync::Arc;

use crate::admin::{AdminDoor, UpgradeReport};
use crate::server::directory::Directory;
use crate::server::process::{Process, Successor};
use crate::server::supervisor::Supervisor;
pub use hand_over::NewProcess;
use hand_over::{STOPPING, hand_over};
pub use link::Link;
pub use message::SocketOf;
pub use take_over::{Former, Predecessor};

/// Replaces the binary of a process.
#[derive(Clone)]
pub struct Upgrades(Arc<Upgrader>);

/// What an upgrade needs to know about its process.
pub struct Upgrader {
    /// The process.
    pub process: Arc<Process>,
    /// Its admin listener.
    pub admin: Arc<AdminDoor>,
    /// Where the sockets are handed over.
    pub directory: Option<Directory>,
    /// What is started unless something else is asked for; `None` where there is nothing that could be.
    pub usual: Option<NewProcess>,
    /// Who wants to know which process it is.
    pub supervisor: Arc<Supervisor>,
}

impl Upgrades {
    /// Upgrades of this process.
    pub fn new(upgrader: Upgrader) -> Self {
        Self(Arc::new(upgrader))
    }

    /// Begins an upgrade and does not wait for it. To be called in a runtime.
    pub fn request(&self, who: &'static str) {
        let this = self.clone();
        tokio::spawn(async move { this.run(who, None, None).await });
    }

    /// Upgrades to another binary, or with another configuration, than the usual ones.
    pub async fn run(
        &self,
        who: &str,
        binary: Option<PathBuf>,
        config: Option<PathBuf>,
    ) -> UpgradeReport {
        log::info!("upgrade by {who}: begins");
        let (upgrader, who) = (Arc::clone(&self.0), who.to_owned());
        // A task of its own: who asked may leave, and a hand-over must not stop half-way.
        let upgrade = tokio::spawn(async move {
            match upgrader.try_upgrade(binary, config).await {
                Ok(pid) => {
                    log::info!("upgrade by {who}: process {pid} serves");
                    UpgradeReport::Upgraded { pid }
                }
                Err(reason) => {
                    log::error!("upgrade by {who} failed, this process serves on: {reason}");
                    UpgradeReport::Failed { reason }
                }
            }
        });
        upgrade.await.unwrap_or_else(|error| UpgradeReport::Failed {
            reason: error.to_string(),
        })
    }
}

impl Upgrader {
    async fn try_upgrade(
        &self,
        binary: Option<PathBuf>,
        config: Option<PathBuf>,
    ) -> Result<u32, String> {
        let Ok(_turn) = self.process.turn.try_lock() else {
            return Err("a reload or another upgrade is under way; try again".to_owned());
        };
        if self.process.is_stopping() || self.process.is_succeeded() {
            return Err(STOPPING.to_owned());
        }
        if std::process::id() == 1 {
            return Err(
                "this is process 1, and whatever it starts ends with it; start another container instead"
                    .to_owned(),
            );
        }
        let usual = self.usual.as_ref();
        let usual = usual.ok_or("this process has no configuration file to start another with")?;
        let directory = self.directory.as_ref();
        let directory = directory
            .ok_or("there is no directory for the hand-over socket; see `runtime.directory`")?;
        let new = NewProcess {
            binary: binary.unwrap_or_else(|| usual.binary.clone()),
            config: config.unwrap_or_else(|| usual.config.clone()),
        };
        let limit = self.process.snapshot.load().life.upgrade_timeout;
        let socket = directory.hand_over();
        let (admin, supervisor) = (Arc::clone(&self.admin), Arc::clone(&self.supervisor));
        let cache = Arc::clone(&self.process.state.cache);
        let handed_over = move |successor: &Successor| {
            if let Some(disk) = cache.disk() {
                disk.hand_over();
            }
            // systemd believes the main process; the new one is heard only after that.
            supervisor.main_process(successor.pid);
            admin.leave();
        };
        hand_over(
            &self.process,
            &self.admin,
            &socket,
            &new,
            limit,
            handed_over,
        )
        .await
    }
}
