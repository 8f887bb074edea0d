//! Which endpoint is checked next, and when?
//!
//! One ordered queue for all of them. At most so many checks run at once: a thousand endpoints that are new, or that take
//! every check to its time-out, must not open a thousand connections together. Who is due meanwhile waits, the longest
//! due first.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// What is known by this number is checked again and again.
pub type Id = u64;

/// When each of many is checked next.
#[derive(Debug)]
pub struct Schedule {
    queue: BTreeSet<(Instant, Id)>,
    known: HashMap<Id, Turn>,
    running: usize,
    most: usize,
}

#[derive(Clone, Copy, Debug)]
enum Turn {
    /// It stands in the queue.
    Due(Instant),
    /// It runs since then, and is due again as soon as it has ended if someone is in a hurry.
    Runs { since: Instant, hurry: bool },
}

impl Schedule {
    /// Nothing yet, and never more than `most` at once.
    pub fn new(most: usize) -> Self {
        Self {
            queue: BTreeSet::new(),
            known: HashMap::new(),
            running: 0,
            most,
        }
    }

    /// Adds one that is due at `due`.
    pub fn add(&mut self, id: Id, due: Instant) {
        self.remove(id);
        self.stand(id, due);
    }

    /// Takes one out. If it runs, its end is still to be told.
    pub fn remove(&mut self, id: Id) {
        if let Some(Turn::Due(due)) = self.known.remove(&id) {
            self.queue.remove(&(due, id));
        }
    }

    /// Makes one due now; one that runs already, once more when it has ended.
    pub fn hurry(&mut self, id: Id, now: Instant) {
        match self.known.get_mut(&id) {
            Some(Turn::Due(_)) => self.by(id, now),
            Some(Turn::Runs { hurry, .. }) => *hurry = true,
            None => {}
        }
    }

    /// Makes one due at `latest`, unless it is due before.
    pub fn by(&mut self, id: Id, latest: Instant) {
        if let Some(Turn::Due(due)) = self.known.get(&id).copied()
            && due > latest
        {
            self.queue.remove(&(due, id));
            self.stand(id, latest);
        }
    }

    /// When [`start`](Self::start) has something to give; `None` if that takes another call first.
    pub fn next(&self) -> Option<Instant> {
        let (due, _) = self.queue.first()?;
        (self.running < self.most).then_some(*due)
    }

    /// Who is to be checked now.
    pub fn start(&mut self, now: Instant) -> Option<Id> {
        if self.next()? > now {
            return None;
        }
        let (_, id) = self.queue.pop_first()?;
        let turn = Turn::Runs {
            since: now,
            hurry: false,
        };
        self.known.insert(id, turn);
        self.running += 1;
        Some(id)
    }

    /// Notes the end of what [`start`](Self::start) gave. The next is due so long after its beginning, and not before now.
    pub fn end(&mut self, id: Id, now: Instant, after: Duration) {
        self.running -= 1;
        // One that was taken out meanwhile is not known any more.
        if let Some(Turn::Runs { since, hurry }) = self.known.get(&id).copied() {
            let due = match hurry {
                true => now,
                false => now.max(since + after),
            };
            self.stand(id, due);
        }
    }

