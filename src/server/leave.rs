//! How do the workers end, so that none takes up what another one lets go?
//!
//! What a worker drops may be news to others: a slot of a pool is free, a fetch has failed. So first all of them stop, each
//! where it is, and only then they drop what they have.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::oneshot;

/// A worker's order to leave. Nothing is ever sent over its channels: what counts is that an end is dropped.
#[derive(Debug)]
pub struct Leave {
    stopped: Sender<Infallible>,
    all_stopped: oneshot::Receiver<Infallible>,
    gone: Sender<Infallible>,
}

impl Leave {
    /// To be called by a worker that does nothing any more, outside of its runtime. Waits for the others, and then lets go
    /// of all it has.
    pub fn with_others(self, let_go: impl FnOnce()) {
        drop(self.stopped);
        // It is an error that ends the wait.
        let _ = self.all_stopped.blocking_recv();
        let_go();
        drop(self.gone);
    }
}

/// Lets workers leave: `tell` gives each its order. False if one of them has not left in the end.
///
/// Who does not stop within `patience` is not waited for by the others; nor is, here, who does not let go within as long.
pub fn all(tell: impl FnOnce(&mut dyn FnMut() -> Leave), patience: Duration) -> bool {
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
    let have_stopped = ends(&stopping, patience);
    drop(held);
    ends(&leaving, patience) && have_stopped
}

/// Whether all of the other ends are dropped in time.
fn ends(awaited: &Receiver<Infallible>, patience: Duration) -> bool {
    awaited.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::thread;
    use std::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Lets so many threads leave, each of which does this.
    fn threads(
        count: usize,
        patience: Duration,
        work: impl Fn(usize, Leave) + Send + Sync + 'static,
    ) -> bool {
        let work = Arc::new(work);
        let tell = |order: &mut dyn FnMut() -> Leave| {
            for number in 0..count {
                let (work, leave) = (Arc::clone(&work), order());
                thread::spawn(move || work(number, leave));
            }
        };
        all(tell, patience)
    }

    #[test]
    fn nobody_lets_go_before_all_have_stopped() {
        let running = Arc::new(AtomicUsize::new(4));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (left, told) = (Arc::clone(&running), Arc::clone(&seen));
        let all_left = threads(4, PATIENCE, move |number, leave| {
            thread::sleep(Duration::from_millis(10 * number as u64));
            left.fetch_sub(1, Ordering::SeqCst);
            leave.with_others(|| {
                let left = left.load(Ordering::SeqCst);
                told.lock().expect("no panic inside").push(left);
            });
        });
        assert!(all_left);
        assert_eq!(*seen.lock().expect("no panic inside"), [0; 4]);
    }

    #[test]
    fn who_does_not_stop_keeps_nobody_for_ever() {
        let (release, released) = channel::<Infallible>();
        let released = Mutex::new(released);
        let gone = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&gone);
        let all_left = threads(3, Duration::from_millis(50), move |number, leave| {
            if number == 0 {
                let _ = released.lock().expect("no panic inside").recv();
            }
            leave.with_others(|| _ = count.fetch_add(1, Ordering::SeqCst));
        });
        assert!(!all_left);
        let others = Instant::now() + PATIENCE;
        while gone.load(Ordering::SeqCst) < 2 && Instant::now() < others {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(gone.load(Ordering::SeqCst), 2);
        drop(release);
    }

    #[test]
    fn a_worker_that_is_not_there_is_not_waited_for() {
        assert!(all(|order| drop(order()), PATIENCE));
    }
}
