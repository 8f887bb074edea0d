//! Which endpoints do the pools have now, and how are they?

mod names;
mod table;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::pool::breaker::State;
use crate::pool::discovery::Lookup;
use crate::pool::endpoint::WHOLE;
use crate::pool::{Endpoint, Pool, Refusal};
use crate::snapshot::Snapshot;
use crate::state::Names;
pub use names::NameReport;

/// The answer to `/pools`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolsReport {
    /// The number of the generation in force.
    pub generation: u64,
    /// The pools, in the order of the configuration.
    pub pools: Vec<PoolReport>,
}

/// One pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolReport {
    /// Its name.
    pub name: String,
    /// How an endpoint is chosen, as it can be written in the configuration.
    pub balancer: Value,
    /// Requests its endpoints are serving now.
    pub in_flight: u32,
    /// Requests it may serve at once; `null` for no limit.
    #[serde(default)]
    pub max_requests: Option<u32>,
    /// Requests that wait for a slot.
    #[serde(default)]
    pub queued: u64,
    /// Whether it looks past health, because too few of its endpoints are healthy; `null` where it never does.
    #[serde(default)]
    pub fail_open: Option<bool>,
    /// The host names and services among its endpoints that are not resolved, or not as a whole.
    #[serde(default)]
    pub unresolved: Vec<NameReport>,
    /// Its endpoints; a host name stands as the addresses it has now.
    pub endpoints: Vec<EndpointReport>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointReport {
    /// Where it is.
    pub address: String,
    /// Its share of the requests, against the other weights.
    pub weight: u16,
    /// It is used when no endpoint of a lower number is available.
    pub priority: u8,
    /// Requests it may serve at once; `null` for no limit.
    pub max_requests: Option<u32>,
    /// Requests it is serving now.
    pub in_flight: u32,
    /// Whether the operator wants no new request to go there.
    pub drained: bool,
    /// Whether a new request may go there: weight, health, drain, breaker and limits in one.
    pub available: bool,
    /// Why not: `drained`, `weight 0` (only clients that a cookie of the pool holds there come), `ejected`, `unhealthy`,
    /// `open` (its breaker lets nothing through now) or `full`.
    pub refusal: Option<String>,
    /// What is known against its health: `ejected`, or `unhealthy` by its checks; `null` for nothing. It is available all
    /// the same while its pool looks past health.
    #[serde(default)]
    pub illness: Option<String>,
    /// What its checks say: `healthy`, `unhealthy`, or `unknown` before the first; `null` where it is not checked.
    #[serde(default)]
    pub health: Option<String>,
    /// For how many seconds its checks have called it unhealthy; `null` if they do not, and if that began before an upgrade.
    #[serde(default)]
    pub unhealthy_for: Option<f64>,
    /// What the last failed check found, as long as it is unhealthy or its checks fail; `null` otherwise.
    #[serde(default)]
    pub check_error: Option<String>,
    /// For how many seconds it is still ejected; `null` if it is not.
    #[serde(default)]
    pub ejected_for: Option<f64>,
    /// Its breaker, or its pool's: `closed`, `open` (until the first trial, also when its time is over) or `half_open`, as
    /// the metric says; `null` where there is none.
    #[serde(default)]
    pub breaker: Option<String>,
    /// In how many seconds the breaker lets a trial through: 0 if the next request is one. When all trials of a half-open
    /// one are under way, one more is let through after this time. `null` if it is closed.
    #[serde(default)]
    pub trial_in: Option<f64>,
    /// How many percent of its share it gets: less than 100 for a while after it has joined or recovered.
    #[serde(default = "whole")]
    pub share: u32,
    /// The attempts that have ended, by what they say about its health.
    pub requests: RequestsReport,
}

const fn whole() -> u32 {
    100
}

/// The attempts at an endpoint that have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestsReport {
    /// Those that speak for it.
    pub success: u64,
    /// Those that speak against it.
    pub failure: u64,
    /// Those that say nothing about it.
    pub neutral: u64,
}

