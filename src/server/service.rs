//! How does Pingora's server run ours? As one service: it starts the workers, each a thread with a runtime of its own,
//! opens the doors, and does the work that belongs to no request.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::configuration::ServerConf;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use tokio::sync::{Notify, mpsc};

use crate::admin::{AdminDoor, ControlSocket, OpenAdmin, View};
use crate::pool::discovery::resolve_unknown;
use crate::proxy::cut_all;
use crate::server::checks::Checks;
use crate::server::door::doors::{Ajar, NotBound};
use crate::server::exit;
use crate::server::overload;
use crate::server::pid_file::PidFile;
use crate::server::process::Process;
use crate::server::reload::retired;
use crate::server::reload::watcher::watch;
use crate::server::reload::{Lookups, RESOLVE_LIMIT, Reloader, Reloads, Requests};
use crate::server::removed;
use crate::server::supervisor::Supervisor;
use crate::server::upgrade::{Predecessor, Upgrades};
use crate::server::watchdog;
use crate::server::worker::{Task, Worker};
use crate::snapshot::Snapshot;
use crate::upstream::key_sets::{Keeping, fetch_unknown};

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
    /// Told when signals are listened to.
    pub listening: Arc<Notify>,
}

/// What is needed once, when the process begins to serve.
pub struct Opening {
    /// The process whose place is taken.
    pub predecessor: Option<Predecessor>,
    /// The doors.
    pub ajar: Ajar,
    /// Where the admin listener goes.
    pub admin: OpenAdmin,
    /// The control socket.
    pub control: Control,
    /// The PID file.
    pub pid_file: OwnPid,
    /// Requests for reloads.
    pub requests: Requests,
    /// Generations that are not in force any more.
    pub retiring: mpsc::UnboundedReceiver<Arc<Snapshot>>,
    /// Where the workers are asked whether they work.
    pub watched: Vec<mpsc::UnboundedSender<Task>>,
}

/// The control socket of a process that begins.
pub enum Control {
    /// It is open.
    Open(ControlSocket),
    /// It is open beside that of the predecessor, and takes its place when that has agreed to go.
    OfPredecessor(ControlSocket),
    /// There is none.
    None,
}

/// The PID file of a process that begins.
pub enum OwnPid {
    /// It is there.
    Written(PidFile),
    /// It is to be taken over when the predecessor has agreed to go.
    OfPredecessor(PathBuf),
    /// There is none.
    None,
}

/// How long a start waits for the first checks of endpoints that are not in use before them (`initial: checking`).
const FIRST_CHECKS: Duration = Duration::from_secs(3);

/// Runs what waits for another process where that holds nobody up.
async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

