//! How do the workers end, so that none takes up what another one lets go?
//!
//! What a worker drops may be news to others: a slot of a pool is free, a fetch has failed. So first all of them stop, each
//! where it is, and only then they drop what they have.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// A worker's order to leave.
#[derive(Debug)]
pub struct Leave {
    stopped: Sender<()>,
    /// Comes to its end when all have stopped.
    all_stopped: oneshot::Receiver<()>,
    gone: Sender<()>,
}

impl Leave {
    /// To be called by a worker that does nothing any more, outside of its runtime. Waits for the others, and then lets go
    /// of all it has.
    pub fn with_others(self, let_go: impl FnOnce()) {
        // Who has told it to leave may have given up waiting, here and below.
        let _ = self.stopped.send(());
        drop(self.stopped);
        let _ = self.all_stopped.blocking_recv();
        let_go();
        let _ = self.gone.send(());
    }
}

/// Lets workers leave: `tell` gives each its order. Gives back how many have not let go in the end.
///
/// Who has not stopped by `until` is not waited for any more; nor is who has not let go by then. One that is not there has
/// nothing to let go.
pub fn all(tell: impl FnOnce(&mut dyn FnMut() -> Leave), until: Instant) -> usize {
    let (stopped, stopping) = channel();
    let (gone, leaving) = channel();
    let mut held = Vec::new();
    tell(&mut || {
        let (holds, all_stopped) = oneshot::channel();
        held.push(holds);
        Leave {
            stopped: stopped.clone(),
            all_stopped,
            gone: gone.clone(),
        }
    });
    drop((stopped, gone));
    let told = held.len();
    let half = until.saturating_duration_since(Instant::now()) / 2;
    let have_stopped = heard(&stopping, told, half);
    drop(held);
    let left = until.saturating_duration_since(Instant::now());
    let have_left = heard(&leaving, have_stopped.count, left);
    match have_stopped.are_all {
        true => have_stopped.count - have_left.count,
        false => told - have_left.count,
    }
}

struct Heard {
    count: usize,
    /// Whether there is nobody else to hear from.
    are_all: bool,
}

/// How many of so many are heard in time.
fn heard(from: &Receiver<()>, most: usize, patience: Duration) -> Heard {
    let until = Instant::now() + patience;
    let mut count = 0;
    while count < most {
        let left = until.saturating_duration_since(Instant::now());
        match from.recv_timeout(left) {
            Ok(()) => count += 1,
            Err(why) => {
                let are_all = why == RecvTimeoutError::Disconnected;
                return Heard { count, are_all };
            }
        }
    }
    Heard {
        count,
        are_all: true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Lets so many threads leave, each of which does this.
    fn threads(
        count: usize,
        patience: Duration,
        work: impl Fn(usize, Leave) + Send + Sync + 'static,
    ) -> usize {
        let work = Arc::new(work);
        let tell = |order: &mut dyn FnMut() -> Leave| {
            for number in 0..count {
                let (work, leave) = (Arc::clone(&work), order());
                thread::spawn(move || work(number, leave));
            }
        };
        all(tell, Instant::now() + patience)
    }

    #[test]
    fn nobody_lets_go_before_all_have_stopped() {
        let running = Arc::new(AtomicUsize::new(4));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (left, told) = (Arc::clone(&running), Arc::clone(&seen));
        let left_behind = threads(4, PATIENCE, move |number, leave| {
            thread::sleep(Duration::from_millis(10 * number as u64));
            left.fetch_sub(1, Ordering::SeqCst);
            leave.with_others(|| {
                let left = left.load(Ordering::SeqCst);
                told.lock().expect("no panic inside").push(left);
            });
        });
        assert_eq!(left_behind, 0);
        assert_eq!(*seen.lock().expect("no panic inside"), [0; 4]);
    }

    #[test]
    fn who_does_not_stop_keeps_nobody_for_ever() {
        let (release, released) = channel::<()>();
        let released = Mutex::new(released);
        let gone = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&gone);
        let left_behind = threads(3, Duration::from_millis(200), move |number, leave| {
            if number == 0 {
                let _ = released.lock().expect("no panic inside").recv();
            }
            leave.with_others(|| _ = count.fetch_add(1, Ordering::SeqCst));
        });
        // On a busy machine the others may not have come that far either.
        assert!((1..=3).contains(&left_behind), "{left_behind}");
        let others = Instant::now() + PATIENCE;
        while gone.load(Ordering::SeqCst) < 2 && Instant::now() < others {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(gone.load(Ordering::SeqCst), 2);
        drop(release);
    }

    #[test]
    fn a_worker_that_is_not_there_is_not_waited_for() {
        let left_behind = all(|order| drop(order()), Instant::now() + PATIENCE);
        assert_eq!(left_behind, 0);
    }
}
