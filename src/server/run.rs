//! How is a process put together? A page to read from top to bottom: predecessor, configuration, state, generation,
//! sockets, service.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use tokio::sync::{Mutex, Notify, mpsc};

use crate::admin::{AdminDoor, ControlSocket, View, admin_key};
use crate::config::Config;
use crate::pool::Address;
use crate::pool::retries::Retries;
use crate::server::descriptors;
use crate::server::directory::{AUTO, Directory};
use crate::server::door::doors::{Doors, Inherited};
use crate::server::door::passed::{Passed, Wanted};
use crate::server::exit::StartError;
use crate::server::logs;
use crate::server::pid_file::PidFile;
use crate::server::process::Process;
use crate::server::reload::prepare::{Prepared, Source};
use crate::server::reload::{Lookups, Reloader, Reloads};
use crate::server::service::{Control, Edge, Opening, OwnPid};
use crate::server::signals::{Signals, Taken};
use crate::server::supervisor::Supervisor;
use crate::server::upgrade::{NewProcess, Predecessor, Upgrader, Upgrades};
use crate::snapshot::{Listener, Snapshot};
use crate::state::State;
use crate::telemetry::Metrics;
use crate::upstream::key_sets::Keeping;
use crate::upstream::system_roots;

/// What is to be run.
pub struct Launch {
    /// How the configuration is read.
    pub source: Source,
    /// Its main file, from which another process can be started; `None` if it is not in a file.
    pub path: Option<PathBuf>,
    /// Where a process waits that is to be succeeded.
    pub take_over: Option<PathBuf>,
    /// Sockets that whoever started this process has opened for it.
    pub passed: Passed,
}

/// A new memory.
///
/// # Errors
///
/// None that an input leads to.
pub fn new_state() -> Result<State, StartError> {
    let metrics = Metrics::new().map_err(|error| StartError::Other(error.to_string()))?;
    Ok(State::new(Arc::new(metrics)))
}

/// A process that has its sockets and is about to serve.
pub struct Started {
    /// Where each listener really is.
    pub listeners: Vec<(Arc<Listener>, Address)>,
    /// Where the admin listener really is.
    pub admin: Option<Address>,
    server: Server,
    run: RunArgs,
    process: Arc<Process>,
}

/// Reads the configuration, and opens logs and sockets. A process that is to be succeeded hears why if that fails.
///
/// # Errors
///
/// A [`StartError`] for what can't be had.
pub fn launch(launch: Launch, state: State) -> Result<Started, StartError> {
    let mut predecessor = match &launch.take_over {
        Some(socket) => Some(Predecessor::meet(socket).map_err(StartError::TakeOver)?),
        None => None,
    };
    let started = start(launch, state, &mut predecessor);
    if let (Err(error), Some(predecessor)) = (&started, &predecessor) {
        predecessor.refuse(&error.to_string());
    }
    started
}

