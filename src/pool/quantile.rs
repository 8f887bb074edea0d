//! How long does a pool's answer take at most, for all but a few of its requests?
//!
//! Times are counted in buckets that grow with them: eight for each doubling, so that the answer is at most an eighth too
//! large. What is older than two windows is forgotten. Lock-free; exact but for what is counted while a window turns.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::clock;

/// Milliseconds of one window. The one before it counts as well.
const WINDOW: u64 = 10_000;
/// Fewer times than this say nothing about their twentieth.
const ENOUGH: u64 = 100;
/// How long an answer is remembered, in milliseconds: to give it anew costs some hundred additions.
const REMEMBERED: u64 = 100;
/// Eight for each power of two of microseconds, up to 19 hours.
const BUCKETS: usize = 35 * 8;
/// Nothing is known.
const NOTHING: u64 = u64::MAX;

/// How long answers took to begin, of the last ten to twenty seconds.
#[derive(Debug)]
pub struct FirstBytes {
    windows: [Window; 2],
    /// Which window is filled now, counted from the clock's beginning.
    turn: AtomicU64,
    /// The answer that is remembered, in microseconds, and since when.
    answer: AtomicU64,
    answered: AtomicU64,
}

#[derive(Debug)]
struct Window([AtomicU32; BUCKETS]);

impl Window {
    fn clear(&self) {
        for bucket in &self.0 {
            bucket.store(0, Ordering::Relaxed);
        }
    }
}

impl Default for FirstBytes {
    fn default() -> Self {
        let window = || Window(std::array::from_fn(|_| AtomicU32::new(0)));
        Self {
            windows: [window(), window()],
            turn: AtomicU64::new(0),
            answer: AtomicU64::new(NOTHING),
            answered: AtomicU64::new(0),
        }
    }
}

impl FirstBytes {
    /// Counts one.
    pub fn record(&self, took: Duration, now: Instant) {
        let turn = self.turn_to(now);
        let window = &self.windows[turn as usize % 2];
        window.0[bucket(took)].fetch_add(1, Ordering::Relaxed);
    }

    /// What 95 of 100 stay within; `None` while too few are counted.
    pub fn p95(&self, now: Instant) -> Option<Duration> {
        let millis = clock::millis(now);
        let answered = self.answered.load(Ordering::Relaxed);
        let mut micros = self.answer.load(Ordering::Relaxed);
        if micros == NOTHING || millis.saturating_sub(answered) >= REMEMBERED {
            // Two who come at once look twice, and find the same.
            micros = self.look(now);
            self.answer.store(micros, Ordering::Relaxed);
            self.answered.store(millis, Ordering::Relaxed);
        }
        (micros != NOTHING).then(|| Duration::from_micros(micros))
    }

    fn look(&self, now: Instant) -> u64 {
        self.turn_to(now);
        let [one, other] = &self.windows;
        let count = |index: usize| {
            let load = |window: &Window| u64::from(window.0[index].load(Ordering::Relaxed));
            load(one) + load(other)
        };
        let total: u64 = (0..BUCKETS).map(count).sum();
        if total < ENOUGH {
            return NOTHING;
        }
        let wanted = (total * 95).div_ceil(100);
        let mut below = 0;
        let reached = (0..BUCKETS).find(|index| {
            below += count(*index);
            below >= wanted
        });
        reached.map_or(NOTHING, most)
    }

    /// Goes on to the window of now, and forgets what is older than the one before.
    fn turn_to(&self, now: Instant) -> u64 {
        let wanted = clock::millis(now) / WINDOW;
        let turn = self.turn.load(Ordering::Relaxed);
        if turn >= wanted {
            return turn;
        }
        let won = self
            .turn
            .compare_exchange(turn, wanted, Ordering::Relaxed, Ordering::Relaxed);
        if won.is_ok() {
            self.windows[wanted as usize % 2].clear();
            if wanted - turn > 1 {
                self.windows[turn as usize % 2].clear();
                self.windows[(wanted + 1) as usize % 2].clear();
            }
        }
        wanted
    }
}

