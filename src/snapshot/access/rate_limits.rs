//! How do written rate limits become those that count?

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use crate::admission::rate::{Buckets, ExemptKeys, Limit, Place, RateKey, Scope, TooMuch};
use crate::config::access::rate_limit::{
    DEFAULT_IPV6_PREFIX, DEFAULT_KEYS, DEFAULT_WHILE_AWAY, LimitFields, RateLimit as Written, Store,
};
use crate::config::{Config, Diagnostics, Pool, Route, Spanned};
use crate::policy::access::rate_limit::Told;
use crate::policy::access::{Access, Policies, RateLimit, SharedRateLimit};
use crate::route::key::Purpose;
use crate::snapshot::files::Sources;
use crate::snapshot::names;
use crate::snapshot::networks::networks;
use crate::snapshot::reporter::Reporter;

/// The most keys: 320 MiB.
const MOST_KEYS: u32 = 10_000_000;

/// The limits of each pool, by its name.
pub(in crate::snapshot) type OfPools = HashMap<String, Policies>;

/// Those of every pool. Its routes share them.
pub(in crate::snapshot) fn of_pools(
    config: &Config,
    sources: &Sources<'_>,
    diagnostics: &mut Diagnostics,
) -> OfPools {
    let mut pools = OfPools::new();
    for pool in &config.pools {
        let mut reporter = Reporter::new("pools", &pool.name, diagnostics);
        let place = (Scope::Pool, &pool.name);
        let limits = compile(place, &pool.rate_limits, sources, &mut reporter);
        claims_without_tokens(pool, &config.routes, &mut reporter);
        pools
            .entry(pool.name.value.clone())
            .or_insert(limits.all().into());
    }
    pools
}

/// As of a route: a claim is known only where a route to the pool verifies tokens.
fn claims_without_tokens(pool: &Pool, routes: &[Route], reporter: &mut Reporter<'_>) {
    let leads_here = |route: &&Route| {
        let end = route.pool.as_ref();
        end.is_some_and(|end| end.value == pool.name.value)
    };
    let mut routes = routes.iter().filter(leads_here).peekable();
    if routes.peek().is_some() && routes.all(|route| route.jwt.is_none()) {
        super::warn_of_claims(
            &pool.rate_limits,
            "no route to the pool verifies tokens, so that requests are counted by their clients' addresses",
            "add `jwt` to the routes",
            reporter,
        );
    }
}

/// The limits of one listener, route or pool, in the order in which they are written.
#[derive(Default)]
pub(super) struct Limits {
    /// Those that go by what every request shows.
    pub(super) plain: Vec<Arc<dyn Access>>,
    /// Those that go by what a token says, and must wait until it is verified.
    pub(super) by_claim: Vec<Arc<dyn Access>>,
}

impl Limits {
    fn all(self) -> Vec<Arc<dyn Access>> {
        let mut all = self.plain;
        all.extend(self.by_claim);
        all
    }
}

