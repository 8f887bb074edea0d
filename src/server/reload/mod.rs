//! How does another configuration take over while everything goes on? Read, compile, bind what is new, and only then
//! swap: all or nothing. One at a time; who asks while one runs gets the answer of the next.

pub mod prepare;
pub mod retired;
pub mod watcher;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};

use crate::admin::{AdminDoor, OpenAdmin, ReloadReport, ReloadResult};
use crate::config::diff;
use crate::config::{Config, Diagnostic, Diagnostics};
use crate::pool::discovery::{keep_resolved, resolve_unknown};
use crate::server::door::Door;
use crate::server::door::doors::{Ajar, Inherited, NotBound};
use crate::server::door::listen::BindError;
use crate::server::process::Process;
use crate::server::run;
use crate::server::supervisor::Supervisor;
use crate::snapshot::{Fingerprints, Snapshot};
use crate::telemetry::process_log::ProcessLog;
use crate::upstream::key_sets::{Keeping, fetch_unknown};
use prepare::{Prepared, Source};

/// How long a reload waits for host names that nobody has looked up yet. Past it the pool begins without them, as it
/// does at a start: one name that can't be resolved must not hold everything up.
pub const RESOLVE_LIMIT: Duration = Duration::from_secs(3);

/// How many lines about a reload go to the log.
const LOGGED_LINES: usize = 25;

/// How many may wait for a reload at once.
const WAITING: usize = 64;

/// Where reloads are asked for.
#[derive(Clone, Debug)]
pub struct Reloads(mpsc::Sender<Request>);

#[derive(Debug)]
struct Request {
    who: String,
    answer: Option<oneshot::Sender<ReloadReport>>,
}

impl Reloads {
    /// A place to ask, and the requests that come of it.
    pub fn new() -> (Self, Requests) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), Requests(receiver))
    }

    /// Asks for a reload and does not wait for it.
    pub fn request(&self, who: &str) {
        let request = Request {
            who: who.to_owned(),
            answer: None,
        };
        // If that many wait already, the next reload is theirs and this one's.
        let _ = self.0.try_send(request);
    }

    /// Asks for a reload and waits for what comes of it; `None` if the process ends before.
    pub async fn ask(&self, who: String) -> Option<ReloadReport> {
        let (sender, answer) = oneshot::channel();
        let request = Request {
            who,
            answer: Some(sender),
        };
        self.0.send(request).await.ok()?;
        answer.await.ok()
    }
}

/// Requests for a reload.
pub struct Requests(mpsc::Receiver<Request>);

impl Requests {
    /// The next request, with all others that have come.
    async fn next(&mut self) -> Option<Vec<Request>> {
        let mut requests = vec![self.0.recv().await?];
        while let Ok(more) = self.0.try_recv() {
            requests.push(more);
        }
        Some(requests)
    }
}

/// Reloads the configuration of a process.
pub struct Reloader {
    /// The process.
    pub process: Arc<Process>,
    /// How its configuration is read.
    pub source: Source,
    /// The admin listener.
    pub admin: Arc<AdminDoor>,
    /// The process log.
    pub log: Arc<ProcessLog>,
    /// Who wants to know when a reload begins and ends.
    pub supervisor: Arc<Supervisor>,
    /// The look-ups of host names of the generation in force.
    pub lookups: Lookups,
    /// The key sets that are kept up to date.
    pub keeping: Keeping,
    /// Where former generations go.
    pub retired: mpsc::UnboundedSender<Arc<Snapshot>>,
}

impl Reloader {
    /// Serves requests for as long as the process runs.
    pub async fn serve(mut self, mut requests: Requests) {
        while let Some(requests) = requests.next().await {
            let mut who: Vec<&str> = requests.iter().map(|one| &*one.who).collect();
            who.dedup();
            let who = who.join(", ");
            let report = self.reload(&who).await;
            for request in requests {
                if let Some(answer) = request.answer {
                    // Who asked may not have waited.
                    let _ = answer.send(report.clone());
                }
            }
        }
    }

