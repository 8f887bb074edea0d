//! Is the disk well enough to be used?

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long after an error the disk is tried again.
const OFF_FOR: Duration = Duration::from_secs(30);

/// How long after there was no room left nothing is written.
const FULL_FOR: Duration = Duration::from_secs(10);

/// What an error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ill {
    /// There is no such file, or the process wants something that the disk can do nothing about.
    No,
    /// There is no room.
    Full,
    /// The disk, or its directory, can't be used.
    Off,
}

/// Whether it may be used, and since when it may not.
pub(super) struct Health {
    is_on: AtomicBool,
    is_full: AtomicBool,
    until: Mutex<Until>,
}

#[derive(Default)]
struct Until {
    off: Option<Instant>,
    /// Why it is off.
    error: Option<String>,
    full: Option<Instant>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            is_on: AtomicBool::new(true),
            is_full: AtomicBool::new(false),
            until: Mutex::default(),
        }
    }
}

impl Ill {
    /// What to make of an error.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::Interrupted | ErrorKind::OutOfMemory => Self::No,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full
            }
            _ => match error.raw_os_error() {
                // No descriptors are left.
                Some(libc::EMFILE | libc::ENFILE) => Self::No,
                _ => Self::Off,
            },
        }
    }
}

impl Health {
    /// Whether it may be read.
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Whether it may be written.
    pub(super) fn takes(&self) -> bool {
        self.is_on() && !self.is_full.load(Ordering::Relaxed)
    }

    /// It can't be used for a while; whether that is new.
    pub(super) fn turn_off(&self, now: Instant, error: String) -> bool {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.off = Some(now + OFF_FOR);
        until.error = Some(error);
        self.is_on.swap(false, Ordering::Relaxed)
    }

    /// There is no room for a while; whether that is new.
    pub(super) fn fill(&self, now: Instant) -> bool {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.full = Some(now + FULL_FOR);
        !self.is_full.swap(true, Ordering::Relaxed)
    }

    /// Whether it is time to try again. What was full is simply written again.
    pub(super) fn wants_probe(&self, now: Instant) -> bool {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.full.is_some_and(|full| full <= now) {
            until.full = None;
            self.is_full.store(false, Ordering::Relaxed);
        }
        until.off.is_some_and(|off| off <= now)
    }

    /// Why it is off.
    pub(super) fn error(&self) -> Option<String> {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.error.clone()
    }

    /// It was tried and can be used.
    pub(super) fn turn_on(&self) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        (until.off, until.error) = (None, None);
        self.is_on.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
