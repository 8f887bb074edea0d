//! When is an attempt that failed made again: what does the configuration say?

use std::time::Duration;

use super::Blame;
use super::budget::Share;
use crate::error::Reason;

/// When an attempt that failed is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Attempts after the first; 0 for none.
    pub limit: u32,
    /// After what.
    pub on: On,
    /// How long one attempt may take, from its lease to the header of its answer; `None` for no limit of its own.
    pub per_try: Option<Duration>,
    /// How long is waited before one.
    pub backoff: Backoff,
    /// How many of them a pool may see.
    pub budget: Share,
    /// Whether requests whose method is not idempotent are repeated as well (RFC 9110 §9.2.2).
    pub non_idempotent: bool,
}

impl Retries {
    /// The largest limit: more would only keep the client waiting for endpoints that don't come back.
    pub const MOST: u32 = 10;
}

/// After what an attempt is made again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct On {
    /// There was no connection.
    pub connect: bool,
    /// The connection was lost before the answer's header was there.
    pub reset: bool,
    /// The endpoint took too long.
    pub timeout: bool,
    /// It answered with one of these.
    pub statuses: Statuses,
}

/// How an attempt failed, as far as retries go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// There was no connection, so nothing of the request was sent.
    Connect,
    /// The connection was lost before the answer's header was there.
    Reset,
    /// The endpoint took too long.
    Timeout,
    /// It answered with this status code.
    Status(u16),
}

impl Setback {
    /// What retries see in a reason; `None` if it is nothing that another attempt could help.
    pub const fn of(reason: Reason) -> Option<Self> {
        match Blame::of(reason) {
            Some(Blame::Connect) => Some(Setback::Connect),
            Some(Blame::Reset) => Some(Setback::Reset),
            Some(Blame::Late) => Some(Setback::Timeout),
            Some(Blame::Broken | Blame::TooLate) | None => None,
        }
    }
}

impl On {
    /// Whether an attempt that failed so is made again.
    pub fn has(&self, setback: Setback) -> bool {
        match setback {
            Setback::Connect => self.connect,
            Setback::Reset => self.reset,
            Setback::Timeout => self.timeout,
            Setback::Status(status) => self.statuses.has(status),
        }
    }
}

/// Some of the status codes from 400 to 599.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statuses([u64; 4]);

impl Statuses {
    /// The codes there can be.
    pub const ALL: std::ops::RangeInclusive<u16> = 400..=599;

    /// Adds one; one that can't be in is left out.
    pub fn insert(&mut self, status: u16) {
        if let Some((word, bit)) = Self::place(status) {
            self.0[word] |= bit;
        }
    }

    /// Whether it is in.
    pub fn has(&self, status: u16) -> bool {
        Self::place(status).is_some_and(|(word, bit)| self.0[word] & bit != 0)
    }

    fn place(status: u16) -> Option<(usize, u64)> {
        let index = status.checked_sub(*Self::ALL.start())?;
        (status <= *Self::ALL.end()).then(|| (usize::from(index / 64), 1 << (index % 64)))
    }
}

/// How long is waited before an attempt is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// At most so long before the first retry; twice as long before each further one.
    pub base: Duration,
    /// But never longer.
    pub max: Duration,
}

impl Backoff {
    /// How long to wait before retry `number`, the first being 0: some of what is allowed by then, as `random` (0 to 1)
    /// wants it. Full jitter: what failed at once must not come again at once.
    pub fn before(&self, number: u32, random: f64) -> Duration {
        let factor = 1_u32.checked_shl(number).unwrap_or(u32::MAX);
        let most = self.base.saturating_mul(factor).min(self.max);
        most.mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in_and_nothing_else() {
        let mut statuses = Statuses::default();
        for status in [400, 463, 464, 502, 503, 599] {
            statuses.insert(status);
        }
        for status in [399, 600, 0, u16::MAX] {
            statuses.insert(status);
        }
        let found: Vec<u16> = (0..=u16::MAX).filter(|code| statuses.has(*code)).collect();
        assert_eq!(found, [400, 463, 464, 502, 503, 599]);
    }

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_is_spread_over_all_of_it() {
        let backoff = Backoff {
            base: Duration::from_millis(25),
            max: Duration::from_millis(250),
        };
        let most = |number| backoff.before(number, 1.0).as_millis();
        assert_eq!([0, 1, 2, 3, 4, 40].map(most), [25, 50, 100, 200, 250, 250]);
        assert_eq!(backoff.before(3, 0.0), Duration::ZERO);
        assert_eq!(backoff.before(3, 0.5), Duration::from_millis(100));
    }
}
