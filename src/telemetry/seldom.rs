//! How is a flood of events told in few lines?

use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};

/// Something that may happen very often, and is told at most once in a time.
#[derive(Debug)]
pub struct Seldom {
    every: Duration,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    /// How often it happened since without being told.
    silent: u64,
}

impl Seldom {
    /// Nothing was told yet.
    pub const fn new(every: Duration) -> Self {
        Self {
            every,
            told: Mutex::new(Told {
                last: None,
                silent: 0,
            }),
        }
    }

    /// It happened: how often it did so untold before, if it is to be told now. Waits for nobody: what happens while
    /// another thread is here is not told, and not counted either.
    pub fn happened(&self, now: Instant) -> Option<u64> {
        let mut told = match self.told.try_lock() {
            Ok(told) => told,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let is_due = |last| now.saturating_duration_since(last) >= self.every;
        if !told.last.is_none_or(is_due) {
            told.silent += 1;
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_once_in_a_time_with_its_number() {
        let seldom = Seldom::new(Duration::from_secs(1));
        let begun = Instant::now();
        let after = |millis| begun + Duration::from_millis(millis);
        assert_eq!(seldom.happened(begun), Some(0));
        for millis in 1..=999 {
            assert_eq!(seldom.happened(after(millis)), None);
        }
        assert_eq!(seldom.happened(after(1_000)), Some(999));
        assert_eq!(seldom.happened(after(1_999)), None);
        assert_eq!(seldom.happened(after(60_000)), Some(1));
        assert_eq!(seldom.happened(after(61_000)), Some(0));
    }
}
