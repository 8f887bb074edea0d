//! Who asks the endpoints whether they are well, and when?
//!
//! One task for all of them, on the runtime that serves no request. It outlives generations: at a reload, and when the
//! addresses of a host name change, it takes in who is new, lets go who is gone, and goes on with the others where it was.

mod asked;
mod order;
#[cfg(test)]
pub(super) mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{self, JoinError, JoinSet};

use crate::admin::NotFound;
use crate::pool::endpoint::EndpointKey;
use crate::pool::health::check::Failure;
use crate::pool::health::schedule::{Id, Schedule};
use crate::pool::health::verdict::Initial;
use crate::server::process::Process;
use crate::upstream::probe::Probe;
use asked::Asked;
use order::Order;
pub use order::{Checked, Refused};

/// Checks that run at once. Each has a socket; with the usual time-out of 2 s, 640 endpoints that let every check run into
/// it can be checked every 5 s before anyone has to wait.
const AT_ONCE: usize = 256;

/// Orders that may be under way at once.
const MOST_ORDERS: usize = 64;

/// The health checks of a process.
pub struct Checks {
    orders: mpsc::Sender<Order>,
    /// Room for one more.
    room: Semaphore,
    /// For who carries them out.
    waiting: Mutex<Option<mpsc::Receiver<Order>>>,
    /// Whether the first round has been made, of those that are not in use before it.
    settled: watch::Sender<bool>,
}

impl Default for Checks {
    fn default() -> Self {
        let (orders, waiting) = mpsc::channel(MOST_ORDERS);
        Self {
            orders,
            room: Semaphore::new(MOST_ORDERS),
            waiting: Mutex::new(Some(waiting)),
            settled: watch::Sender::new(false),
        }
    }
}

impl Checks {
    /// Begins to check the endpoints of a process; once, and in a runtime.
    pub fn start(process: &Arc<Process>) {
        let checks = &process.checks;
        let mut waiting = checks
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(orders) = waiting.take() {
            tokio::spawn(Checker::new(Arc::clone(process)).run(orders));
        }
    }

    /// Waits until endpoints that are not in use before their first check have had one; for at most `limit`.
    pub async fn settled(&self, limit: Duration) {
        let mut settled = self.settled.subscribe();
        // The sender is in `self`.
        let _ = tokio::time::timeout(limit, settled.wait_for(|settled| *settled)).await;
    }
}

/// Does the checking.
struct Checker {
    process: Arc<Process>,
    schedule: Schedule,
    asked: HashMap<Id, Asked>,
    ids: HashMap<EndpointKey, Id>,
    last: Id,
    running: JoinSet<Result<(), Failure>>,
    /// Which check a task runs, and what it asks.
    tasks: HashMap<task::Id, (Id, Arc<Probe>)>,
    /// Who is waited for at the start.
    first: HashSet<Id>,
}

