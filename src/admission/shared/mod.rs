//! May this key have one more request now, as all machines together count?
//!
//! Redis keeps the debts: one atomic script a request, by Redis' own clock, on a connection that each thread has for
//! itself. So there is one count, exact to the request, and no thread wakes another one.
//!
//! An answer has a deadline. A request whose answer is late, or that can't be asked about, is [missed](Missed): whoever
//! asked decides by what this machine knows. While Redis is known to be [away](reach) nobody asks it, and nobody waits.

mod connection;
mod key;
mod line;
mod metered;
mod probe;
mod reach;
mod script;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use crate::pool::Address;
use crate::telemetry::metrics::{Metrics, Missed, SharedLimitMetrics};
pub use key::{Digest, KeySecret};
use line::{Line, LineNumber};
use reach::Reach;
pub use script::Debt;

/// Which Redis, and how it is asked.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Where it is.
    pub address: RedisAddress,
    /// The user; `None` for Redis' default one.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// The number of the database.
    pub database: u32,
    /// How long one answer may take.
    pub timeout: Duration,
    /// What the names of all keys begin with.
    pub prefix: String,
    /// What clients are hashed with; `None` for the prefix.
    pub secret: Option<String>,
}

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RedisAddress {
    /// At an address.
    Known(Address),
    /// At a host of this name, on this port.
    Named(String, u16),
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(address) => address.fmt(f),
            Self::Named(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings of {}", self.address)
    }
}

/// A Redis that counts for several machines. It has a connection on each thread that asks, and forgets them when nobody
/// holds it any more.
pub struct Shared {
    settings: Settings,
    number: LineNumber,
    lines: Mutex<Vec<Arc<Line>>>,
    reach: Reach,
    metrics: SharedLimitMetrics,
    looked_after: std::sync::Once,
}

impl Shared {
    /// One that nobody has asked yet.
    pub fn new(settings: Settings, metrics: &Metrics) -> Self {
        let name = settings.address.to_string();
        let metrics = metrics.shared_limit(&name);
        Self {
            number: LineNumber::next(),
            lines: Mutex::default(),
            reach: Reach::new(name, metrics.clone(), Instant::now()),
            metrics,
            looked_after: std::sync::Once::new(),
            settings,
        }
    }

    /// Looks whether it is there, and from now on when it comes back: a task of the runtime that this is called on. Once
    /// is enough.
    pub fn look_after(self: &Arc<Self>) {
        self.looked_after.call_once(|| {
            tokio::spawn(probe::look_after(
                Arc::downgrade(self),
                self.reach.subscribe(),
            ));
        });
    }

    /// Whether it is known to be away.
    pub fn is_away(&self) -> bool {
        self.reach.is_away()
    }

    /// What the clients of a limit are hashed with.
    pub fn secret_of(&self, limit: &str) -> KeySecret {
        let secret = self.settings.secret.as_deref();
        KeySecret::new(secret.unwrap_or(&self.settings.prefix), limit)
    }

    /// The name of a key: which limit it belongs to, and who it is for those who know the secret.
    pub fn name_of(&self, limit: &str, digest: &Digest) -> String {
        format!("{}{limit}:{digest}", self.settings.prefix)
    }

    /// Asks for one request of the key with this [name](Self::name_of). `interval` is the debt of one request, `full` the
    /// deepest, in nanoseconds. The future is to be awaited on the thread that has called this.
    ///
    /// # Errors
    ///
    /// [`Missed`], at once, if there is nobody to ask.
    pub fn ask(
        self: &Arc<Self>,
        name: &dyn Fn() -> String,
        interval: u64,
        full: u64,
    ) -> Result<impl Future<Output = Result<Debt, Missed>> + Send + use<>, Missed> {
        if self.is_away() {
            return Err(self.missed(Missed::Away));
        }
        let line = self.line();
        let Some(place) = line.place() else {
            return Err(self.missed(Missed::Busy));
        };
        let script = script::invocation(&name(), interval, full);
        let shared = Arc::clone(self);
        Ok(async move {
            let began = Instant::now();
            let limit = shared.settings.timeout;
            let answer = timeout(limit, place.ask(&shared, &script)).await;
            let why: &dyn fmt::Display = match &answer {
                Ok(Ok(debt)) => {
                    shared.reach.answered();
                    shared.metrics.answered(began.elapsed());
                    return Ok(*debt);
                }
                Ok(Err(error)) => error,
                Err(_) => &format_args!("no answer within {limit:?}"),
            };
            shared.reach.missed(began, Instant::now(), why);
            let missed = answer.map_or(Missed::Late, |_| Missed::Failed);
            Err(shared.missed(missed))
        })
    }

    fn missed(&self, why: Missed) -> Missed {
        self.metrics.missed(why);
        why
    }

    /// The connection of this thread.
    fn line(&self) -> Arc<Line> {
        self.number.here(|| {
            let line = Arc::new(Line::default());
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push(Arc::clone(&line));
            line
        })
    }

    /// Told when Redis goes away and comes back.
    fn tidings(&self) -> watch::Receiver<bool> {
        self.reach.subscribe()
    }
}