/// Compiles them; what is wrong is reported, and the limit left out.
pub(super) fn compile(
    place: (Scope, &Spanned<String>),
    written: &[Written],
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Limits {
    let mut limits = Limits::default();
    names::check_list(
        "rate_limits",
        written.iter().map(|limit| &limit.name),
        reporter,
    );
    for (index, written) in written.iter().enumerate() {
        let mut one = One {
            part: format!("rate_limits[{index}]"),
            written,
            reporter: &mut *reporter,
        };
        let while_away = one.store(sources);
        if let Some(limit) = one.compile(place, sources) {
            let list = match limit.key.has_claim() {
                true => &mut limits.by_claim,
                false => &mut limits.plain,
            };
            list.push(match (while_away, &sources.redis.shared) {
                (Some(while_away), Some(store)) => {
                    let (scope, part) = (place.0.as_str(), &place.1.value);
                    let place = format!("{scope}/{part}/{}", written.name.value);
                    let store = Arc::clone(store);
                    Arc::new(SharedRateLimit::new(limit, store, &place, while_away))
                }
                _ => Arc::new(limit),
            });
        }
    }
    limits
}

/// The compilation of one limit.
struct One<'a, 'r> {
    part: String,
    written: &'a Written,
    reporter: &'a mut Reporter<'r>,
}

impl One<'_, '_> {
    fn error<T>(&mut self, key: &str, at: &Spanned<T>, message: String, hint: Option<&str>) {
        let key = format!("{}.{key}", self.part);
        self.reporter.error(&key, at, message, hint);
    }

    fn compile(
        &mut self,
        (scope, part): (Scope, &Spanned<String>),
        sources: &Sources<'_>,
    ) -> Option<RateLimit> {
        let written = self.written;
        let ipv6_prefix = self.ipv6_prefix();
        let keys = self.keys();
        let limit = self.limit();
        let key = self.key(scope, ipv6_prefix);
        self.exempt_keys();
        let exempt = format!("{}.exempt", self.part);
        let exempt = networks(&exempt, &written.exempt, self.reporter);
        let (limit, key) = (limit?, key?);
        if self.reporter.failed() {
            // No memory for what is not going to run.
            return None;
        }
        let name = written.name.value.as_str();
        let place = Place {
            scope,
            part: part.value.as_str().into(),
            limit: name.into(),
            key: written.key.value.as_str().into(),
            ipv6_prefix,
            keys,
        };
        let exempt_keys = written.exempt_keys.iter().map(|key| key.value.as_str());
        let make = || Buckets::new(keys, Instant::now());
        Some(RateLimit {
            limit,
            key,
            buckets: sources.state.buckets.get_or_create(place, make),
            exempt,
            exempt_keys: ExemptKeys::new(exempt_keys),
            dry_run: written.dry_run,
            told: Told::new(name, &limit, written.fields == LimitFields::Always)?,
            metrics: sources
                .state
                .metrics
                .rate_limit(scope.as_str(), &part.value, name),
        })
    }

    /// Of a limit that machines share: how many percent one of them lets through alone.
    fn store(&mut self, sources: &Sources<'_>) -> Option<u8> {
        let (store, while_away) = (&self.written.store, &self.written.while_away);
        match (store.value, while_away) {
            (Store::Local, Some(while_away)) => {
                let message = "has no effect on a limit that is not shared".to_owned();
                let hint = "remove it, or write `store: redis`";
                self.error("while_away", while_away, message, Some(hint));
            }
            (Store::Redis, Some(while_away)) if while_away.get() == 0 => {
                let message = "with 0 no request would pass while Redis is away".to_owned();
                let hint = "give each machine its share: 50 for one of two";
                self.error("while_away", while_away, message, Some(hint));
            }
            _ => {}
        }
        if store.value == Store::Local {
            return None;
        }
        if !sources.redis.is_there() {
            let message = "there is no Redis to count in".to_owned();
            let hint = "add a section `redis: { address: \"127.0.0.1:6379\" }`";
            self.error("store", store, message, Some(hint));
        }
        let while_away = while_away.as_ref();
        Some(
            while_away
                .map_or(DEFAULT_WHILE_AWAY, |percent| percent.value)
                .get(),
        )
    }

    fn limit(&mut self) -> Option<Limit> {
        let (rate, burst) = (&self.written.rate, self.written.burst());
        let Some(some) = NonZeroU32::new(burst) else {
            if let Some(burst) = &self.written.burst {
                let hint = "with 1, requests come one by one; to let nobody in, refuse them: `respond: { status: 403 }`";
                let message = "with a burst below 1 no request would ever pass".to_owned();
                self.error("burst", burst, message, Some(hint));
            }
            return None;
        };
        match Limit::new(rate.value, some) {
            Ok(limit) => Some(limit),
            Err(TooMuch::Rate) => {
                let message = format!(
                    "`{}` is over 10000000/s, the most that is counted",
                    rate.value
                );
                self.error("rate", rate, message, Some("leave the limit out"));
                None
            }
            Err(TooMuch::Burst) => {
                let message = format!(
                    "at `{}`, a burst of {burst} takes over a year to come back",
                    rate.value
                );
                let at = Spanned {
                    value: (),
                    position: match &self.written.burst {
                        Some(burst) => burst.position.clone(),
                        None => rate.position.clone(),
                    },
                };
                self.error(
                    "burst",
                    &at,
                    message,
                    Some("make it smaller, or the rate higher"),
                );
                None
            }
        }
    }

    fn key(&mut self, scope: Scope, ipv6_prefix: u8) -> Option<RateKey> {
        let text = &self.written.key;
        match RateKey::parse(&text.value, ipv6_prefix) {
            Ok(key) if key.has_claim() && scope == Scope::Listener => {
                let message =
                    "a listener knows no claims: tokens are verified on routes".to_owned();
                self.error(
                    "key",
                    text,
                    message,
                    Some("move the limit to the routes or the pool"),
                );
                None
            }
            Ok(key) => Some(key),
            Err(error) => {
                self.error(
                    "key",
                    text,
                    error.to_string(),
                    Some(error.hint(Purpose::Limit)),
                );
                None
            }
        }
    }

    fn ipv6_prefix(&mut self) -> u8 {
        let Some(prefix) = &self.written.ipv6_prefix else {
            return DEFAULT_IPV6_PREFIX;
        };
        if self.written.is_global() {
            self.no_effect("ipv6_prefix", prefix);
        } else if !(1..=128).contains(&prefix.value) {
            let message = format!("{} is not from 1 to 128", prefix.value);
            let hint = "64 takes a customer's network for one client; for one bucket for all, write `key: global`";
            self.error("ipv6_prefix", prefix, message, Some(hint));
        }
        prefix.value
    }

    /// How many keys are remembered.
    fn keys(&mut self) -> u32 {
        let is_global = self.written.is_global();
        let Some(keys) = &self.written.keys else {
            return if is_global { 1 } else { DEFAULT_KEYS };
        };
        if is_global {
            self.no_effect("keys", keys);
        } else if !(1..=MOST_KEYS).contains(&keys.value) {
            let message = format!("{} is not from 1 to {MOST_KEYS}", keys.value);
            let hint = "a million keys take 32MiB; those that used least are forgotten first";
            self.error("keys", keys, message, Some(hint));
        }
        keys.value
    }

    fn exempt_keys(&mut self) {
        if let Some(first) = self.written.exempt_keys.first()
            && self.written.is_global()
        {
            self.no_effect("exempt_keys", first);
        }
        for (index, value) in self.written.exempt_keys.iter().enumerate() {
            if value.value.is_empty() {
                let key = format!("exempt_keys[{index}]");
                let message = "no key is empty: what is empty counts as absent".to_owned();
                self.error(&key, value, message, None);
            }
        }
    }

    fn no_effect<T>(&mut self, key: &str, at: &Spanned<T>) {
        let message = "has no effect where one bucket is for all".to_owned();
        self.error(key, at, message, Some("remove it, or change `key: global`"));
    }
}
