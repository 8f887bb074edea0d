//! Which connection does this thread ask on?
//!
//! Each worker thread has its own: an answer then wakes the task that waits for it on the same thread, and no lock is
//! shared. It is opened by the first who asks, and again by the next one after it has ended.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use redis::{ErrorKind, RedisError, ScriptInvocation};
use tokio::sync::watch;

use super::connection::{Connection, Driver, open};
use super::script::Debt;
use super::{Settings, Shared};

/// How many may wait for their answers on one connection. At a millisecond each that is a million in a second.
const MOST: usize = 1_024;

thread_local! {
    /// The connections of this thread, by the number of the Redis they lead to.
    static HERE: RefCell<Vec<(u64, Weak<Line>)>> = const { RefCell::new(Vec::new()) };
}

/// Tells the connections to one Redis from those to another.
pub(super) struct LineNumber(u64);

impl LineNumber {
    /// One that nobody has.
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The connection of this thread, made by `make` if there is none.
    pub(super) fn here(&self, make: impl FnOnce() -> Arc<Line>) -> Arc<Line> {
        HERE.with_borrow_mut(|here| {
            let own = here.iter().find(|(number, _)| *number == self.0);
            if let Some(line) = own.and_then(|(_, line)| line.upgrade()) {
                return line;
            }
            // Rare enough to forget on this occasion what nobody holds.
            here.retain(|(_, line)| line.strong_count() > 0);
            let line = make();
            here.push((self.0, Arc::downgrade(&line)));
            line
        })
    }
}

/// The connection of one thread.
#[derive(Default)]
pub(super) struct Line {
    open: watch::Sender<Option<Connection>>,
    opening: AtomicBool,
    asking: AtomicUsize,
}

impl Line {
    /// The right to ask once; `None` if too many have it.
    pub(super) fn place(self: Arc<Self>) -> Option<Place> {
        if self.asking.fetch_add(1, Ordering::Relaxed) >= MOST {
            self.asking.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place(self))
    }

    /// The connection, opened if there is none.
    async fn connection(self: &Arc<Self>, shared: &Arc<Shared>) -> Result<Connection, RedisError> {
        if let Some(open) = &*self.open.borrow() {
            return Ok(open.clone());
        }
        let mut opened = self.open.subscribe();
        if !self.opening.swap(true, Ordering::Relaxed) {
            tokio::spawn(keep_open(Arc::downgrade(self), Arc::downgrade(shared)));
        }
        let mut tidings = shared.tidings();
        let opened = tokio::select! {
            opened = opened.wait_for(Option::is_some) => opened.ok().and_then(|opened| opened.clone()),
            // It could not be opened, or is not wanted any more: whoever waited on would wait in vain.
            _ = tidings.wait_for(|away| *away) => None,
        };
        opened.ok_or_else(|| RedisError::from((ErrorKind::Io, "there is no connection")))
    }
}

/// The right to ask once.
pub(super) struct Place(Arc<Line>);

impl Place {
    /// Asks. Without a time limit of its own.
    pub(super) async fn ask(
        &self,
        shared: &Arc<Shared>,
        script: &ScriptInvocation<'_>,
    ) -> Result<Debt, RedisError> {
        let connection = self.0.connection(shared).await?;
        connection.ask(script).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Opens a connection and keeps it until it ends, until Redis is away, or until nobody wants it.
async fn keep_open(line: Weak<Line>, shared: Weak<Shared>) {
    let Some((settings, mut tidings)) = shared
        .upgrade()
        .map(|shared| (shared.settings.clone(), shared.tidings()))
    else {
        return;
    };
    let opened = tokio::select! {
        opened = opening(&settings, &shared) => opened,
        _ = tidings.wait_for(|away| *away) => None,
    };
    if let Some((connection, mut driver)) = opened {
        if let Some(line) = line.upgrade() {
            line.open.send_replace(Some(connection));
        }
        tokio::select! {
            () = driver.ended() => {}
            _ = tidings.wait_for(|away| *away) => {}
        }
    }
    if let Some(line) = line.upgrade() {
        line.open.send_replace(None);
        line.opening.store(false, Ordering::Relaxed);
    }
}

async fn opening(settings: &Settings, shared: &Weak<Shared>) -> Option<(Connection, Driver)> {
    let began = Instant::now();
    match open(settings).await {
        Ok(opened) => Some(opened),
        Err(error) => {
            if let Some(shared) = shared.upgrade() {
                shared.reach.failed(began, &error);
            }
            None
        }
    }
}
