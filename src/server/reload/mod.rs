//! How does another configuration take over while everything goes on? Read, compile, bind what is new, and only then
//! swap: all or nothing. One at a time; who asks while one runs gets the answer of the next.

mod closing;
mod lookups;
pub mod prepare;
mod ready;
mod refusal;
mod requests;
pub mod retired;
mod told;
pub mod watcher;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{mpsc, oneshot};

use crate::admin::{AdminDoor, ReloadReport, ReloadResult};
use crate::config::{Config, Diagnostics, diff};
use crate::server::logs;
use crate::server::process::Process;
use crate::server::supervisor::Supervisor;
use crate::snapshot::Snapshot;
use crate::telemetry::process_log::ProcessLog;
use crate::upstream::key_sets::Keeping;
use closing::{Closing, SHUT};
pub use lookups::{Lookups, RESOLVE_LIMIT};
use prepare::{Prepared, Source};
use ready::Ready;
use refusal::Refusal;
pub use requests::{Reloads, Requests};
pub use told::changed_files;

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
            return Refusal::Failed("the process is stopping").report(self.generation());
        }
        self.supervisor.reloading();
        let (report, refusal) = match self.try_reload().await {
            Ok(report) => (report, None),
            Err(refusal) => (refusal.report(self.generation()), Some(refusal)),
        };
        for (level, line) in told::in_log(&report, who) {
            log::log!(level, "{line}");
        }
        self.process
            .state
            .metrics
            .reloaded(report.result, SystemTime::now());
        if !process.is_leaving() {
            let status = told::status(&process, refusal.as_ref());
            self.supervisor.ready(&status);
        }
        report
    }

    async fn try_reload(&mut self) -> Result<ReloadReport, Refusal> {
        let (source, state) = (Arc::clone(&self.source), Arc::clone(&self.process.state));
        let Some(prepared) = behind_requests(move || source(&state)).await else {
            return Err(Refusal::Failed("reading it failed in an unexpected way"));
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
            return Err(Refusal::Wrong(diagnostics));
        };
        let old = self.process.snapshot.load_full();
        let difference = diff::diff(&self.process.config.load(), &config);
        let files = changed_files(&old.files, &snapshot.files);
        if !difference.needs_upgrade.is_empty() {
            let settings = difference.needs_upgrade.iter();
            return Err(Refusal::NeedsUpgrade(
                settings.map(ToString::to_string).collect(),
            ));
        }
        let is_open = self.process.doors().has_all(&old.listeners);
        if difference.is_empty() && files.is_empty() && is_open {
            return Ok(told::report(ReloadResult::Unchanged, self.generation()));
        }
        let ready = self.make_ready(&config, snapshot, &old, hash).await?;
        let mut report = told::report(ReloadResult::Applied, self.generation());
        report.diagnostics = told::lines(&diagnostics);
        report.changes = difference.changes.iter().map(ToString::to_string).collect();
        report.changes.extend(files);
        let closing = self.swap(config, ready, old, &mut report);
        // What is said to be closed is closed. A door that has no descriptor to accept with may take longer.
        let _ = tokio::time::timeout(SHUT, closing.shut()).await;
        Ok(report)
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
            let line = told::opened(door);
            log::info!("{line}");
            report.changes.push(line);
        }
        for door in &moved.closed {
            report.changes.push(told::closed(door));
        }
        let mut problems = Diagnostics::default();
        told::not_bound(&config, &moved.failed, &mut problems);
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
            Err(error) => told::admin_not_bound(&config, &error, &mut problems),
        }
        report.diagnostics.extend(told::lines(&problems));
        if config.log != process.config.load().log {
            let (format, level) = (logs::log_format(&config), config.log.level.as_str());
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

    fn generation(&self) -> u64 {
        self.process.snapshot.load().generation
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
