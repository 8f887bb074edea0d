//! How do lines wait for the log's thread, and when is it woken?
//!
//! Waking a thread costs a system call, so a line does it only if the thread asked for that many bytes: the first line
//! after a silence wakes it, then it sleeps for [`GATHER`] while others pile up, unless they become a large batch before.
//! A busy proxy pays for a few hundred wakes a second, however many requests it has, and a single line is written
//! [`GATHER`] after it was queued.

use std::collections::TryReserveError;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the thread lets lines gather after the first one.
const GATHER: Duration = Duration::from_millis(20);
/// How many bytes are worth a write at once, if the queue has room for twice as many.
const BATCH_BYTES: usize = 64 * 1024;
/// No number of bytes wakes the thread.
const NEVER: usize = usize::MAX;

/// Lines that are written together.
#[derive(Default)]
pub(super) struct Batch {
    /// The lines, each with its newline.
    pub(super) bytes: Vec<u8>,
    /// How many they are.
    pub(super) lines: u64,
    /// Whether the file is to be opened anew before.
    pub(super) reopen: bool,
}

impl Batch {
    fn with_capacity(capacity: usize) -> Result<Self, TryReserveError> {
        let mut batch = Self::default();
        batch.bytes.try_reserve_exact(capacity)?;
        Ok(batch)
    }

    /// Forgets the lines but keeps the buffer.
    fn clear(&mut self) {
        self.bytes.clear();
        self.lines = 0;
        self.reopen = false;
    }
}

/// Lines between the threads that log and the one that writes.
pub(super) struct Queue {
    capacity: usize,
    state: Mutex<State>,
    /// The thread waits here for something to do.
    work: Condvar,
    /// Flushes, and lines that wait for room, wait here for the thread.
    progress: Condvar,
}

struct State {
    gathering: Batch,
    /// How many bytes are worth a write at once.
    worth_a_write: usize,
    /// The bytes the thread is writing now: they still take up memory.
    writing: usize,
    /// The thread wants to be woken when this many bytes have gathered.
    wake_at: usize,
    /// Lines ever queued.
    queued: u64,
    /// Lines the thread is done with.
    done: u64,
    /// Someone waits for a flush, or for room: no time to gather more.
    hurry: bool,
    /// Until then, a line that has no room waits for it.
    waits_until: Option<Instant>,
    closed: bool,
}

impl State {
    fn is_idle(&self) -> bool {
        self.gathering.lines == 0 && !self.gathering.reopen && !self.closed
    }

    fn may_gather(&self) -> bool {
        let pressing = self.hurry || self.gathering.reopen || self.closed;
        !pressing && self.gathering.bytes.len() < self.worth_a_write
    }
}

impl Queue {
    /// An empty queue for at most `capacity` bytes, those being written included; and the batch to begin with.
    ///
    /// Both buffers get their full size now, so that none grows under the lock. The system gives the memory when it is
    /// first used: a log whose thread keeps up takes little of it.
    pub(super) fn new(capacity: usize) -> Result<(Self, Batch), TryReserveError> {
        let first = Batch::with_capacity(capacity)?;
        let queue = Self {
            capacity,
            state: Mutex::new(State {
                gathering: Batch::with_capacity(capacity)?,
                worth_a_write: BATCH_BYTES.min(capacity / 2),
                writing: 0,
                wake_at: NEVER,
                queued: 0,
                done: 0,
                hurry: false,
                waits_until: None,
                closed: false,
            }),
            work: Condvar::new(),
            progress: Condvar::new(),
        };
        Ok((queue, first))
    }

    /// Takes a copy of `line`. Returns false if it has no room.
    pub(super) fn push(&self, line: &[u8]) -> bool {
        let mut state = self.lock();
        if !self.has_room(&state, line) {
            // There never is for one that is longer than the queue.
            let may_fit = line.len() <= self.capacity;
            let Some(until) = state.waits_until.filter(|_| may_fit) else {
                return false;
            };
            state = self.room(state, line, until);
            if !self.has_room(&state, line) {
                return false;
            }
        }
        state.gathering.bytes.extend_from_slice(line);
        state.gathering.lines += 1;
        state.queued += 1;
        let wake = state.gathering.bytes.len() >= state.wake_at;
        if wake {
            state.wake_at = NEVER;
        }
        drop(state);
        if wake {
            self.work.notify_one();
        }
        true
    }

    fn has_room(&self, state: &State, line: &[u8]) -> bool {
        let waiting = state.gathering.bytes.len() + state.writing;
        line.len() <= self.capacity.saturating_sub(waiting)
    }