impl Checker {
    fn new(process: Arc<Process>) -> Self {
        Self {
            process,
            schedule: Schedule::new(AT_ONCE),
            asked: HashMap::new(),
            ids: HashMap::new(),
            last: 0,
            running: JoinSet::new(),
            tasks: HashMap::new(),
            first: HashSet::new(),
        }
    }

    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let changed = Arc::clone(&self.process.state.members_changed);
        self.follow(Instant::now());
        let in_use = |asked: &Asked| asked.is_known() || asked.initial() == Initial::Healthy;
        let waited_for = self.asked.iter().filter(|(_, asked)| !in_use(asked));
        self.first = waited_for.map(|(id, _)| *id).collect();
        loop {
            if self.first.is_empty() {
                self.process.checks.settled.send_replace(true);
            }
            self.start_due(Instant::now());
            let next = self.schedule.next();
            tokio::select! {
                () = changed.notified() => self.follow(Instant::now()),
                Some(order) = orders.recv() => self.carry_out(order),
                Some(done) = self.running.join_next_with_id(), if !self.running.is_empty() => {
                    self.ended(done, Instant::now());
                }
                () = until(next), if next.is_some() => {}
            }
        }
    }

    /// Takes over what the generation in force, and the members its pools have now, want to be asked.
    fn follow(&mut self, now: Instant) {
        let snapshot = self.process.snapshot.load_full();
        let metrics = &self.process.state.metrics;
        let mut wanted = HashSet::new();
        for pool in &snapshot.pools {
            let Some(check) = &pool.check else {
                continue;
            };
            for endpoint in &pool.members().endpoints {
                let key = EndpointKey {
                    pool: Arc::clone(&pool.name),
                    address: endpoint.address().clone(),
                };
                let probe = Probe::new(check, endpoint);
                let another = endpoint.state.verdict.asks(check.fingerprint);
                let id = match self.ids.get(&key) {
                    Some(id) => *id,
                    None => {
                        self.last += 1;
                        let metrics = metrics.check(&pool.name, &endpoint.name);
                        let asked = Asked::new(&pool.name, endpoint, probe.clone(), metrics);
                        self.asked.insert(self.last, asked);
                        self.ids.insert(key, self.last);
                        self.schedule.add(self.last, now);
                        self.last
                    }
                };
                wanted.insert(id);
                if let Some(asked) = self.asked.get_mut(&id) {
                    if asked.ask_from_now_on(probe) {
                        self.schedule.by(id, now + asked.until_next());
                    }
                    asked.show();
                }
                if another {
                    self.schedule.hurry(id, now);
                }
            }
        }
        self.ids.retain(|_, id| wanted.contains(id));
        self.first.retain(|id| wanted.contains(id));
        let schedule = &mut self.schedule;
        self.asked.retain(|id, _| {
            let stays = wanted.contains(id);
            if !stays {
                schedule.remove(*id);
            }
            stays
        });
    }

    fn start_due(&mut self, now: Instant) {
        while let Some(id) = self.schedule.start(now) {
            let Some(asked) = self.asked.get_mut(&id) else {
                self.schedule.end(id, now, Duration::ZERO);
                continue;
            };
            let probe = asked.begin();
            let asking = Arc::clone(&probe);
            let task = self.running.spawn(async move { asking.ask().await });
            self.tasks.insert(task.id(), (id, probe));
        }
    }

    fn ended(&mut self, done: Result<(task::Id, Result<(), Failure>), JoinError>, now: Instant) {
        let (task, result) = match done {
            Ok((task, result)) => (task, Some(result)),
            Err(error) => {
                log::error!("a health check ended in an unexpected way: {error}");
                (error.id(), None)
            }
        };
        let Some((id, probe)) = self.tasks.remove(&task) else {
            return;
        };
        self.first.remove(&id);
        let after = match self.asked.get_mut(&id) {
            None => Duration::ZERO,
            Some(asked) if asked.asks_the_same(&probe) => {
                if let Some(result) = result {
                    asked.learn(&result, now);
                }
                asked.until_next()
            }
            Some(asked) => {
                // It answered a question that nobody has any more.
                asked.put_off();
                Duration::ZERO
            }
        };
        self.schedule.end(id, now, after);
    }

    fn carry_out(&mut self, order: Order) {
        // Who has just reloaded means what is in force now.
        let now = Instant::now();
        self.follow(now);
        let snapshot = self.process.snapshot.load();
        let Some(pool) = snapshot.pools.iter().find(|pool| *pool.name == *order.pool) else {
            let why = NotFound::pool(&order.pool, &snapshot);
            return order.refuse(why);
        };
        if pool.check.is_none() {
            return order.refuse(Refused::NotChecked(Arc::clone(&pool.name)));
        }
        let of_pool = self.ids.iter().filter(|(key, _)| key.pool == pool.name);
        let mut ids: Vec<Id> = of_pool
            .filter(|(key, _)| {
                let wanted = order.endpoint.as_ref();
                wanted.is_none_or(|wanted| key.address.to_string() == *wanted)
            })
            .map(|(_, id)| *id)
            .collect();
        if ids.is_empty()
            && let Some(endpoint) = &order.endpoint
        {
            let why = NotFound::endpoint(&pool.name, endpoint, &pool.members());
            return order.refuse(why);
        }
        ids.sort_unstable();
        let results = order.accept(ids.len());
        for id in ids {
            if let Some(asked) = self.asked.get_mut(&id) {
                asked.tell(results.clone());
                self.schedule.hurry(id, now);
            }
        }
    }
}

/// Resolves at this time; never if there is none.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
