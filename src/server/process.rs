//! What do the parts of a running process share?

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::admin::Askers;
use crate::config::Config;
use crate::server::checks::Checks;
use crate::server::door::Queue;
use crate::server::door::doors::Doors;
use crate::server::door::live::Live;
use crate::server::door::shortage::Shortage;
use crate::server::leave::{self, Leave};
use crate::server::reload::watcher::Watched;
use crate::server::upgrade::Former;
use crate::server::worker::Task;
use crate::snapshot::Snapshot;
use crate::state::State;

/// How long the workers may take to stop, and to drop what is under way.
const LAST_WORK: Duration = Duration::from_secs(3);

/// How long the last lines of the access logs may take.
const LAST_LINES: Duration = Duration::from_secs(5);

/// A running process.
pub struct Process {
    /// The generation in force.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// What the operator wrote for it.
    pub config: ArcSwap<Config>,
    /// What outlives it.
    pub state: Arc<State>,
    /// The connections of clients.
    pub live: Arc<Live>,
    /// Whether descriptors are short.
    pub shortage: Arc<Shortage>,
    /// Those who look at the process or steer it.
    pub askers: Askers,
    /// What `/readyz` says.
    pub readiness: Readiness,
    doors: Mutex<Doors>,
    /// Files that are removed when the process ends.
    files: Mutex<Vec<Box<dyn Send>>>,
    /// What the configuration was read from last.
    pub watched: ArcSwap<Watched>,
    /// The health checks of its endpoints.
    pub checks: Checks,
    /// Held by whoever changes the process: one reload or upgrade at a time.
    pub turn: tokio::sync::Mutex<()>,
    /// New processes that were started to take over, and have not done so yet.
    pub starting: Arc<Live>,
    /// Whether the process was asked to end.
    stopping: watch::Sender<bool>,
    /// The keys of the doors that a new process was told to take, from that word on. To end and to hand over exclude each
    /// other: whoever does either holds this.
    heir: Mutex<Option<HashSet<String>>>,
    /// The process that was succeeded.
    former: Mutex<Option<Former>>,
    /// The process that has taken over, once there is one.
    successor: watch::Sender<Option<Successor>>,
}

/// The process that has taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Successor {
    /// Its number.
    pub pid: u32,
}

impl Process {
    /// A process that is about to serve this generation.
    pub fn new(
        config: Config,
        snapshot: Snapshot,
        state: Arc<State>,
        doors: Doors,
        watched: Watched,
    ) -> Self {
        snapshot.put_in_force();
        Self {
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
            config: ArcSwap::from_pointee(config),
            state,
            live: Arc::default(),
            shortage: Arc::default(),
            askers: Askers::default(),
            readiness: Readiness::default(),
            doors: Mutex::new(doors),
            files: Mutex::default(),
            watched: ArcSwap::from_pointee(watched),
            checks: Checks::default(),
            turn: tokio::sync::Mutex::default(),
            starting: Arc::default(),
            stopping: watch::Sender::new(false),
            heir: Mutex::default(),
            former: Mutex::default(),
            successor: watch::Sender::new(None),
        }
    }

    /// The doors; to be held for a moment only.
    pub fn doors(&self) -> MutexGuard<'_, Doors> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it serves, in a few words.
    pub fn status(&self) -> String {
        let config = self.config.load();
        format!(
            "generation {}: {} listeners, {} routes, {} pools",
            self.snapshot.load().generation,
            config.listeners.len(),
            config.routes.len(),
            config.pools.len()
        )
    }

    /// Closes idle connections to endpoints that the generation in force does not have.
    pub fn forget_endpoints(&self) {
        let known = Arc::new(self.snapshot.load().peers());
        self.doors()
            .tell_workers(|| Task::KeepEndpoints(Arc::clone(&known)));
    }

    /// Ends the workers, and with them the requests that are under way, whose lines are the last ones of the access logs.
    pub fn end_work(&self) {
        let (logs, lost) = (
            &self.state.access_logs,
            &self.state.metrics.access_log.dropped,
        );
        let (until, lost_before) = (Instant::now() + LAST_WORK, lost.get());
        // All of them come at once, and hold nobody up.
        logs.wait_for_room(until);
        let tell = |order: &mut dyn FnMut() -> Leave| {
            self.doors().tell_workers(|| Task::Leave(order()));
        };
        let behind = leave::all(tell, until);
        if behind > 0 {
            log::warn!(
                "{behind} workers have not left in {LAST_WORK:?}: their requests may have no line in the access log"
            );
        }
        if !logs.flush(LAST_LINES) {
            log::warn!("the access log was not written to its end in {LAST_LINES:?}");
        }
        let lost = lost.get() - lost_before;
        if lost > 0 {
            log::warn!("the access log has lost {lost} lines at the end");
        }
    }