    async fn reload(&mut self, who: &str) -> ReloadReport {
        let process = Arc::clone(&self.process);
        let _turn = process.turn.lock().await;
        if process.is_leaving() {
            return self.rejected(vec!["the process is stopping".to_owned()]);
        }
        self.supervisor.reloading();
        let report = match self.try_reload().await {
            Ok(report) | Err(report) => report,
        };
        tell(&report, who);
        self.process
            .state
            .metrics
            .reloaded(report.result, SystemTime::now());
        if !process.is_leaving() {
            self.supervisor.ready(&status(&process, &report));
        }
        report
    }

    async fn try_reload(&mut self) -> Result<ReloadReport, ReloadReport> {
        let (source, state) = (Arc::clone(&self.source), Arc::clone(&self.process.state));
        let Some(prepared) = behind_requests(move || source(&state)).await else {
            return Err(self.rejected(vec!["reading it failed in an unexpected way".to_owned()]));
        };
        let Prepared {
            config,
            snapshot,
            diagnostics,
            hash,
            watched,
        } = prepared;
        let former = self.process.watched.load_full();
        // What is refused may have been read in part: what was read before is watched on.
        let watched = if snapshot.is_some() {
            watched
        } else {
            watched.with(&former)
        };
        self.process.watched.store(Arc::new(watched));
        let Some(snapshot) = snapshot else {
            return Err(self.rejected(lines(&diagnostics)));
        };
        let old = self.process.snapshot.load_full();
        let difference = diff::diff(&self.process.config.load(), &config);
        let files = changed_files(&old.files, &snapshot.files);
        if !difference.needs_upgrade.is_empty() {
            return Err(ReloadReport {
                needs_upgrade: difference
                    .needs_upgrade
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                ..self.report(ReloadResult::NeedsUpgrade)
            });
        }
        let is_open = self.process.doors().has_all(&old.listeners);
        if difference.is_empty() && files.is_empty() && is_open {
            return Ok(self.report(ReloadResult::Unchanged));
        }
        let ready = self.make_ready(&config, snapshot, &old, hash).await?;
        let mut report = self.report(ReloadResult::Applied);
        report.diagnostics = lines(&diagnostics);
        report.changes = difference.changes.iter().map(ToString::to_string).collect();
        report.changes.extend(files);
        let closing = self.swap(config, ready, old, &mut report);
        // What is said to be closed is closed. A door that has no descriptor to accept with may take longer.
        let _ = tokio::time::timeout(SHUT, closing.shut()).await;
        Ok(report)
    }

    /// Gets everything that can fail.
    async fn make_ready(
        &self,
        config: &Config,
        mut snapshot: Snapshot,
        old: &Snapshot,
        hash: u64,
    ) -> Result<Ready, ReloadReport> {
        let (lookups, state) = (&snapshot.lookups, &self.process.state);
        resolve_unknown(lookups, &snapshot.resolver, state, RESOLVE_LIMIT).await;
        fetch_unknown(&snapshot.key_fetches, &snapshot.resolver, RESOLVE_LIMIT).await;
        let metrics = &self.process.state.metrics;
        let mut problems = Diagnostics::default();
        // What it masks depends on routes too.
        snapshot.access_log = if snapshot.logging == old.logging {
            old.access_log.clone()
        } else {
            let opened = run::open_access_log(snapshot.logging.as_ref(), metrics);
            let opened = opened.map_err(|error| {
                let position = config.access_log.path.position.clone();
                problems.push(Diagnostic::error("access_log.path", error.to_string()).at(position));
            });
            opened.ok().flatten().map(Arc::new)
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
            return Err(self.rejected(vec!["opening it failed in an unexpected way".to_owned()]));
        };
        let ajar = ajar.map_err(|failed| not_bound(config, &failed, &mut problems));
        let admin = admin.map_err(|error| admin_not_bound(config, &error, &mut problems));
        let (Ok(ajar), Ok(admin), true) = (ajar, admin, problems.is_empty()) else {
            return Err(self.rejected(lines(&problems)));
        };
        Ok(Ready {
            snapshot,
            hash,
            ajar,
            admin,
        })
    }