fn start(
    launch: Launch,
    state: State,
    predecessor: &mut Option<Predecessor>,
) -> Result<Started, StartError> {
    let succeeds = predecessor.is_some();
    let mut inherited = Inherited::new();
    let mut generation = 1;
    if let Some(predecessor) = predecessor {
        predecessor.remember(&state);
        inherited = std::mem::take(&mut predecessor.sockets);
        generation = predecessor.memory.generation + 1;
    }
    let Prepared {
        config,
        snapshot,
        diagnostics,
        hash,
        watched,
    } = (launch.source)(&state);
    let Some(mut snapshot) = snapshot else {
        return Err(StartError::Config(diagnostics));
    };
    let log = Arc::new(logs::start_process_log(&config)?);
    // From here on there is something to tidy up, and below there are threads.
    let taken = Taken::all().map_err(|error| StartError::Other(format!("signals: {error}")))?;
    for warning in diagnostics.iter() {
        let place = warning.position.as_ref();
        let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
        log::warn!("{place}{}: {}", warning.key, warning.message);
    }
    snapshot.generation = generation;
    snapshot.access_log = logs::open_access_log(snapshot.access_log_settings.as_ref(), &state)?;
    let disk = state.cache.open_disk(&snapshot.cache, &state.metrics.disk);
    snapshot.disk = disk.map_err(StartError::CacheDisk)?;
    let state = Arc::new(state);
    let threads = workers(&config);

    state
        .metrics
        .workers
        .set(i64::try_from(threads).unwrap_or(i64::MAX));

    let (tasks, workers): (Vec<_>, Vec<_>) =
        (0..threads).map(|_| mpsc::unbounded_channel()).unzip();
    let doors = Doors::new(tasks.clone());
    let mut plan = doors.plan();
    plan.succeed(&inherited);
    if !succeeds {
        claim(launch.passed, &snapshot, threads, &mut inherited)?;
    }
    let ajar = plan
        .prepare(&snapshot.listeners, &mut inherited)
        .map_err(StartError::Listeners)?;
    let wanted = snapshot.admin.clone();
    state
        .metrics
        .configured(generation, hash, SystemTime::now());
    log::info!(
        "portcullis {}: {} listeners, {} routes, {} pools, {threads} workers",
        env!("CARGO_PKG_VERSION"),
        config.listeners.len(),
        config.routes.len(),
        config.pools.len(),
    );
    descriptors::raise();
    log::info!("connections: {}", snapshot.most_connections);
    if let Some(memory) = &snapshot.most_memory {
        log::info!("memory: {memory}");
    }
    let runtime = config.runtime.clone();
    let process = Arc::new(Process::new(config, snapshot, state, doors, watched));
    if let Some(predecessor) = &predecessor {
        process.readiness.set_drained(predecessor.memory.drained);
    }
    let (reloads, requests) = Reloads::new();
    let admin = Arc::new(AdminDoor::new(Arc::new(View {
        process: Arc::clone(&process),
        reloads: reloads.clone(),
        upgrades: None,
    })));
    let open_admin = admin
        .prepare(wanted.as_ref(), &plan.ours, &mut inherited)
        .map_err(StartError::Admin)?;
    let directory = match &launch.path {
        Some(path) => directory(&runtime.directory.value, path)?,
        None => None,
    };
    let control = match (&directory, &predecessor) {
        (Some(directory), predecessor) => {
            let predecessor = predecessor.as_ref().map(Predecessor::pid);
            control(directory, &runtime.directory.value, predecessor)?
        }
        (None, _) => Control::None,
    };
    let pid_file = match runtime.pid_file {
        Some(path) => pid_file(path.value, succeeds)?,
        None => OwnPid::None,
    };
    let supervisor = Arc::new(Supervisor::from_environment(succeeds));
    let upgrades = Upgrades::new(Upgrader {
        process: Arc::clone(&process),
        admin: Arc::clone(&admin),
        directory: directory.clone(),
        usual: launch.path.and_then(usual),
        supervisor: Arc::clone(&supervisor),
    });
    let (retired, retiring) = mpsc::unbounded_channel();
    let listeners = ajar.doors().iter();
    let listeners = listeners.map(|door| (door.listener(), door.address.clone()));
    let listeners = listeners.collect();
    let admin_address = open_admin.address().cloned();
    let listening = Arc::new(Notify::new());
    let edge = Edge {
        process: Arc::clone(&process),
        conf: Arc::new(server_conf(threads)),
        workers,
        opening: Some(Opening {
            predecessor: predecessor.take(),
            ajar,
            admin: open_admin,
            control,
            pid_file,
            requests,
            retiring,
            watched: tasks,
        }),
        reloader: Some(Reloader {
            process: Arc::clone(&process),
            source: launch.source,
            admin: Arc::clone(&admin),
            log,
            supervisor: Arc::clone(&supervisor),
            lookups: Lookups::default(),
            keeping: Keeping::default(),
            retired,
        }),
        admin: Arc::clone(&admin),
        reloads: reloads.clone(),
        upgrades: upgrades.clone(),
        supervisor: Arc::clone(&supervisor),
        listening: Arc::clone(&listening),
    };
    let mut server = Server::new_with_opt_and_conf(None, server_conf(threads));
    server.bootstrap();
    server.add_service(edge);
    let signals = Signals {
        taken: Mutex::new(taken),
        admin: Arc::clone(&admin),
        process: Arc::clone(&process),
        reloads,
        upgrades,
        supervisor,
        listening,
    };
    Ok(Started {
        listeners,
        admin: admin_address,
        server,
        run: RunArgs {
            shutdown_signal: Box::new(signals),
        },
        process,
    })
}

