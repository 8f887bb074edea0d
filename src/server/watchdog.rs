//! Does the process work, or does it only exist? systemd restarts a service that does not say for a while that it works
//! (`WatchdogSec=`). It is said only when every worker thread has just answered a beat: who does not answer does not
//! accept, read or write either.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::MissedTickBehavior;

use super::supervisor::Supervisor;
use super::worker::Task;

/// How often it is said in the time that systemd allows. Two would do (sd_watchdog_enabled(3)); with four, a message that
/// is lost and a worker that is late for once cost nothing.
const BEATS: u32 = 4;

/// No beat is sooner after another, whatever systemd allows.
const SHORTEST: Duration = Duration::from_millis(1);

/// A question to a worker: does its thread get to it?
#[derive(Debug)]
pub struct Beat(Arc<AtomicBool>);

impl Beat {
    /// It does.
    pub fn answer(self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks the workers and tells the supervisor, for as long as it wants to hear it from this process.
pub async fn keep(supervisor: Arc<Supervisor>, workers: Vec<UnboundedSender<Task>>) {
    let Some(interval) = supervisor.watchdog() else {
        return;
    };
    let every = (interval / BEATS).max(SHORTEST);
    log::info!("watchdog: the supervisor is told every {every:?} that every worker answers");
    let mut vigil = Vigil::new(workers.len(), interval);
    let ask = |worker: usize, beat| {
        // A worker whose thread is gone does not answer.
        let _ = workers[worker].send(Task::Answer(beat));
    };
    // Asked once before the first tick, so that nothing is said before every worker has answered.
    vigil.look(Instant::now(), ask);
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while supervisor.hears_this_process() {
        ticks.tick().await;
        let found = vigil.look(Instant::now(), ask);
        for (worker, since) in found.silent {
            log::error!(
                "watchdog: worker-{worker} has not answered for {since:.1?}; the supervisor is not told any more \
                 that the process works, and may restart it"
            );
        }
        for worker in found.back {
            log::warn!("watchdog: worker-{worker} answers again");
        }
        if found.all_answer {
            supervisor.works();
        }
    }
}

/// What is known about the workers.
#[derive(Debug)]
struct Vigil {
    workers: Vec<Known>,
    /// For how long a worker may owe an answer before it is said.
    told_after: Duration,
}

#[derive(Debug, Default)]
struct Known {
    answered: Arc<AtomicBool>,
    /// When it was asked what it has not answered yet.
    asked: Option<Instant>,
    /// Whether it was said that it does not answer.
    told: bool,
}

/// What a look has found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// Every worker has answered what it was asked last.
    all_answer: bool,
    /// Workers that have owed an answer for long, and for how long; each once.
    silent: Vec<(usize, Duration)>,
    /// Of those, the ones that answer again.
    back: Vec<usize>,
}

impl Vigil {
    fn new(workers: usize, interval: Duration) -> Self {
        Self {
            workers: (0..workers).map(|_| Known::default()).collect(),
            told_after: interval / 2,
        }
    }

    /// Looks who has answered, and asks them again. Nobody is asked twice for one answer: what a thread that hangs has not
    /// read does not grow.
    fn look(&mut self, now: Instant, mut ask: impl FnMut(usize, Beat)) -> Found {
        let mut found = Found {
            all_answer: true,
            ..Found::default()
        };
        for (number, known) in self.workers.iter_mut().enumerate() {
            if known.answered.swap(false, Ordering::Relaxed) {
                known.asked = None;
                if std::mem::take(&mut known.told) {
                    found.back.push(number);
                }
            }
            if let Some(asked) = known.asked {
                found.all_answer = false;
                let since = now.duration_since(asked);
                if since >= self.told_after && !std::mem::replace(&mut known.told, true) {
                    found.silent.push((number, since));
                }
                continue;
            }
            known.asked = Some(now);
            ask(number, Beat(Arc::clone(&known.answered)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(8);

    /// Looks at a time in seconds, and gives what was found and the beats by worker.
    fn look(vigil: &mut Vigil, start: Instant, seconds: u64) -> (Found, Vec<(usize, Beat)>) {
        let mut beats = Vec::new();
        let now = start + Duration::from_secs(seconds);
        let found = vigil.look(now, |worker, beat| beats.push((worker, beat)));
        (found, beats)
    }

    fn answer(beats: Vec<(usize, Beat)>) {
        beats.into_iter().for_each(|(_, beat)| beat.answer());
    }

    #[test]
    fn while_every_worker_answers_it_is_told_at_every_beat() {
        let (start, mut vigil) = (Instant::now(), Vigil::new(3, INTERVAL));
        for seconds in [0, 2, 4, 6, 8] {
            let (found, beats) = look(&mut vigil, start, seconds);
            let expected = Found {
                all_answer: true,
                ..Found::default()
            };
            assert_eq!((found, beats.len()), (expected, 3), "at {seconds}");
            answer(beats);
        }
    }

    #[test]
    fn one_worker_that_hangs_is_enough_and_is_named_once() {
        let (start, mut vigil) = (Instant::now(), Vigil::new(2, INTERVAL));
        answer(look(&mut vigil, start, 0).1);
        let (_, mut beats) = look(&mut vigil, start, 2);
        let (hangs, late) = beats.pop().expect("the beat of the last worker");
        assert_eq!(hangs, 1);
        answer(beats);
        let mut silent = Vec::new();
        for seconds in [4, 6, 8, 10] {
            let (found, beats) = look(&mut vigil, start, seconds);
            assert!(!found.all_answer, "at {seconds}");
            assert_eq!(
                beats.len(),
                1,
                "the other one is asked, and this one not again"
            );
            silent.extend(found.silent);
            answer(beats);
        }
        assert_eq!(silent, [(1, Duration::from_secs(4))]);
        late.answer();
        let (found, beats) = look(&mut vigil, start, 12);
        assert_eq!((found.all_answer, found.back), (true, vec![1]));
        assert_eq!(beats.len(), 2);
    }

    #[test]
    fn a_worker_that_is_late_for_once_is_not_worth_a_word() {
        let (start, mut vigil) = (Instant::now(), Vigil::new(1, INTERVAL));
        let beats = look(&mut vigil, start, 0).1;
        assert!(!look(&mut vigil, start, 2).0.all_answer);
        answer(beats);
        let (found, _) = look(&mut vigil, start, 4);
        assert!(found.all_answer && found.silent.is_empty() && found.back.is_empty());
    }
}