/// The bucket of a time.
fn bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if micros < 8 {
        return micros as usize;
    }
    let power = micros.ilog2() as usize - 3;
    let eighth = (micros >> power) as usize - 8;
    ((power + 1) * 8 + eighth).min(BUCKETS - 1)
}

/// The longest time of a bucket, in microseconds.
fn most(bucket: usize) -> u64 {
    if bucket < 8 {
        return bucket as u64;
    }
    let (power, eighth) = (bucket / 8 - 1, bucket % 8);
    ((8 + eighth as u64 + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a window.
    fn start() -> Instant {
        let now = Instant::now();
        let into = clock::millis(now) % WINDOW;
        now + Duration::from_millis(WINDOW - into)
    }

    #[test]
    fn every_time_is_in_a_bucket_whose_longest_is_at_most_an_eighth_longer() {
        let mut last = 0;
        for power in 0..36 {
            for more in 0..100 {
                let micros = (1_u64 << power) + (more << power) / 100;
                let index = bucket(Duration::from_micros(micros));
                assert!(index >= last, "{micros}");
                last = index;
                assert!(most(index) >= micros, "{micros}: {}", most(index));
                assert!(
                    most(index) <= micros + micros / 8,
                    "{micros}: {}",
                    most(index)
                );
            }
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
        assert_eq!(bucket(Duration::ZERO), 0);
    }

    #[test]
    fn nothing_is_said_before_a_hundred_times_are_known() {
        let (times, now) = (FirstBytes::default(), start());
        for _ in 0..99 {
            times.record(Duration::from_millis(10), now);
        }
        assert_eq!(times.p95(now), None);
        times.record(Duration::from_millis(10), now);
        let p95 = times.p95(now).expect("enough");
        assert!((10_000..=11_250).contains(&p95.as_micros()), "{p95:?}");
        // What was said a moment ago holds for a moment.
        for _ in 0..100 {
            times.record(Duration::from_secs(1), now);
        }
        assert_eq!(times.p95(now), Some(p95));
        let later = now + Duration::from_millis(REMEMBERED);
        assert!(times.p95(later) >= Some(Duration::from_secs(1)));
    }

    #[test]
    fn ninety_five_of_a_hundred_stay_within_it() {
        for slow in [4, 5, 6] {
            let (times, now) = (FirstBytes::default(), start());
            for number in 0..1000 {
                let millis = if number % 100 < slow { 1000 } else { 10 };
                times.record(Duration::from_millis(millis), now);
            }
            let p95 = times.p95(now).expect("enough").as_millis();
            let wanted = if slow <= 5 { 10..=11 } else { 1000..=1125 };
            assert!(wanted.contains(&p95), "{slow} of a hundred: {p95} ms");
        }
    }

    #[test]
    fn what_was_slow_is_forgotten_after_two_windows() {
        let (times, start) = (FirstBytes::default(), start());
        let at = |millis| start + Duration::from_millis(millis);
        for _ in 0..1000 {
            times.record(Duration::from_secs(1), at(0));
        }
        for _ in 0..1000 {
            times.record(Duration::from_millis(1), at(WINDOW));
        }
        let both = times.p95(at(WINDOW + 1)).expect("enough");
        assert!(both >= Duration::from_secs(1), "{both:?}");
        let one = times.p95(at(2 * WINDOW)).expect("enough");
        assert!(one < Duration::from_millis(2), "{one:?}");
        assert_eq!(times.p95(at(3 * WINDOW)), None);
        assert_eq!(times.p95(at(50 * WINDOW)), None);
    }

    #[test]
    fn a_pause_forgets_everything() {
        for windows in 2..7 {
            let (times, start) = (FirstBytes::default(), start());
            for _ in 0..1000 {
                times.record(Duration::from_secs(1), start);
            }
            let later = start + Duration::from_millis(windows * WINDOW);
            assert_eq!(times.p95(later), None, "{windows}");
        }
    }
}