    /// Puts it in force. Nothing here fails, but that another process may listen at an address since it was prepared: that
    /// is in the report, and the next reload tries again.
    fn swap(
        &mut self,
        config: Config,
        mut ready: Ready,
        old: Arc<Snapshot>,
        report: &mut ReloadReport,
    ) -> Closing {
        let process = &self.process;
        report.generation = old.generation + 1;
        ready.snapshot.generation = report.generation;
        let reconnect = reconnecting((&process.config.load(), &old), (&config, &ready.snapshot));
        let snapshot = Arc::new(ready.snapshot);
        process.snapshot.store(Arc::clone(&snapshot));
        process.state.members_changed.notify_one();
        let moved = process
            .doors()
            .change(ready.ajar, &snapshot.listeners, &reconnect);
        for door in &moved.opened {
            let line = format!(
                "listener {} is listening on {}",
                door.listener().name,
                door.address
            );
            log::info!("{line}");
            report.changes.push(line);
        }
        for door in &moved.closed {
            let name = Arc::clone(&door.listener().name);
            let (address, who_else) = (
                &door.address,
                match door.passed {
                    true => {
                        ", but its socket is open: whoever passed it (systemd) has it until its unit is stopped"
                    }
                    false => "",
                },
            );
            report.changes.push(format!(
                "listener {name} is not listening on {address} any more{who_else}"
            ));
        }
        let mut problems = Diagnostics::default();
        not_bound(&config, &moved.failed, &mut problems);
        let mut closing = Closing {
            doors: moved.closed,
            admin: None,
        };
        match self.admin.change(ready.admin) {
            Ok(None) => {}
            Ok(Some(moved)) => {
                log::info!("{}", moved.line);
                report.changes.push(moved.line);
                closing.admin = moved.former;
            }
            Err(error) => admin_not_bound(&config, &error, &mut problems),
        }
        report.diagnostics.extend(lines(&problems));
        if config.log != process.config.load().log {
            let (format, level) = (run::log_format(&config), config.log.level.as_str());
            if let Err(error) = self.log.change(format, level) {
                log::error!("process log: {error}");
            }
        }
        self.lookups = Lookups::start(&snapshot, &process.state);
        snapshot.look_after_shared_limits();
        self.keeping = Keeping::start(&snapshot.key_fetches, &snapshot.resolver);
        snapshot.put_in_force();
        process.state.forget_unused();
        let lookups = snapshot.lookups.iter();
        let questions = lookups.flat_map(|lookup| lookup.source.questions());
        process.state.names.keep_only(&questions.collect());
        process.forget_endpoints();
        process.config.store(Arc::new(config));
        let metrics = &process.state.metrics;
        metrics.configured(report.generation, ready.hash, SystemTime::now());
        // It ends only with the process.
        let _ = self.retired.send(old);
        closing
    }

    fn report(&self, result: ReloadResult) -> ReloadReport {
        ReloadReport {
            result,
            generation: self.process.snapshot.load().generation,
            changes: Vec::new(),
            diagnostics: Vec::new(),
            needs_upgrade: Vec::new(),
        }
    }

    fn rejected(&self, diagnostics: Vec<String>) -> ReloadReport {
        ReloadReport {
            diagnostics,
            ..self.report(ReloadResult::Rejected)
        }
    }
}

/// How much less than others a thread of a reload wants the processor (nice(1)).
const NICE: i32 = 10;

/// Does work that may take the processor for long on a thread of its own, which lets those go first that serve requests;
/// `None` if it panicked.
async fn behind_requests<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, done) = oneshot::channel();
    let work = move || {
        // On Linux it is each thread that is nice, not the process.
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            log::debug!("a reload goes as fast as requests: {error}");
        }
        // The reload waits for it.
        let _ = sender.send(work());
    };
    let thread = std::thread::Builder::new().name("reload".to_owned());
    thread
        .spawn(work)
        .inspect_err(|error| log::error!("reload: {error}"))
        .ok()?;
    done.await.ok()
}

/// What the process serves, and why it is not what was to be reloaded.
fn status(process: &Process, report: &ReloadReport) -> String {
    let serves = process.status();
    let (word, why) = match report.result {
        ReloadResult::Applied | ReloadResult::Unchanged => return serves,
        ReloadResult::Rejected => ("rejected", &report.diagnostics),
        ReloadResult::NeedsUpgrade => ("needs an upgrade", &report.needs_upgrade),
    };
    // Warnings may come before what it was rejected for.
    let first = why.iter().find(|line| line.contains("error: "));
    let first = first.or(why.first()).map_or("", String::as_str);
    // A hint is a line of its own.
    let first = first.lines().next().unwrap_or_default();
    let more = match why.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    format!("{serves}; the last reload {word}: {first}{more}")
}

