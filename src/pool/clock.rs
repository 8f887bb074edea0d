//! What time is it, in a number that fits an atomic?

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// A moment before any other this process asks about; an hour, so that what a predecessor remembers fits in as well.
static BEGINNING: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(3600)).unwrap_or(now)
});

/// Milliseconds of the monotonic clock.
pub fn millis(now: Instant) -> u64 {
    length(now.saturating_duration_since(*BEGINNING))
}

/// A length of time in milliseconds: the most there are if it has more.
pub fn length(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
