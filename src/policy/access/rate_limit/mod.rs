//! Have more requests come than may?

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{Access, Asked, Edit, Granted, Refusal, Ruling, Verdict};
use crate::admission::NetworkSet;
use crate::admission::rate::{Buckets, ExemptKeys, Limit, RateKey, Taken};
use crate::error::Reason;
use crate::route::key::Source;
use crate::telemetry::metrics::RateLimitMetrics;

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers): lists, to which each limit adds a member.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// A limit of how many requests of one key may come.
pub struct RateLimit {
    /// How many.
    pub limit: Limit,
    /// Which requests share a bucket.
    pub key: RateKey,
    /// What was had of late.
    pub buckets: Arc<Buckets>,
    /// Clients that are not counted.
    pub exempt: NetworkSet,
    /// Values of the key that are not counted.
    pub exempt_keys: Option<ExemptKeys>,
    /// Whether what is too much goes on all the same.
    pub dry_run: bool,
    /// What clients are told.
    pub told: Told,
    /// What became of the requests.
    pub metrics: RateLimitMetrics,
}

/// What clients are told of a limit.
pub struct Told {
    /// Whether every answer tells them; else those that refuse.
    pub always: bool,
    /// The limit's member of `RateLimit-Policy`.
    pub policy: HeaderValue,
    /// What its member of `RateLimit` begins with: its name in quotation marks.
    pub name: Box<str>,
}

impl Told {
    /// Of a limit of this name, which has nothing in it that would have to be escaped.
    pub fn new(name: &str, limit: &Limit, always: bool) -> Option<Self> {
        let name = format!("\"{name}\"");
        let window = whole_seconds(limit.refills_in());
        let policy = format!("{name};q={};w={window}", limit.burst());
        Some(Self {
            always,
            policy: HeaderValue::try_from(policy).ok()?,
            name: name.into(),
        })
    }
}

impl RateLimit {
    /// Whether the request is not counted.
    pub(super) fn exempts(&self, asked: &Asked<'_>, from: &Source<'_>) -> bool {
        asked
            .client
            .is_some_and(|client| self.exempt.contains(client))
            || self
                .exempt_keys
                .as_ref()
                .is_some_and(|keys| keys.contains(&self.key, from))
    }

    /// What follows from what its bucket says about a request, by this limit: its own, or a share of it.
    pub(super) fn ruling(&self, taken: &Taken, limit: &Limit, granted: &mut Granted) -> Ruling {
        if taken.forgot {
            self.metrics.forgotten.inc();
        }
        if self.dry_run {
            let counted = match taken.allowed {
                true => &self.metrics.allowed,
                false => &self.metrics.would_refuse,
            };
            counted.inc();
            return Ruling::Pass;
        }
        if self.told.always || !taken.allowed {
            self.tell(taken, limit, granted);
        }
        if taken.allowed {
            self.metrics.allowed.inc();
            return Ruling::Pass;
        }
        self.metrics.refused.inc();
        Ruling::Refuse(Refusal {
            reason: Reason::RateLimited,
            retry_after: Some(taken.more_in(limit)),
        })
    }

    fn tell(&self, taken: &Taken, limit: &Limit, granted: &mut Granted) {
        let remaining = taken.remaining(limit);
        let more_in = whole_seconds(taken.more_in(limit));
        let state = format!("{};r={remaining};t={more_in}", self.told.name);
        if let Ok(state) = HeaderValue::try_from(state) {
            let policy = self.told.policy.clone();
            granted.to_client.push(Edit::Append(POLICY, policy));
            granted.to_client.push(Edit::Append(STATE, state));
        }
    }
}

impl Access for RateLimit {
    fn decide(&self, asked: &Asked<'_>, granted: &mut Granted) -> Verdict {
        let from = Source {
            request: asked.request,
            client: asked.client,
            claims: granted.claims.as_deref(),
        };
        if self.exempts(asked, &from) {
            self.metrics.exempt.inc();
            return Verdict::pass();
        }
        let key = self.buckets.key(|hasher| self.key.feed(&from, hasher));
        let taken = self.buckets.take(key, asked.now, &self.limit);
        self.ruling(&taken, &self.limit, granted).into()
    }
}

/// Rounded up: who comes after so many seconds does not come too early.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
