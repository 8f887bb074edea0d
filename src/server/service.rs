//! How does Pingora's server run ours? As one service: it starts the workers, each a thread with a runtime of its own,
//! and does the work that belongs to no request.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::server::configuration::ServerConf;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use tokio::sync::watch;

use super::listen::ListeningSocket;
use super::live::Live;
use super::worker::Worker;
use crate::admin::Admin;
use crate::pool::discovery::keep_resolved;
use crate::snapshot::{Listener, Snapshot};
use crate::state::State;

/// The sockets of one worker.
pub type Shard = Vec<(Arc<Listener>, ListeningSocket)>;

/// The edge: everything Portcullis runs.
pub struct Edge {
    /// The generation in force.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// What outlives it.
    pub state: Arc<State>,
    /// What Pingora's parts are set up with.
    pub conf: Arc<ServerConf>,
    /// One for each worker.
    pub shards: Vec<(Shard, watch::Receiver<bool>)>,
    /// The admin listener.
    pub admin: Option<Admin>,
    /// The connections.
    pub live: Arc<Live>,
    /// What `/readyz` says.
    pub ready: Arc<AtomicBool>,
}

impl Edge {
    /// Writes the sockets into the table that an upgrade hands over, each under its address and number.
    fn register(&self, fds: &ListenFds) {
        let mut fds = fds.lock();
        for (number, (shard, _)) in self.shards.iter().enumerate() {
            for (listener, socket) in shard {
                fds.add(format!("{}#{number}", listener.address), descriptor(socket));
            }
        }
    }

    fn start_workers(&mut self) -> std::io::Result<()> {
        for (number, (shard, shutdown)) in self.shards.drain(..).enumerate() {
            let (conf, snapshot, live) = (
                Arc::clone(&self.conf),
                Arc::clone(&self.snapshot),
                Arc::clone(&self.live),
            );
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    runtime.block_on(async {
                        Arc::new(Worker::new(&conf, snapshot, live, shutdown))
                            .run(shard)
                            .await;
                    });
                })?;
        }
        Ok(())
    }
}

fn descriptor(socket: &ListeningSocket) -> RawFd {
    match socket {
        ListeningSocket::Tcp(socket) => socket.as_raw_fd(),
        ListeningSocket::Unix(socket) => socket.as_raw_fd(),
    }
}

#[async_trait]
impl Service for Edge {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        mut shutdown: ShutdownWatch,
        _: usize,
    ) {
        if let Some(fds) = &fds {
            self.register(fds);
        }
        for lookup in &self.snapshot.load().lookups {
            tokio::spawn(keep_resolved(lookup.clone(), Arc::clone(&self.state)));
        }
        if let Some(admin) = self.admin.take() {
            tokio::spawn(admin.serve());
        }
        if let Err(error) = self.start_workers() {
            // Without its threads the process would look alive and serve nobody.
            log::error!("worker: {error}");
            std::process::exit(1);
        }
        self.ready.store(true, Ordering::Relaxed);
        log::info!("ready");
        // Ends with the process; the workers are stopped by their own word.
        let _ = shutdown.changed().await;
    }

    fn name(&self) -> &str {
        "edge"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}
