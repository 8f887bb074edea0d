//! Who does the work on files? A few threads of one's own, and a line before them that is bounded.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Something to do on one of the threads.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// A line and its threads. They end, when all that stands in line is done, after this is dropped.
pub(super) struct Line {
    shared: Arc<Shared>,
    /// What may stand in line, by what it holds in memory.
    most_bytes: usize,
    /// How many may.
    most: usize,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<(Job, usize)>,
    bytes: usize,
    is_over: bool,
}

impl Line {
    /// A line with so many threads.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub(super) fn new(
        name: &str,
        threads: usize,
        most: usize,
        most_bytes: usize,
    ) -> io::Result<Self> {
        let line = Self {
            shared: Arc::default(),
            most_bytes,
            most,
        };
        for _ in 0..threads {
            let shared = line.shared.clone();
            thread::Builder::new()
                .name(name.into())
                .spawn(move || shared.work())?;
        }
        Ok(line)
    }

    /// Puts a job that holds so much memory at the end of the line, if there is room.
    pub(super) fn push(&self, bytes: usize, job: impl FnOnce() + Send + 'static) -> bool {
        let mut waiting = self.shared.lock();
        if waiting.jobs.len() >= self.most || waiting.bytes.saturating_add(bytes) > self.most_bytes
        {
            return false;
        }
        waiting.jobs.push_back((Box::new(job), bytes));
        waiting.bytes += bytes;
        drop(waiting);
        self.shared.more.notify_one();
        true
    }

    /// Puts a job at the end of the line, in which there is always room for it: for what must be done, and is bounded
    /// by something else.
    pub(super) fn push_always(&self, job: impl FnOnce() + Send + 'static) {
        self.shared.lock().jobs.push_back((Box::new(job), 0));
        self.shared.more.notify_one();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.more.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut waiting = self.lock();
        loop {
            if let Some((job, bytes)) = waiting.jobs.pop_front() {
                waiting.bytes -= bytes;
                drop(waiting);
                // A panic is logged where it happens. Whoever waits for the job is told by what the job drops.
                let _ = catch_unwind(AssertUnwindSafe(job));
                waiting = self.lock();
            } else if waiting.is_over {
                return;
            } else {
                waiting = self
                    .more
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

#[cfg(test)]
mod tests;