impl Edge {
    /// Resolves when every worker is at work.
    async fn start_workers(&mut self) -> io::Result<()> {
        let (begun, mut beginning) = mpsc::channel::<()>(1);
        for (number, tasks) in self.workers.drain(..).enumerate() {
            let (conf, snapshot, live, shortage) = (
                Arc::clone(&self.conf),
                Arc::clone(&self.process.snapshot),
                Arc::clone(&self.process.live),
                Arc::clone(&self.process.shortage),
            );
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let begun = begun.clone();
            std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    let leave = runtime.block_on(async {
                        let worker = Arc::new(Worker::new(number, &conf, snapshot, live, shortage));
                        drop(begun);
                        worker.run(tasks).await
                    });
                    // Drops the requests that are under way, which write their lines. What works off the thread is not
                    // waited for.
                    if let Some(leave) = leave {
                        leave.with_others(|| cut_all(|| runtime.shutdown_background()));
                    }
                })?;
        }
        drop(begun);
        // Nothing is sent: it ends with the last of those who could.
        beginning.recv().await;
        Ok(())
    }

    /// From here on the process serves.
    async fn open(&mut self, opening: Opening) -> io::Result<()> {
        let process = Arc::clone(&self.process);
        let snapshot = process.snapshot.load_full();
        let (lookups, resolver) = (&snapshot.lookups, &snapshot.resolver);
        resolve_unknown(lookups, resolver, &process.state, RESOLVE_LIMIT).await;
        fetch_unknown(&snapshot.key_fetches, resolver, RESOLVE_LIMIT).await;
        Checks::start(&process);
        process.checks.settled(FIRST_CHECKS).await;
        let doors = opening.ajar.doors();
        for door in doors {
            let name = &door.listener().name;
            log::info!("listener {name} is listening on {}", door.address);
        }
        let keys = doors.iter().map(|door| door.key().to_owned());
        let keys: Vec<String> = keys.chain(opening.admin.key()).collect();
        let predecessor = match opening.predecessor {
            Some(mut predecessor) => Some(
                waiting(move || {
                    predecessor.ready(keys)?;
                    Ok(predecessor)
                })
                .await?,
            ),
            None => None,
        };
        let moved = process
            .doors()
            .change(opening.ajar, &snapshot.listeners, &HashSet::new());
        for NotBound { listener, error } in moved.failed {
            log::error!("listener {listener}: {error}");
        }
        match self.admin.change(opening.admin) {
            Ok(Some(moved)) => log::info!("{}", moved.line),
            Ok(None) => {}
            Err(error) => log::error!("admin: {error}"),
        }
        process.readiness.set_serving(true);
        if let Some(predecessor) = predecessor {
            let gauge = process.state.metrics.predecessor_connections.clone();
            if let Some(former) = waiting(move || predecessor.serving(gauge)).await? {
                process.follows(former);
            }
        }
        // Only now is it sure that these are this process's to take.
        self.take_control(opening.control);
        self.take_pid_file(opening.pid_file);
        process.settled();
        self.supervisor.ready(&process.status());
        tokio::spawn(watchdog::keep(
            Arc::clone(&self.supervisor),
            opening.watched,
        ));
        self.start_tasks(opening.requests, opening.retiring, &snapshot);
        log::info!("ready");
        Ok(())
    }

    /// A process that has taken over serves, whatever becomes of its files.
    fn take_control(&self, control: Control) {
        let opened = match control {
            Control::Open(control) => Ok(control),
            Control::OfPredecessor(control) => control.take_place(),
            Control::None => return,
        };
        let view = View {
            process: Arc::clone(&self.process),
            reloads: self.reloads.clone(),
            upgrades: Some(self.upgrades.clone()),
        };
        match opened {
            Ok(mut control) => {
                if let Err(error) = control.serve(Arc::new(view)) {
                    log::error!("control socket: {error}");
                }
                self.process.keep(control);
            }
            Err(error) => log::error!("control socket: {error}"),
        }
    }

    fn take_pid_file(&self, pid_file: OwnPid) {
        let written = match pid_file {
            OwnPid::Written(file) => Ok(file),
            OwnPid::OfPredecessor(path) => PidFile::write(&path),
            OwnPid::None => return,
        };
        match written {
            Ok(file) => self.process.keep(file),
            Err(error) => log::error!("PID file: {error}"),
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
            snapshot.look_after_shared_limits();
            reloader.keeping = Keeping::start(&snapshot.key_fetches, &snapshot.resolver);
            tokio::spawn(reloader.serve(requests));
        }
        tokio::spawn(watch(Arc::clone(&process), self.reloads.clone()));
        tokio::spawn(removed::forget(Arc::clone(&process)));
        tokio::spawn(overload::watch(Arc::clone(&process)));
        let alive = process.state.metrics.generations.clone();
        alive.set(1);
        tokio::spawn(retired::keep(retiring, alive, move || {
            process.state.forget_unused();
            process.forget_endpoints();
        }));
    }
}

#[async_trait]
impl Service for Edge {
    async fn start_service(&mut self, _: Option<ListenFds>, mut shutdown: ShutdownWatch, _: usize) {
        if let Err(error) = self.start_workers().await {
            // Without its threads the process would look alive and serve nobody.
            log::error!("worker: {error}");
            std::process::exit(exit::UNEXPECTED.into());
        }
        self.listening.notified().await;
        if let Some(opening) = self.opening.take()
            && let Err(error) = self.open(opening).await
        {
            log::error!("upgrade: the old process did not hand over: {error}");
            std::process::exit(exit::UPGRADE.into());
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
