//! How does a request wait until there is a slot for it, and how does it leave whatever happens?
//!
//! As long as nobody waits, the queue is one atomic number. Its lock is taken only by those who wait and those who wake
//! them, for a few steps, and never held while something is awaited.

mod line;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::Priority;
use line::{Line, Place, Seen};

/// Requests that wait for a slot, in the order in which they are to get one.
#[derive(Debug, Default)]
pub struct Queue {
    line: Mutex<Line>,
    /// How long the line is.
    length: AtomicUsize,
}

impl Queue {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.length.load(Ordering::SeqCst) == 0
    }

    /// Tells that a slot came free: whoever is next tries to take it.
    pub fn call(&self) {
        if !self.is_empty() {
            wake([self.lock().call()]);
        }
    }

    /// A place in the line, where `most` may wait; `None` if there is none.
    pub fn enter(&self, priority: Priority, most: usize) -> Option<Waiter<'_>> {
        let mut line = self.lock();
        let (place, displaced) = line.enter(priority, most)?;
        self.length.store(line.len(), Ordering::SeqCst);
        drop(line);
        wake([displaced]);
        Some(Waiter {
            queue: self,
            place,
            unused: true,
            looks_at: None,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes tasks; the line must not be locked.
fn wake<const N: usize>(wakers: [Option<Waker>; N]) {
    wakers.into_iter().flatten().for_each(Waker::wake);
}

/// A place in the line. Dropping it leaves the line, and passes on a turn that was not used.
#[derive(Debug)]
pub struct Waiter<'q> {
    queue: &'q Queue,
    place: Place,
    unused: bool,
    /// When it looks by itself, if it is the first.
    looks_at: Option<Instant>,
}

/// Why the waiting is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// There may be a slot: to try.
    Turn,
    /// A request of a higher priority took the place.
    Displaced,
    /// The time is over.
    Late,
}

impl Waiter<'_> {
    /// Waits for a turn, until `limit` at most. The first in line has a turn after each `look_every` as well. `timer` is
    /// the waiter's own.
    pub async fn called(
        &mut self,
        limit: Instant,
        look_every: Duration,
        mut timer: Pin<&mut Sleep>,
    ) -> Called {
        std::future::poll_fn(|cx| self.poll(limit, look_every, timer.as_mut(), cx)).await
    }

    fn poll(
        &mut self,
        limit: Instant,
        look_every: Duration,
        mut timer: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> Poll<Called> {
        loop {
            let first = match self.queue.lock().look(self.place, cx.waker()) {
                Seen::Turn => return Poll::Ready(Called::Turn),
                Seen::Displaced => return Poll::Ready(Called::Displaced),
                Seen::Wait { first } => first,
            };
            let now = Instant::now();
            if now >= limit {
                return Poll::Ready(Called::Late);
            }
            let mut next = limit;
            if first {
                // However often it is woken in between.
                let looks_at = *self.looks_at.get_or_insert(now + look_every);
                if now >= looks_at {
                    self.looks_at = None;
                    self.queue.lock().look_again(self.place);
                    continue;
                }
                next = next.min(looks_at);
            }
            if timer.deadline() != next.into() {
                timer.as_mut().reset(next.into());
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Says that the turn was of no use; `others_may` get in where it could not.
    pub fn failed(&self, others_may: bool) {
        let next = self.queue.lock().failed(self.place, others_may);
        wake([next]);
    }

    /// Leaves with a slot; `others_may` get in as well.
    pub fn got_in(mut self, others_may: bool) {
        // A turn that others may use goes on in the same way as one that was not used.
        self.unused = others_may;
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut line = self.queue.lock();
        let woken = line.leave(self.place, self.unused);
        self.queue.length.store(line.len(), Ordering::SeqCst);
        drop(line);
        wake(woken);
    }
}

#[cfg(test)]
mod tests;
