//! How many requests may an endpoint serve at once, so that a key everybody asks for does not drown it?
//!
//! Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam 2016): an endpoint may serve at most
//! `⌈max_load × (requests in flight + 1) × its share⌉`, and what it has no room for goes to the next endpoint of the
//! key. The requests in flight are those of the whole pool: its other priorities count as well, which makes the bound a
//! little wider while requests to both run. The share is that among the endpoints that are available, see
//! [`Bound::limit`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::pool::{Ask, Endpoint, clock};

/// How much more than its share an endpoint may serve: over 1, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxLoad(u32);

impl MaxLoad {
    /// From so many times its share on it is hardly a bound. What is written there is meant in percent, as other proxies
    /// have it.
    pub const LIMIT: f64 = 10.0;

    /// This many times its share; `None` if that is not over 1, or not below [`LIMIT`](Self::LIMIT).
    pub fn new(times: f64) -> Option<Self> {
        let thousandths = (times * 1000.0).round();
        ((1001.0..Self::LIMIT * 1000.0).contains(&thousandths)).then_some(Self(thousandths as u32))
    }
}

impl fmt::Display for MaxLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.0) / 1000.0)
    }
}

/// The bound of the endpoints of a balancer.
#[derive(Debug)]
pub(super) struct Bound {
    max_load: MaxLoad,
    /// The weights of all endpoints together.
    weight: u32,
    /// The weights of those that were available when that was last of interest, and in which second of the [`clock`]
    /// that was: the second in the upper half. 0 for never.
    available: AtomicU64,
}

/// For how many seconds after it was counted the weight of the available endpoints is trusted.
const TRUSTED: u64 = 1;

impl Bound {
    pub(super) fn new(max_load: MaxLoad, endpoints: &[Arc<Endpoint>]) -> Self {
        let weights = endpoints.iter().map(|endpoint| u32::from(endpoint.weight));
        Self {
            max_load,
            weight: weights.fold(0, u32::saturating_add),
            available: AtomicU64::new(0),
        }
    }

    /// The limits as of now.
    ///
    /// Shares are counted among all endpoints, until that leaves no room anywhere because some are not available: then
    /// their weights are [counted](Self::count), and shares are among these for a second or two. So a choice costs the
    /// same with ten thousand endpoints, and a pool that is half ill still spreads by the same rule.
    pub(super) fn limit(&self, endpoint: &Endpoint, now: Instant) -> Limit {
        let counted = self.available.load(Ordering::Relaxed);
        let weight = if counted != 0 && second(now).saturating_sub(counted >> 32) <= TRUSTED {
            counted & u64::from(u32::MAX)
        } else {
            u64::from(self.weight)
        };
        self.among(weight, endpoint)
    }

    /// Counts the weights of those a request may go to, and the limits among these.
    pub(super) fn count(&self, endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<Limit> {
        let mut allowed = endpoints.iter().filter(|endpoint| ask.allows(endpoint));
        let first = allowed.next()?;
        let weight = allowed.fold(u32::from(first.weight), |sum, endpoint| {
            sum.saturating_add(u32::from(endpoint.weight))
        });
        let weight = u64::from(weight);
        // What one request has tried already is there for all others.
        if ask.tried.is_empty() {
            let counted = (second(ask.now) << 32) | weight;
            self.available.store(counted, Ordering::Relaxed);
        }
        Some(self.among(weight, first))
    }

    fn among(&self, weight: u64, endpoint: &Endpoint) -> Limit {
        let to_be = u128::from(endpoint.pool.in_flight()) + 1;
        Limit {
            of: to_be * u128::from(self.max_load.0),
            among: u128::from(weight) * 1000,
        }
    }
}

fn second(now: Instant) -> u64 {
    clock::millis(now) / 1000
}

/// How many requests endpoints may serve at a moment: `⌈of × weight ÷ among⌉`, without a division.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    of: u128,
    among: u128,
}

impl Limit {
    /// Whether the endpoint may serve one more.
    pub(super) fn has_room(&self, endpoint: &Endpoint) -> bool {
        // n < ⌈x⌉ is n < x for a whole n.
        let serving = u128::from(endpoint.state.in_flight());
        serving * self.among < self.of * u128::from(endpoint.weight)
    }

    /// The most it may serve.
    pub(super) fn most(&self, endpoint: &Endpoint) -> u32 {
        let most = (self.of * u128::from(endpoint.weight)).div_ceil(self.among.max(1));
        u32::try_from(most).unwrap_or(u32::MAX)
    }
}
