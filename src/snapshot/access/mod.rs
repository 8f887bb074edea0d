//! Which policies decide whether a request may go on, and in which order?

mod api_key;
mod basic_auth;
mod cors;
mod forward_auth;
mod in_clear;
mod jwt;
mod names;
mod place;
mod rate_limits;

use std::sync::Arc;

use http::header::AUTHORIZATION;

use super::files::Sources;
use super::networks::networks_and_files;
use super::reporter::Reporter;
use super::routes::Known;
use crate::admission::NetworkSet;
use crate::admission::rate::{RateKey, Scope};
use crate::config::access::IpFilter as WrittenIpFilter;
use crate::config::access::RateLimit;
use crate::config::access::rate_limit::DEFAULT_IPV6_PREFIX;
use crate::config::{Listener as WrittenListener, Route as WrittenRoute};
use crate::policy::access::{Access, IpFilter, Place, Policies};
pub(super) use rate_limits::{OfPools, of_pools};

/// Those of a listener: they hold for whatever it is asked, before a route is looked for.
pub(super) fn of_listener(
    written: &WrittenListener,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Policies {
    let place = (Scope::Listener, &written.name);
    let limits = rate_limits::compile(place, &written.rate_limits, sources, reporter);
    let mut policies: Vec<Arc<dyn Access>> = Vec::new();
    policies.extend(ip_filter(&written.ip_filter, sources, reporter));
    policies.extend(limits.plain);
    policies.into()
}

/// Those of a route, and after them the limits of the pool it ends at, which it shares with other routes. The order is the
/// documented one: what costs least comes first, and a limit that goes by claims after what verifies them. Told as well is
/// how many of them cost little.
pub(super) fn of_route(
    written: &WrittenRoute,
    known: &Known<'_>,
    of_pools: &OfPools,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> (Policies, usize) {
    let place = (Scope::Route, &written.name);
    let limits = rate_limits::compile(place, &written.rate_limits, sources, reporter);
    let mut policies: Vec<Arc<dyn Access>> = Vec::new();
    policies.extend(ip_filter(&written.ip_filter, sources, reporter));
    // Before the limits: a page must be able to read that it has asked too often, and its browser's questions don't count.
    policies.extend(cors::compile(written, reporter));
    policies.extend(limits.plain);
    let cheap = policies.len();
    if let Some(written) = &written.api_key {
        policies.extend(api_key::compile(written, sources, reporter).map(shared));
    }
    if let Some(written) = &written.basic_auth {
        policies.extend(basic_auth::compile(written, sources, reporter).map(shared));
    }
    if let Some(jwt) = &written.jwt {
        policies.extend(jwt::compile(jwt, &written.name, sources, reporter));
    }
    policies.extend(forward_auth::of_route(written, known, reporter));
    policies.extend(limits.by_claim);
    contradictions(written, reporter);
    in_clear::check(written, known, reporter);
    claims_without_tokens(written, reporter);
    if let Some(pool) = &written.pool
        && let Some(limits) = of_pools.get(&pool.value)
    {
        policies.extend(limits.iter().map(Arc::clone));
    }
    (policies.into(), cheap)
}

/// With `deny: [0.0.0.0/0]` some proxies mean everyone else; here nobody is left.
fn nobody_left(
    written: &WrittenIpFilter,
    allow: Option<&NetworkSet>,
    deny: &NetworkSet,
    reporter: &mut Reporter<'_>,
) {
    let (key, first) = match (written.deny.first(), written.deny_files.first()) {
        (Some(first), _) => ("ip_filter.deny", first),
        (None, Some(first)) => ("ip_filter.deny_files", first),
        (None, None) => return,
    };
    match allow {
        // That nothing stands in its files was told.
        Some(allow) if allow.is_empty() => {}
        Some(allow) if deny.covers(allow) => reporter.warning(
            key,
            first,
            "nobody comes in: everyone who is allowed is denied as well, and `deny` goes before `allow`",
            Some("leave `deny` out: with `allow` nobody else comes in"),
        ),
        None if deny.covers(&NetworkSet::everyone()) => reporter.warning(
            key,
            first,
            "nobody comes in: everyone is denied",
            Some("name in `allow` who may come in, and leave `deny` out"),
        ),
        _ => {}
    }
}

/// A limit that goes by a claim counts by the client's address where nobody verifies tokens; hardly what was meant.
fn claims_without_tokens(written: &WrittenRoute, reporter: &mut Reporter<'_>) {
    if written.jwt.is_some() {
        return;
    }
    warn_of_claims(
        &written.rate_limits,
        "the route verifies no token, so that requests are counted by their clients' addresses",
        "add `jwt` to the route",
        reporter,
    );
}

/// Warns of each limit that goes by a claim.
fn warn_of_claims(limits: &[RateLimit], message: &str, hint: &str, reporter: &mut Reporter<'_>) {
    for (index, limit) in limits.iter().enumerate() {
        if RateKey::parse(&limit.key, DEFAULT_IPV6_PREFIX).is_ok_and(|key| key.has_claim()) {
            let key = format!("rate_limits[{index}].key");
            reporter.warning(&key, &limit.key, message, Some(hint));
        }
    }
}

fn shared(policy: impl Access + 'static) -> Arc<dyn Access> {
    Arc::new(policy)
}

/// Policies that each want something else in one place let nobody in.
fn contradictions(written: &WrittenRoute, reporter: &mut Reporter<'_>) {
    let passwords = written.basic_auth.is_some();
    let passwords = passwords.then_some(Place::Header(AUTHORIZATION));
    let key = written.api_key.as_ref();
    let key = key.and_then(|written| api_key::CREDENTIAL.read(&written.from).ok());
    let hint = Some("give each a field of its own");
    if let Some(jwt) = &written.jwt
        && let Ok(token) = jwt::CREDENTIAL.read(&jwt.from)
    {
        let in_query = |place: &Place| matches!(place, Place::Query(_));
        let at = jwt.from.position.clone().or_else(|| jwt.position.clone());
        for (other, place) in [("basic_auth", &passwords), ("api_key", &key)] {
            let Some(place) = place else {
                continue;
            };
            if in_query(place) && in_query(&token) {
                let message =
                    "only one secret can be in the query, and `api_key` has its own there";
                reporter.error_at("jwt.from", at.clone(), message, Some("leave `from` out"));
            } else if *place == token {
                let message = format!("`{other}` wants something else in the same field");
                reporter.error_at("jwt.from", at.clone(), message, hint);
            }
        }
    }
    if let Some(written) = &written.api_key
        && passwords.is_some()
        && passwords == key
    {
        let message = "`basic_auth` wants something else in the same field";
        reporter.error("api_key.from", &written.from, message, hint);
    }
}

fn ip_filter(
    written: &WrittenIpFilter,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Arc<dyn Access>> {
    let allow = networks_and_files(
        ("ip_filter.allow", &written.allow),
        ("ip_filter.allow_files", &written.allow_files),
        sources,
        reporter,
    );
    let deny = networks_and_files(
        ("ip_filter.deny", &written.deny),
        ("ip_filter.deny_files", &written.deny_files),
        sources,
        reporter,
    );
    let allows = !written.allow.is_empty() || !written.allow_files.is_empty();
    nobody_left(written, allows.then_some(&allow), &deny, reporter);
    (!written.is_empty()).then(|| {
        Arc::new(IpFilter {
            allow: allows.then_some(allow),
            deny,
        }) as Arc<dyn Access>
    })
}