    fn stand(&mut self, id: Id, due: Instant) {
        self.queue.insert((due, id));
        self.known.insert(id, Turn::Due(due));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::health::check::Rhythm;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn who_is_due_first_is_first_and_nobody_before_his_time() {
        let now = Instant::now();
        let mut schedule = Schedule::new(10);
        schedule.add(1, now + 20 * MS);
        schedule.add(2, now + 10 * MS);
        assert_eq!(schedule.next(), Some(now + 10 * MS));
        assert_eq!(schedule.start(now + 9 * MS), None);
        assert_eq!(schedule.start(now + 20 * MS), Some(2));
        assert_eq!(schedule.start(now + 20 * MS), Some(1));
        assert_eq!(
            (schedule.start(now + 99 * MS), schedule.next()),
            (None, None)
        );
        schedule.end(2, now + 25 * MS, 100 * MS);
        assert_eq!(schedule.next(), Some(now + 120 * MS));
        // One that has taken longer than its interval is due at once, and no check of one endpoint meets another.
        schedule.end(1, now + 500 * MS, 100 * MS);
        assert_eq!(schedule.start(now + 500 * MS), Some(2));
        assert_eq!(schedule.start(now + 500 * MS), Some(1));
    }

    #[test]
    fn no_more_than_the_limit_run_at_once_and_the_longest_due_goes_first() {
        let now = Instant::now();
        let mut schedule = Schedule::new(2);
        for (id, due) in [(1, 3), (2, 1), (3, 2)] {
            schedule.add(id, now + due * MS);
        }
        let later = now + 10 * MS;
        assert_eq!(schedule.start(later), Some(2));
        assert_eq!(schedule.start(later), Some(3));
        assert_eq!((schedule.start(later), schedule.next()), (None, None));
        schedule.end(3, later, 100 * MS);
        assert_eq!(schedule.start(later), Some(1));
    }

    #[test]
    fn one_that_runs_when_someone_is_in_a_hurry_runs_once_more() {
        let now = Instant::now();
        let mut schedule = Schedule::new(2);
        schedule.add(1, now + 1000 * MS);
        schedule.hurry(1, now);
        assert_eq!(schedule.start(now), Some(1));
        schedule.hurry(1, now);
        assert_eq!(schedule.start(now), None);
        schedule.end(1, now + MS, 1000 * MS);
        assert_eq!(schedule.start(now + MS), Some(1));
        schedule.end(1, now + 2 * MS, 1000 * MS);
        assert_eq!(schedule.next(), Some(now + 1001 * MS));
    }

    #[test]
    fn one_that_is_taken_out_gives_its_place_back() {
        let now = Instant::now();
        let mut schedule = Schedule::new(1);
        schedule.add(1, now);
        schedule.add(2, now);
        assert_eq!(schedule.start(now), Some(1));
        schedule.remove(1);
        schedule.hurry(1, now);
        assert_eq!(schedule.start(now), None);
        schedule.end(1, now, MS);
        assert_eq!(schedule.start(now), Some(2));
        schedule.end(2, now, MS);
        schedule.remove(2);
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn a_thousand_endpoints_are_each_checked_once_an_interval_and_soon_spread_over_it() {
        let rhythm = Rhythm {
            interval: 1000 * MS,
            interval_down: 1000 * MS,
            jitter: 10,
        };
        let begin = Instant::now();
        let mut random = fastrand::Rng::with_seed(4);
        let mut schedule = Schedule::new(50);
        for id in 0..1000 {
            schedule.add(id, begin);
        }
        let mut starts: HashMap<Id, Vec<Duration>> = HashMap::new();
        let mut ending: BTreeSet<(Instant, Id)> = BTreeSet::new();
        for step in 0..10_000_u32 {
            let now = begin + step * MS;
            while let Some((_, id)) = ending.first().copied().filter(|(end, _)| *end <= now) {
                ending.pop_first();
                let after = match starts[&id].len() {
                    1 => rhythm.second(true, random.f64()),
                    _ => rhythm.next(true, random.f64()),
                };
                schedule.end(id, now, after);
            }
            while let Some(id) = schedule.start(now) {
                starts.entry(id).or_default().push(now - begin);
                // A check takes 5 ms.
                ending.insert((now + 5 * MS, id));
                assert!(ending.len() <= 50);
            }
        }
        let mut per_100ms = [0_u32; 100];
        for times in starts.values() {
            // The first round takes 1,000 / 50 × 5 ms, so it has begun everywhere after 100 ms.
            assert!(times[0] <= 100 * MS, "{:?}", times[0]);
            for pair in times[1..].windows(2) {
                let gap = pair[1] - pair[0];
                assert!(gap >= 900 * MS && gap <= 1110 * MS, "{gap:?}");
            }
            for time in times {
                per_100ms[usize::try_from(time.as_millis() / 100).expect("small")] += 1;
            }
        }
        assert_eq!(starts.len(), 1000);
        for (index, count) in per_100ms.iter().enumerate().skip(15) {
            assert!((50..=160).contains(count), "{index}: {count}");
        }
    }
}