/// One line for the reload and one for each thing to know about it; what is too much for a log is in the answer.
fn tell(report: &ReloadReport, who: &str) {
    let level = match report.result {
        ReloadResult::Applied | ReloadResult::Unchanged => log::Level::Info,
        ReloadResult::Rejected | ReloadResult::NeedsUpgrade => log::Level::Error,
    };
    log::log!(level, "reload by {who}: {}", report.summary());
    // What is told about a configuration that is in force are warnings.
    let warning = level.min(log::Level::Warn);
    let warnings = report.diagnostics.iter().map(|line| (warning, line));
    let changes = report.changes.iter().chain(&report.needs_upgrade);
    let lines = || {
        warnings
            .clone()
            .chain(changes.clone().map(|line| (level, line)))
    };
    for (level, line) in lines().take(LOGGED_LINES) {
        log::log!(level, "reload: {}", line.replace("\n  ", "; "));
    }
    let more = lines().skip(LOGGED_LINES).count();
    if more > 0 {
        log::log!(level, "reload: and {more} more");
    }
}

/// How long doors may take to be shut before the answer says that they are.
const SHUT: Duration = Duration::from_secs(1);

/// What nobody is to come in by any more.
struct Closing {
    doors: Vec<Arc<Door>>,
    admin: Option<JoinHandle<()>>,
}

impl Closing {
    /// Resolves when everyone who waited outside is in.
    async fn shut(self) {
        for door in &self.doors {
            door.shut().await;
        }
        if let Some(admin) = self.admin {
            // It ends in no other way.
            let _ = admin.await;
        }
    }
}

/// A generation that has everything it needs.
struct Ready {
    snapshot: Snapshot,
    hash: u64,
    ajar: Ajar,
    admin: OpenAdmin,
}

/// The task that looks names up; it ends when this is dropped.
#[derive(Default)]
pub struct Lookups(Option<AbortHandle>);

impl Lookups {
    /// Looks up the names of a generation, from now on. To be called in a runtime.
    pub fn start(snapshot: &Snapshot, state: &Arc<crate::state::State>) -> Self {
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

fn lines(diagnostics: &Diagnostics) -> Vec<String> {
    diagnostics.iter().map(ToString::to_string).collect()
}

/// Files with another content under the same name; what was added or removed is told by the configuration.
pub fn changed_files(old: &Fingerprints, new: &Fingerprints) -> Vec<String> {
    let changed = |(path, now): &(&std::path::PathBuf, &crate::snapshot::Fingerprint)| {
        old.get(*path).is_some_and(|before| before != *now)
    };
    let changed = new.iter().filter(changed);
    changed
        .map(|(path, _)| format!("file {}: changed", path.display()))
        .collect()
}

fn not_bound(config: &Config, failed: &[NotBound], problems: &mut Diagnostics) {
    for NotBound { listener, error } in failed {
        let written = config
            .listeners
            .iter()
            .find(|written| *written.name.value == **listener);
        problems.push(
            Diagnostic::error(format!("listeners[{listener}].address"), error.to_string())
                .at(written.and_then(|written| written.address.position.clone())),
        );
    }
}

fn admin_not_bound(config: &Config, error: &BindError, problems: &mut Diagnostics) {
    let position = config.admin.address.position.clone();
    problems.push(Diagnostic::error("admin.address", error.to_string()).at(position));
}

/// The keys of the listeners at which what connections agreed on is not on offer any more.
fn reconnecting(
    (old, before): (&Config, &Snapshot),
    (new, now): (&Config, &Snapshot),
) -> HashSet<Arc<str>> {
    let written = old.listeners.iter().zip(&before.listeners);
    let before: HashMap<&str, _> = written.map(|(written, one)| (&*one.key, written)).collect();
    let mut keys = HashSet::new();
    for (written, listener) in new.listeners.iter().zip(&now.listeners) {
        let before = before.get(&*listener.key);
        if before.is_some_and(|before| diff::reconnects(before, written)) {
            keys.insert(Arc::clone(&listener.key));
        }
    }
    keys
}
