//! How is a process put together? A page to read from top to bottom: configuration, state, generation, sockets, service.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use tokio::sync::watch;

use super::listen::{BindError, Bound, bind};
use super::live::Live;
use super::service::{Edge, Shard};
use super::signals::Stop;
use crate::admin::Admin;
use crate::config::load::Loaded;
use crate::config::{AccessLogFormat, Config, Diagnostics, ProcessLogFormat, load};
use crate::pool::Address;
use crate::snapshot::{Listener, Snapshot, Unread, compile};
use crate::state::State;
use crate::telemetry::access_log::{self, AccessLog, Destination};
use crate::telemetry::{Metrics, process_log};
use crate::upstream::system_roots;

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration has errors.
    #[error("{0}")]
    Config(Diagnostics),
    /// A listener's address can't be had.
    #[error("listener `{name}`: {error}")]
    Listener {
        /// The listener.
        name: String,
        /// Why.
        error: BindError,
    },
    /// The admin listener's address can't be had.
    #[error("admin listener: {0}")]
    Admin(BindError),
    /// The access log can't be written.
    #[error("access log {path}: {source}")]
    AccessLog {
        /// Where it should be.
        path: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Something that should not happen.
    #[error("{0}")]
    Other(String),
}

/// A configuration that was read and compiled.
pub struct Prepared {
    /// What was written, with defaults filled in.
    pub config: Config,
    /// Its generation, if it has no errors.
    pub snapshot: Option<Snapshot>,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
}

/// Reads and compiles the configuration whose main file is `path`.
pub fn prepare(path: &Path, state: &State) -> Prepared {
    let mut diagnostics = Diagnostics::default();
    let loaded = load::load(path, &environment, &mut diagnostics);
    prepare_loaded(loaded, diagnostics, state)
}

/// The value of a variable of the process's environment.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Compiles what was loaded.
pub fn prepare_loaded(
    loaded: Option<Loaded>,
    mut diagnostics: Diagnostics,
    state: &State,
) -> Prepared {
    let Some(loaded) = loaded else {
        return Prepared {
            config: Config::default(),
            snapshot: None,
            diagnostics,
        };
    };
    let mut read = Diagnostics::default();
    let config = Config::read(&loaded.root, &mut read);
    diagnostics.append_elsewhere(read);
    let unread = Unread::of(&loaded, &config);
    let compiled = compile(&config, state, &unread, SystemTime::now());
    diagnostics.append_elsewhere(compiled.diagnostics);
    let snapshot = compiled.snapshot.filter(|_| !diagnostics.has_errors());
    Prepared {
        config,
        snapshot,
        diagnostics,
    }
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
    access_log: Option<Arc<AccessLog>>,
}

/// Opens logs and sockets.
///
/// # Errors
///
/// A [`StartError`] for the first thing that can't be had.
pub fn start(prepared: Prepared, state: State) -> Result<Started, StartError> {
    let Some(mut snapshot) = prepared.snapshot else {
        return Err(StartError::Config(prepared.diagnostics));
    };
    let config = prepared.config;
    snapshot.access_log = open_access_log(&config, &state.metrics)?.map(Arc::new);
    let access_log = snapshot.access_log.clone();
    let threads = match usize::from(config.runtime.threads) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };

    let mut shards: Vec<Shard> = (0..threads).map(|_| Vec::new()).collect();
    let mut listeners = Vec::new();
    for listener in &snapshot.listeners {
        let Bound { address, sockets } =
            bind(&listener.address, threads).map_err(|error| StartError::Listener {
                name: listener.name.to_string(),
                error,
            })?;
        log::info!("listener {} is listening on {address}", listener.name);
        for (shard, socket) in shards.iter_mut().zip(sockets) {
            shard.push((Arc::clone(listener), socket));
        }
        listeners.push((Arc::clone(listener), address));
    }
    log::info!(
        "portcullis {}: {} listeners, {} routes, {} pools, {threads} workers",
        env!("CARGO_PKG_VERSION"),
        config.listeners.len(),
        config.routes.len(),
        config.pools.len(),
    );
    let state = Arc::new(state);
    let ready = Arc::new(AtomicBool::new(false));
    let live = Arc::new(Live::default());
    let admin = match &snapshot.admin {
        Some(address) => {
            let mut bound = bind(address, 1).map_err(StartError::Admin)?;
            log::info!("admin is listening on {}", bound.address);
            bound.sockets.pop().map(|socket| {
                (
                    bound.address,
                    Admin::new(socket, Arc::clone(&state.metrics), Arc::clone(&ready)),
                )
            })
        }
        None => None,
    };

    let conf = || server_conf(threads);
    let (stops, shards) = shards
        .into_iter()
        .map(|shard| {
            let (stop, stopped) = watch::channel(false);
            (stop, (shard, stopped))
        })
        .unzip();
    state
        .metrics
        .configured(snapshot.generation, SystemTime::now());
    let (admin_address, admin) = admin.unzip();
    let edge = Edge {
        snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
        state,
        conf: Arc::new(conf()),
        shards,
        admin,
        live: Arc::clone(&live),
        ready: Arc::clone(&ready),
    };
    let mut server = Server::new_with_opt_and_conf(None, conf());
    server.bootstrap();
    server.add_service(edge);
    let stop = Stop {
        workers: stops,
        live,
        ready,
        grace: config.runtime.grace.as_duration(),
        access_log: access_log.clone(),
    };
    let run = RunArgs {
        shutdown_signal: Box::new(stop),
    };
    Ok(Started {
        listeners,
        admin: admin_address,
        server,
        run,
        access_log,
    })
}

impl Started {
    /// Serves until a signal ends it.
    pub fn serve(self) {
        self.server.run(self.run);
        if let Some(log) = self.access_log {
            log.flush(Duration::from_secs(5));
        }
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
        max_retries: 4,
        ca_file: system_roots::ca_file(),
        ..ServerConf::default()
    }
}

fn open_access_log(config: &Config, metrics: &Metrics) -> Result<Option<AccessLog>, StartError> {
    let written = &config.access_log;
    let format = match written.format {
        AccessLogFormat::Off => return Ok(None),
        AccessLogFormat::Json => access_log::Format::Json,
        AccessLogFormat::Combined => access_log::Format::Combined,
    };
    let destination = match written.path.value.as_str() {
        "stdout" => Destination::Stdout,
        "stderr" => Destination::Stderr,
        path => Destination::File(path.into()),
    };
    let settings = access_log::Settings {
        destination,
        format,
        queue_bytes: written.queue.as_usize(),
    };
    match AccessLog::open(&settings, metrics.access_log.clone()) {
        Ok(log) => Ok(Some(log)),
        Err(source) => Err(StartError::AccessLog {
            path: written.path.value.clone(),
            source,
        }),
    }
}

/// Starts the process log.
///
/// # Errors
///
/// It was started before.
pub fn start_process_log(config: &Config) -> Result<(), StartError> {
    let format = match config.log.format {
        ProcessLogFormat::Text => process_log::Format::Text,
        ProcessLogFormat::Json => process_log::Format::Json,
    };
    process_log::init(format, config.log.level.as_str())
        .map(drop)
        .map_err(|error| StartError::Other(format!("process log: {error}")))
}
