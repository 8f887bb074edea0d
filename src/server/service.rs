//! How does Pingora's server run ours? As one service: it starts the workers, each a thread with a runtime of its own,
//! opens the doors, and does the work that belongs to no request.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::server::configuration::ServerConf;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use tokio::sync::mpsc;

use super::directory::Directory;
use super::doors::Ajar;
use super::pid_file::PidFile;
use super::process::Process;
use super::reload::{Lookups, RESOLVE_LIMIT, Reloader, Reloads, Requests};
use super::retired;
use super::supervisor::Supervisor;
use super::upgrade::{Predecessor, Upgrades};
use super::watcher::watch;
use super::worker::{Task, Worker};
use crate::admin::{AdminDoor, ControlSocket, OpenAdmin, View};
use crate::pool::discovery::resolve_unknown;
use crate::snapshot::Snapshot;

/// The edge: everything Portcullis runs.
pub struct Edge {
    /// What its parts share.
    pub process: Arc<Process>,
    /// What Pingora's parts are set up with.
    pub conf: Arc<ServerConf>,
    /// What each worker is told.
    pub workers: Vec<mpsc::UnboundedReceiver<Task>>,
    /// What is needed once.
    pub opening: Option<Opening>,
    /// Who reloads.
    pub reloader: Option<Reloader>,
    /// The admin listener.
    pub admin: Arc<AdminDoor>,
    /// Where reloads are asked for.
    pub reloads: Reloads,
    /// Where upgrades are.
    pub upgrades: Upgrades,
    /// Who wants to know that it serves.
    pub supervisor: Arc<Supervisor>,
}

/// What is needed once, when the process begins to serve.
pub struct Opening {
    /// The process whose place is taken.
    pub predecessor: Option<Predecessor>,
    /// The doors.
    pub ajar: Ajar,
    /// Where the admin listener goes.
    pub admin: OpenAdmin,
    /// Where the control socket goes.
    pub directory: Option<Directory>,
    /// The control socket, unless the predecessor still has it.
    pub control: Option<ControlSocket>,
    /// Where the PID file goes.
    pub pid_file: Option<PathBuf>,
    /// The PID file, unless it is the predecessor's still.
    pub written: Option<PidFile>,
    /// Requests for reloads.
    pub requests: Requests,
    /// Generations that are not in force any more.
    pub retiring: mpsc::UnboundedReceiver<Arc<Snapshot>>,
}

impl Edge {
    fn start_workers(&mut self) -> std::io::Result<()> {
        for (number, tasks) in self.workers.drain(..).enumerate() {
            let (conf, snapshot, live) = (
                Arc::clone(&self.conf),
                Arc::clone(&self.process.snapshot),
                Arc::clone(&self.process.live),
            );
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    runtime.block_on(async {
                        let worker = Arc::new(Worker::new(number, &conf, snapshot, live));
                        worker.run(tasks).await;
                    });
                })?;
        }
        Ok(())
    }

    /// From here on the process serves.
    async fn open(&mut self, opening: Opening) -> std::io::Result<()> {
        let process = Arc::clone(&self.process);
        let snapshot = process.snapshot.load_full();
        resolve_unknown(&snapshot.lookups, &process.state, RESOLVE_LIMIT).await;
        let doors = opening.ajar.doors();
        for door in doors {
            log::info!(
                "listener {} is listening on {}",
                door.listener().name,
                door.address
            );
        }
        let mut predecessor = opening.predecessor;
        if let Some(predecessor) = &mut predecessor {
            let keys = doors.iter().map(|door| door.key().to_owned());
            // The only thing there is to do now, so this thread may wait for it.
            predecessor.ready(keys.chain(opening.admin.key()).collect())?;
        }
        let moved = process
            .doors()
            .change(opening.ajar, &snapshot.listeners, &Default::default());
        log::debug!("{} doors are open", moved.opened.len());
        if let Some(line) = self.admin.change(opening.admin) {
            log::info!("{line}");
        }
        self.open_files(
            opening.directory,
            opening.control,
            opening.pid_file,
            opening.written,
        );
        process.readiness.set_serving(true);
        if let Some(predecessor) = predecessor {
            let gauge = process.state.metrics.predecessor_connections.clone();
            predecessor.serving(gauge);
        }
        let generation = snapshot.generation;
        self.supervisor.ready(&format!("generation {generation}"));
        self.start_tasks(opening.requests, opening.retiring, &snapshot);
        log::info!("ready");
        Ok(())
    }

    fn open_files(
        &self,
        directory: Option<Directory>,
        control: Option<ControlSocket>,
        pid_file: Option<PathBuf>,
        written: Option<PidFile>,
    ) {
        // A process that has taken over serves, whatever becomes of its files.
        let complain = |what: &str, error: &dyn std::fmt::Display| log::error!("{what}: {error}");
        let control = control.or_else(|| {
            ControlSocket::open(directory.as_ref()?, true)
                .inspect_err(|error| complain("control socket", error))
                .ok()
        });
        if let Some(mut control) = control {
            let view = View {
                process: Arc::clone(&self.process),
                reloads: self.reloads.clone(),
                upgrades: Some(self.upgrades.clone()),
            };
            if let Err(error) = control.serve(Arc::new(view)) {
                complain("control socket", &error);
            }
            self.process.keep(control);
        }
        let written = written.or_else(|| {
            PidFile::write(pid_file.as_ref()?)
                .inspect_err(|error| complain("PID file", error))
                .ok()
        });
        if let Some(written) = written {
            self.process.keep(written);
        }
    }

    fn start_tasks(
        &mut self,
        requests: Requests,
        retiring: mpsc::UnboundedReceiver<Arc<Snapshot>>,
        snapshot: &Snapshot,
    ) {
        let process = Arc::clone(&self.process);
        if let Some(mut reloader) = self.reloader.take() {
            reloader.lookups = Lookups::start(snapshot, &process.state);
            tokio::spawn(reloader.serve(requests));
        }
        tokio::spawn(watch(Arc::clone(&process), self.reloads.clone()));
        let alive = process.state.metrics.generations.clone();
        alive.set(1);
        tokio::spawn(retired::keep(retiring, alive, move || {
            process.state.forget_unused();
            process.doors().tell_workers(|| Task::ForgetEndpoints);
        }));
    }
}

#[async_trait]
impl Service for Edge {
    async fn start_service(&mut self, _: Option<ListenFds>, mut shutdown: ShutdownWatch, _: usize) {
        if let Err(error) = self.start_workers() {
            // Without its threads the process would look alive and serve nobody.
            log::error!("worker: {error}");
            std::process::exit(1);
        }
        if let Some(opening) = self.opening.take()
            && let Err(error) = self.open(opening).await
        {
            log::error!("upgrade: the old process did not hand over: {error}");
            std::process::exit(7);
        }
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