impl Started {
    /// Serves until a signal, or a successor, ends it.
    pub fn serve(self) {
        // They are the first generation's, which ends with a reload.
        drop(self.listeners);
        self.server.run(self.run);
        self.process.end_work();
        self.process.remove_files();
    }
}

/// Takes the sockets that were passed for the listeners at their addresses.
fn claim(
    passed: Passed,
    snapshot: &Snapshot,
    workers: usize,
    inherited: &mut Inherited,
) -> Result<(), StartError> {
    let admin = snapshot.admin.as_ref();
    let admin = admin.map(|address| (admin_key(address), address));
    let mut wanted: Vec<Wanted> = snapshot
        .listeners
        .iter()
        .map(|listener| Wanted {
            key: &listener.key,
            address: &listener.address,
            workers,
        })
        .collect();
    wanted.extend(admin.as_ref().map(|(key, address)| Wanted {
        key,
        address,
        workers: 1,
    }));
    let told = passed.claim(&wanted, inherited);
    let told = told.map_err(|error| StartError::Other(format!("sockets passed: {error}")))?;
    for line in told {
        log::warn!("socket passed: {line}");
    }
    for given in inherited.values() {
        log::info!("socket passed: {} is taken", given.address);
    }
    Ok(())
}

/// A directory that goes by itself may be missing: the process then has no control socket, and signals still work.
fn directory(configured: &str, path: &Path) -> Result<Option<Directory>, StartError> {
    match Directory::create(configured, path) {
        Ok(directory) => Ok(Some(directory)),
        Err(error) if configured == AUTO => {
            log::warn!("without a control socket: {error}; see `runtime.directory`");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn control(
    directory: &Directory,
    configured: &str,
    predecessor: Option<u32>,
) -> Result<Control, StartError> {
    let opened = match predecessor {
        Some(pid) => ControlSocket::beside(directory, pid).map(Control::OfPredecessor),
        None => ControlSocket::open(directory).map(Control::Open),
    };
    match opened {
        Ok(control) => Ok(control),
        Err(error) if configured == AUTO => {
            log::warn!("without a control socket: {error}; see `runtime.directory`");
            Ok(Control::None)
        }
        Err(error) => Err(error.into()),
    }
}

fn pid_file(path: String, succeeds: bool) -> Result<OwnPid, StartError> {
    let place = Path::new(&path);
    let had = match succeeds {
        true => PidFile::try_out(place).map(|()| OwnPid::OfPredecessor(place.to_owned())),
        false => PidFile::write(place).map(OwnPid::Written),
    };
    had.map_err(|source| StartError::PidFile { path, source })
}

/// What an upgrade starts: what this process was started by, which may be another file by then, or a link to another.
fn usual(config: PathBuf) -> Option<NewProcess> {
    let name = std::env::args_os().next().map(PathBuf::from);
    let binary = match name.and_then(found) {
        Some(binary) => binary,
        None => std::env::current_exe()
            .inspect_err(|error| log::warn!("the path of the binary is unknown: {error}"))
            .ok()?,
    };
    Some(NewProcess { binary, config })
}

/// The file that a name on a command line means.
fn found(name: PathBuf) -> Option<PathBuf> {
    if name.components().count() > 1 {
        return std::path::absolute(name).ok().filter(|path| path.exists());
    }
    let places = std::env::var_os("PATH")?;
    let mut files = std::env::split_paths(&places).map(|place| place.join(&name));
    files.find(|file| file.is_absolute() && file.is_file())
}

/// As often as one request can be sent at most: each attempt once more, should its connection turn out to be closed.
const ATTEMPTS: usize = 2 * (1 + Retries::MOST as usize);

/// How many threads serve connections.
pub fn workers(config: &Config) -> usize {
    match usize::from(config.runtime.threads) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

fn server_conf(threads: usize) -> ServerConf {
    ServerConf {
        threads: 1,
        work_stealing: false,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        // For the whole process, of which each worker's connector sees its part.
        upstream_keepalive_pool_size: 1024 * threads,
        // Attempts in all; retries are decided by our hooks, this only bounds them.
        max_retries: ATTEMPTS,
        ca_file: system_roots::ca_file(),
        ..ServerConf::default()
    }
}
