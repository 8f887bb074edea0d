//! How long, and on which terms, may a stored response be used?

use std::time::{Duration, SystemTime};

/// What was found out about a response when it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// When it had come (RFC 9111 §4.2.3 `response_time`).
    pub received: SystemTime,
    /// How old it was then (`corrected_initial_age`).
    pub initial_age: Duration,
    /// How long it is fresh, counted from the endpoint (§4.2.1). Zero if it is to be asked about first.
    pub lifetime: Duration,
    /// How long after that it may be used while another is fetched (RFC 5861 §3).
    pub while_revalidate: Duration,
    /// How long after that it may be used when no other can be had (RFC 5861 §4).
    pub if_error: Duration,
    /// Whether it must not be used once it is stale, whatever the client says (§5.2.2.2).
    pub strict: bool,
    /// Whether it must not be used without asking (§5.2.2.4).
    pub validate: bool,
    /// Whether it does not change while it is fresh, so that a client that reloads need not be taken at its word
    /// (RFC 8246).
    pub immutable: bool,
}

impl Terms {
    /// How old it is (§4.2.3 `current_age`). A clock that was set back does not make it younger than it came.
    pub fn age(&self, now: SystemTime) -> Duration {
        let resident = now.duration_since(self.received).unwrap_or_default();
        self.initial_age.saturating_add(resident)
    }

    /// How many whole seconds it stays fresh; negative when it is stale, for that many seconds begun.
    pub fn ttl(&self, now: SystemTime) -> i64 {
        let age = self.age(now);
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        match self.lifetime.checked_sub(age) {
            Some(left) => seconds(left),
            None => {
                let over = age - self.lifetime;
                let begun = i64::from(over.subsec_nanos() > 0);
                seconds(over).saturating_add(begun).saturating_neg()
            }
        }
    }

    /// Whether it is fresh at that time, if it was softly purged at `purged`. What is to be asked about first never is.
    pub fn is_fresh(&self, purged: Option<SystemTime>, now: SystemTime) -> bool {
        !self.validate && self.stale_for(purged, now).is_none()
    }

    /// How long it has been stale, by itself or because it was purged softly at `purged`; `None` while it is fresh
    /// (§4.2: a response is fresh while its lifetime exceeds its age).
    pub(super) fn stale_for(
        &self,
        purged: Option<SystemTime>,
        now: SystemTime,
    ) -> Option<Duration> {
        let by_age = self.age(now).checked_sub(self.lifetime);
        let by_purge = purged.map(|purged| now.duration_since(purged).unwrap_or_default());
        by_age.max(by_purge)
    }
}

#[cfg(test)]
impl Terms {
    /// Those of a response that came new at that time: it is fresh for a minute, and no more is said about it.
    pub(crate) const fn for_test(received: SystemTime) -> Self {
        Self {
            received,
            initial_age: Duration::ZERO,
            lifetime: Duration::from_secs(60),
            while_revalidate: Duration::ZERO,
            if_error: Duration::ZERO,
            strict: false,
            validate: false,
            immutable: false,
        }
    }
}
