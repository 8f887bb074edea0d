//! Since when is an endpoint unhealthy by its checks, and what did the last one find?

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::pool::clock;

/// How many characters of a cause are kept: some of it may be the endpoint's own words.
const LONGEST: usize = 200;

/// What is told about an endpoint whose checks fail. Only who looks at the pools reads it, no request does.
#[derive(Debug, Default)]
pub struct Illness {
    /// When it became unhealthy, in milliseconds of the [`clock`]; 0 if it is not, or nobody knows.
    since: AtomicU64,
    /// What the last failed check found, until one is passed and the endpoint healthy.
    cause: Mutex<Option<Box<str>>>,
}

impl Illness {
    /// For how long it has been unhealthy; `None` if it is not, or if that was learned from another process.
    pub fn lasts(&self, now: Instant) -> Option<Duration> {
        let since = self.since.load(Relaxed);
        (since > 0).then(|| Duration::from_millis(clock::millis(now).saturating_sub(since)))
    }

    /// What the last failed check found; `None` if its checks do not fail.
    pub fn cause(&self) -> Option<Box<str>> {
        self.kept().clone()
    }

    /// A check has failed.
    pub(super) fn failed(&self, cause: &dyn Display) {
        let cause = shortened(cause);
        *self.kept() = Some(cause);
    }

    /// It is unhealthy from now on.
    pub(super) fn begins(&self, now: Instant) {
        self.since.store(clock::millis(now).max(1), Relaxed);
    }

    /// It is healthy, and its last check was passed.
    pub(super) fn ends(&self) {
        self.since.store(0, Relaxed);
        *self.kept() = None;
    }

    fn kept(&self) -> MutexGuard<'_, Option<Box<str>>> {
        // Only ever replaced as a whole.
        self.cause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of it, as it can be shown on a terminal.
fn shortened(cause: &dyn Display) -> Box<str> {
    let whole = cause.to_string();
    let mut chars = whole.chars();
    let shown = |char: char| if char.is_control() { ' ' } else { char };
    let mut kept: String = chars.by_ref().take(LONGEST).map(shown).collect();
    if chars.next().is_some() {
        kept.push('…');
    }
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_kept_short_and_harmless() {
        let illness = Illness::default();
        illness.failed(&format!("\u{9b}31m\n{}", "ä".repeat(1_000)));
        let cause = illness.cause().expect("a cause");
        assert!(cause.starts_with(" 31m ää") && cause.ends_with("ä…"));
        assert_eq!(cause.chars().count(), LONGEST + 1);
        illness.failed(&"status 500");
        assert_eq!(illness.cause().as_deref(), Some("status 500"));
    }
}