    /// Waits for room.
    #[cold]
    fn room<'s>(
        &self,
        mut state: MutexGuard<'s, State>,
        line: &[u8],
        until: Instant,
    ) -> MutexGuard<'s, State> {
        state.hurry = true;
        self.work.notify_one();
        let left = until.saturating_duration_since(Instant::now());
        let full = |state: &mut State| !self.has_room(state, line);
        recover(self.progress.wait_timeout_while(state, left, full)).0
    }

    /// From now on, a line that has no room waits for it, at most until then. For threads that hold nobody up.
    pub(super) fn wait_for_room(&self, until: Instant) {
        self.lock().waits_until = Some(until);
    }

    /// Gives back the batch that was written and waits for the next. Returns false when there will be none.
    ///
    /// The two buffers change places, so the lock is never held for longer than that.
    pub(super) fn next(&self, batch: &mut Batch) -> bool {
        let mut state = self.lock();
        state.done += batch.lines;
        state.writing = 0;
        batch.clear();
        self.progress.notify_all();

        if state.is_idle() {
            state.wake_at = 1;
            state = recover(self.work.wait_while(state, |state| state.is_idle()));
        }
        if state.may_gather() {
            state.wake_at = state.worth_a_write;
            let waited = self
                .work
                .wait_timeout_while(state, GATHER, |state| state.may_gather());
            state = recover(waited).0;
        }
        state.wake_at = NEVER;
        state.hurry = false;
        if state.closed && state.gathering.lines == 0 {
            return false;
        }
        std::mem::swap(&mut state.gathering, batch);
        state.writing = batch.bytes.len();
        true
    }

    /// Makes the next batch carry the wish to open the file anew.
    pub(super) fn ask_to_reopen(&self) {
        self.lock().gathering.reopen = true;
        self.work.notify_one();
    }

    /// Waits, at most for `patience`, until the thread is done with every line queued before. Returns whether it is.
    pub(super) fn wait_until_written(&self, patience: Duration) -> bool {
        let mut state = self.lock();
        let last = state.queued;
        if state.done >= last {
            return true;
        }
        state.hurry = true;
        self.work.notify_one();
        let waited = self
            .progress
            .wait_timeout_while(state, patience, |state| state.done < last);
        recover(waited).0.done >= last
    }

    /// Lets the thread end once it has written what is queued.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
    }

    /// Whether nothing will be queued any more.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        recover(self.state.lock())
    }
}

/// No step leaves the state half changed, so a panic elsewhere in a thread that held the lock does not spoil it.
fn recover<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    fn queue(capacity: usize) -> (Queue, Batch) {
        Queue::new(capacity).expect("so much memory")
    }

    #[test]
    fn a_line_that_has_no_room_is_refused_until_its_batch_is_written() {
        let (queue, mut batch) = queue(10);
        assert!(queue.push(b"12345\n"));
        assert!(!queue.push(b"12345\n"));
        assert!(queue.next(&mut batch));
        assert_eq!((&*batch.bytes, batch.lines), (&b"12345\n"[..], 1));
        assert!(!queue.push(b"12345\n"), "what is being written counts");
        assert!(queue.push(b"123\n"));
        assert!(queue.next(&mut batch));
        assert!(queue.push(b"12345\n"));
    }

    #[test]
    fn in_the_end_a_line_waits_for_room_as_long_as_it_may() {
        let (queue, mut batch) = queue(10);
        assert!(queue.push(b"1234567\n"));
        queue.wait_for_room(Instant::now());
        assert!(!queue.push(b"8901\n"), "the time is over");
        queue.wait_for_room(Instant::now() + Duration::from_secs(30));
        let queue = Arc::new(queue);
        let late = Arc::clone(&queue);
        let pushing = thread::spawn(move || late.push(b"8901\n"));
        assert!(queue.next(&mut batch));
        assert_eq!(batch.bytes, b"1234567\n");
        // What is being written takes up room until it is.
        assert!(queue.next(&mut batch));
        assert_eq!(batch.bytes, b"8901\n");
        assert!(pushing.join().expect("no panic"));
        assert!(!queue.push(b"12345678901\n"), "longer than the queue");
    }

    #[test]
    fn a_closed_queue_gives_its_last_batch_and_then_none() {
        let (queue, mut batch) = queue(100);
        assert!(queue.push(b"last\n"));
        queue.close();
        assert!(queue.next(&mut batch));
        assert_eq!(batch.bytes, b"last\n");
        assert!(!queue.next(&mut batch));
    }

    #[test]
    fn only_a_small_batch_may_gather_more() {
        let (queue, _batch) = queue(BATCH_BYTES * 2);
        assert!(queue.push(b"small\n"));
        assert!(queue.lock().may_gather());
        assert!(queue.push(&vec![b'x'; BATCH_BYTES]));
        assert!(!queue.lock().may_gather());
    }

    #[test]
    fn only_the_line_that_the_thread_asked_for_wakes_it() {
        let (queue, mut batch) = queue(BATCH_BYTES);
        let queue = Arc::new(queue);
        let thread_queue = Arc::clone(&queue);
        let thread = thread::spawn(move || thread_queue.next(&mut batch));
        while queue.lock().wake_at != 1 {
            thread::yield_now();
        }
        assert!(queue.push(b"first\n"));
        assert_ne!(queue.lock().wake_at, 1, "the second line wakes nobody");
        assert!(thread.join().expect("the thread ends"));
    }

    #[test]
    fn a_buffer_never_grows_after_its_start() {
        let (queue, mut batch) = queue(1_000);
        for _ in 0..4 {
            assert!(queue.push(&[b'x'; 500]), "half of the room is free");
            assert!(queue.next(&mut batch));
            assert_eq!(batch.bytes.capacity(), 1_000);
        }
    }

    #[test]
    fn more_memory_than_there_can_be_is_an_error() {
        assert!(Queue::new(usize::MAX).is_err());
    }
}
