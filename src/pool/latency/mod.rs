//! How long do the answers of an endpoint take, when a slow one counts at once and is forgotten slowly?
//!
//! A moving average that is sensitive to peaks, as in Finagle's `p2c` "Peak EWMA": a sample above the average takes its
//! place, one below it pulls it down by as much as time has passed. While nobody waits for an answer it fades, so that an
//! endpoint that was slow is tried again; while somebody waits it stays, so that it is tried with one request and not with
//! many, and one that hangs gets no better by its silence.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Ending, Lesson, Outcome, clock};

/// What is remembered about the latency of an endpoint. Nothing is remembered where the balancer does not go by it.
#[derive(Debug, Default)]
pub struct Memory {
    /// Requests whose response has not begun.
    waiting: AtomicU32,
    /// An [`Average`]; 0 as long as nothing is known.
    average: AtomicU64,
}

/// The average, and when it was changed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Average {
    /// Microseconds, 1 at least.
    micros: f32,
    /// Milliseconds of the [`clock`].
    at: u64,
}

/// What is thought of an endpoint of which nothing is known but that it fails.
const FAILS_FROM_THE_BEGINNING: f32 = 100e3;
/// Failures make the average no larger than this, unless they take longer themselves.
const FAILS_AGAIN_AND_AGAIN: f32 = 1e6;
/// A lower sample counts at most so often within the time of decay. More would hardly change the average, and write to
/// the memory that all threads share.
const SAMPLES: u64 = 1024;

impl Memory {
    /// Requests whose response has not begun.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How long an answer will take, in microseconds; `None` if none has come yet. `decay` is the time constant with which
    /// the past fades.
    pub fn expected(&self, decay: Duration, now: Instant) -> Option<f32> {
        let average = Average::unpack(self.average.load(Ordering::Relaxed))?;
        Some(self.worth(average, decay, clock::millis(now)))
    }

    /// What an average is worth now: it fades while nobody waits.
    fn worth(&self, average: Average, decay: Duration, now: u64) -> f32 {
        if self.waiting() > 0 {
            return average.micros;
        }
        average.micros * remains(average.age(now), decay)
    }

    /// Takes note of a request to the endpoint. [`learn`](Self::learn) follows, once.
    pub(super) fn asked(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Learns from the end of an attempt. That of a client which has gone away teaches nothing. A failure never makes an
    /// endpoint look fast, however fast it comes.
    pub(super) fn learn(&self, lesson: Lesson, decay: Duration, now: Instant) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let took = (lesson.took.as_secs_f32() * 1e6).max(1.0);
        let at = clock::millis(now);
        let next = |average: Option<Average>| {
            let known = average.map_or(FAILS_FROM_THE_BEGINNING, |average| average.micros);
            match (lesson.ending.outcome(), lesson.ending) {
                (Outcome::Neutral, _) => None,
                // It would have taken longer still. By what the average is worth now: one that hangs would fade for ever.
                (Outcome::Outrun, _) => {
                    let worth = average.map(|average| self.worth(average, decay, at));
                    return worth.is_none_or(|worth| worth < took).then_some(took);
                }
                // Twice as bad each time: what refuses connections at once has nothing in flight, and would draw all.
                (Outcome::Failure, _) => Some((known * 2.0).min(FAILS_AGAIN_AND_AGAIN).max(known)),
                // It may be the request's fault or the endpoint's.
                (Outcome::Success, Ending::Answered(429 | 500..)) => Some(known),
                (Outcome::Success, _) => {
                    return average.map_or(Some(took), |a| a.with(took, at, decay));
                }
            }
            .map(|least| took.max(least))
        };
        let pack = |micros| Average { micros, at }.pack();
        // An error says that there is nothing to change.
        let _ = self
            .average
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| {
                next(Average::unpack(packed)).map(pack)
            });
    }
}

impl Average {
    /// The average with one more sample; `None` if it stays as it is.
    fn with(self, sample: f32, now: u64, decay: Duration) -> Option<f32> {
        if sample >= self.micros {
            return Some(sample);
        }
        let age = self.age(now);
        if u128::from(age) * u128::from(SAMPLES) < decay.as_millis() {
            return None;
        }
        Some(sample + (self.micros - sample) * remains(age, decay))
    }

    /// How many milliseconds ago it was changed. That of another thread may be a little later than now.
    fn age(self, now: u64) -> u64 {
        let age = now.wrapping_sub(self.at) & AT;
        if age > AT / 2 { 0 } else { age }
    }

    /// In one number, so that both parts change at once: 36 bits of milliseconds, which is two years, before the 28 bits of
    /// a positive `f32` that weigh most, which is exact to a millionth.
    fn pack(self) -> u64 {
        (self.at & AT) << MICROS_BITS | u64::from(self.micros.to_bits() >> DROPPED_BITS)
    }

    fn unpack(packed: u64) -> Option<Self> {
        let micros = (packed & ((1 << MICROS_BITS) - 1)) as u32;
        (micros > 0).then(|| Self {
            micros: f32::from_bits(micros << DROPPED_BITS),
            at: packed >> MICROS_BITS,
        })
    }
}

const AT: u64 = (1 << 36) - 1;
const MICROS_BITS: u32 = 28;
const DROPPED_BITS: u32 = 3;

/// What part of the past remains.
fn remains(millis: u64, decay: Duration) -> f32 {
    (-(millis as f64) / (decay.as_secs_f64() * 1e3)).exp() as f32
}

#[cfg(test)]
mod tests;