    /// Opens the access log anew, because it was moved away; those of generations and processes before as well.
    pub fn reopen_logs(&self, who: &str) {
        if self.state.access_logs.reopen() {
            log::info!("{who}: the access log is opened anew");
        }
        if let Some(former) = &*self.former.lock().unwrap_or_else(PoisonError::into_inner) {
            former.reopen();
        }
    }

    /// Says which process this one has succeeded.
    pub fn follows(&self, former: Former) {
        let mut known = self.former.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(former);
    }

    /// Tells the process before this one that whoever looks for the process finds this one.
    pub fn settled(&self) {
        if let Some(former) = &*self.former.lock().unwrap_or_else(PoisonError::into_inner) {
            former.settled();
        }
    }

    /// Tells the process before this one, if there is one, that both are to end.
    pub fn stop_former(&self) {
        if let Some(former) = &*self.former.lock().unwrap_or_else(PoisonError::into_inner) {
            former.stop();
        }
    }

    /// Resolves when the process before this one, if there is one, has ended.
    pub async fn alone(&self) {
        let gone = {
            let former = self.former.lock().unwrap_or_else(PoisonError::into_inner);
            former.as_ref().map(Former::gone)
        };
        if let Some(gone) = gone {
            gone.await;
        }
    }

    /// Keeps what removes a file when it is dropped, for as long as the process runs.
    pub fn keep(&self, file: impl Send + 'static) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.push(Box::new(file));
    }

    /// Removes its files.
    pub fn remove_files(&self) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.clear();
    }

    /// Says that the process was asked to end.
    pub fn stop(&self) {
        let _decided = self.heir();
        self.stopping.send_replace(true);
    }

    /// Lets a new process take these doors; false if this one was asked to end before that, and then it may not.
    pub fn hands_over(&self, doors: HashSet<String>) -> bool {
        let mut heir = self.heir();
        let may = !self.is_stopping();
        if may {
            *heir = Some(doors);
        }
        may
    }

    /// The new process that was let take over did not.
    pub fn takes_back(&self) {
        *self.heir() = None;
    }

    /// Whether a new process was let take over, be it that it has not said yet that it serves.
    pub fn has_heir(&self) -> bool {
        self.heir().is_some()
    }

    /// What becomes of those who wait at a door when this process closes it: whoever else has its socket serves them.
    pub fn queue_at(&self, door: &str, handshakes: Duration) -> Queue {
        match &*self.heir() {
            Some(heir) if heir.contains(door) => Queue::Leave,
            _ => Queue::Take { handshakes },
        }
    }

    fn heir(&self) -> MutexGuard<'_, Option<HashSet<String>>> {
        self.heir.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was asked to.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Resolves when it was asked to.
    pub async fn stopping(&self) {
        // The sender is in `self`.
        let _ = self
            .stopping
            .subscribe()
            .wait_for(|stopping| *stopping)
            .await;
    }

    /// Whether another process has taken over.
    pub fn is_succeeded(&self) -> bool {
        self.successor.borrow().is_some()
    }

    /// Whether it will end, one way or the other.
    pub fn is_leaving(&self) -> bool {
        self.is_stopping() || self.is_succeeded()
    }

    /// Says that another process has taken over.
    pub fn succeeded_by(&self, successor: Successor) {
        self.successor.send_replace(Some(successor));
    }

    /// Resolves when another process has taken over.
    pub async fn successor(&self) -> Successor {
        let mut successor = self.successor.subscribe();
        loop {
            if let Some(successor) = &*successor.borrow_and_update() {
                return successor.clone();
            }
            if successor.changed().await.is_err() {
                // The sender is in `self`.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Whether a balancer in front should send requests here.
#[derive(Debug, Default)]
pub struct Readiness {
    serving: AtomicBool,
    drained: AtomicBool,
}

impl Readiness {
    /// Whether it should.
    pub fn is_ready(&self) -> bool {
        self.serving.load(Ordering::Relaxed) && !self.is_drained()
    }

    /// Whether the operator wants no new requests here.
    pub fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }

    /// The process serves, or does not any more.
    pub fn set_serving(&self, serving: bool) {
        self.serving.store(serving, Ordering::Relaxed);
    }

    /// The operator's will; true if it was another before.
    pub fn set_drained(&self, drained: bool) -> bool {
        self.drained.swap(drained, Ordering::Relaxed) != drained
    }
}