impl PoolsReport {
    /// The pools of this generation; with a name only that one, and the names of all if there is none of this name.
    ///
    /// # Errors
    ///
    /// The names there are.
    pub fn new(
        snapshot: &Snapshot,
        names: &Names,
        name: Option<&str>,
        now: Instant,
    ) -> Result<Self, Vec<String>> {
        let lookups = snapshot.lookups.iter();
        let lookups: HashMap<&str, &Lookup> =
            lookups.map(|lookup| (&*lookup.pool.name, lookup)).collect();
        let wanted = |pool: &&Arc<Pool>| name.is_none_or(|name| *pool.name == *name);
        let report = |pool: &Arc<Pool>| {
            let lookup = lookups.get(&*pool.name);
            let unresolved = lookup.map(|lookup| names::unresolved(&lookup.source, names, now));
            PoolReport::of(pool, unresolved.unwrap_or_default(), now)
        };
        let pools = snapshot.pools.iter().filter(wanted);
        let pools: Vec<PoolReport> = pools.map(report).collect();
        if name.is_some() && pools.is_empty() {
            let names = snapshot.pools.iter().map(|pool| pool.name.to_string());
            return Err(names.collect());
        }
        Ok(Self {
            generation: snapshot.generation,
            pools,
        })
    }
}

impl PoolReport {
    fn of(pool: &Pool, unresolved: Vec<NameReport>, now: Instant) -> Self {
        let members = pool.members();
        let fail_open = pool.recount_health(now);
        let endpoints = members.endpoints.iter();
        Self {
            name: pool.name.to_string(),
            // Plain values, whose writing does not fail.
            balancer: serde_json::to_value(&pool.balancer).unwrap_or_default(),
            in_flight: pool.state.in_flight(),
            max_requests: pool.limits.and_then(|limits| limits.requests),
            queued: u64::try_from(pool.metrics.queue_length.get()).unwrap_or_default(),
            fail_open,
            unresolved,
            endpoints: endpoints
                .map(|endpoint| EndpointReport::of(pool, endpoint, fail_open == Some(true), now))
                .collect(),
        }
    }
}

impl EndpointReport {
    fn of(pool: &Pool, endpoint: &Endpoint, fail_open: bool, now: Instant) -> Self {
        let breaker = endpoint.breaker.state(endpoint);
        let is_closed = matches!(breaker, None | Some(State::Closed));
        let (state, metrics) = (&endpoint.state, &endpoint.metrics);
        let ejection = endpoint.guards.ejection.as_ref();
        let ejected_for = ejection.and_then(|_| state.ejection.due_in(now));
        let is_ill = !endpoint.health.is_usable(endpoint, now);
        let illness = is_ill.then_some(match ejected_for {
            Some(_) => "ejected",
            None => Refusal::Unhealthy.as_str(),
        });
        let refusal = endpoint.refusal(now, fail_open);
        let refused = match (refusal, illness) {
            (Some(Refusal::Drained), _) => Some(Refusal::Drained.as_str()),
            // That stays when what else is in the way is over.
            _ if endpoint.weight == 0 => Some("weight 0"),
            (Some(Refusal::Unhealthy), Some(illness)) => Some(illness),
            (refusal, _) => refusal.map(Refusal::as_str),
        };
        let checked = pool.check.as_ref().map(|_| &state.verdict);
        let unhealthy_for = checked.and_then(|verdict| verdict.illness.lasts(now));
        let check_error = checked.and_then(|verdict| verdict.illness.cause());
        Self {
            address: endpoint.name.to_string(),
            weight: endpoint.weight,
            priority: endpoint.priority,
            max_requests: endpoint.max_requests,
            in_flight: state.in_flight(),
            drained: state.is_drained(),
            available: refused.is_none(),
            refusal: refused.map(str::to_owned),
            illness: illness.map(str::to_owned),
            health: checked.map(|verdict| match verdict.known() {
                Some(true) => "healthy".to_owned(),
                Some(false) => "unhealthy".to_owned(),
                None => "unknown".to_owned(),
            }),
            unhealthy_for: unhealthy_for.map(|lasts| lasts.as_secs_f64()),
            check_error: check_error.map(String::from),
            ejected_for: ejected_for.map(|left| left.as_secs_f64()),
            breaker: breaker.map(|state| state.as_str().to_owned()),
            trial_in: (!is_closed).then(|| endpoint.breaker.due_in(endpoint, now).as_secs_f64()),
            share: endpoint.share(now) * 100 / WHOLE,
            requests: RequestsReport {
                success: metrics.success.get(),
                failure: metrics.failure.get(),
                neutral: metrics.neutral.get(),
            },
        }
    }
}
