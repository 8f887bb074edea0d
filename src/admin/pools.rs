//! Which endpoints do the pools have now, and how are they?

use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::pool::breaker::State;
use crate::pool::endpoint::WHOLE;
use crate::pool::{Endpoint, Pool};
use crate::snapshot::Snapshot;

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
    /// Whether a new request may go there: health, drain, breaker and limits in one.
    pub available: bool,
    /// Why not: `drained`, `unhealthy`, `open` or `full`.
    pub refusal: Option<String>,
    /// What its checks say: `healthy`, `unhealthy`, or `unknown` before the first; `null` where it is not checked.
    #[serde(default)]
    pub health: Option<String>,
    /// For how many seconds it is still ejected; `null` if it is not.
    #[serde(default)]
    pub ejected_for: Option<f64>,
    /// Its breaker, or its pool's: `closed`, `open` or `half_open`, as the last request left it; `null` where there is
    /// none.
    #[serde(default)]
    pub breaker: Option<String>,
    /// In how many seconds an open breaker lets a trial through; `null` if it is not open.
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
    pub fn new(snapshot: &Snapshot, name: Option<&str>, now: Instant) -> Result<Self, Vec<String>> {
        let wanted = |pool: &&std::sync::Arc<Pool>| name.is_none_or(|name| *pool.name == *name);
        let pools = snapshot.pools.iter().filter(wanted);
        let pools: Vec<PoolReport> = pools.map(|pool| PoolReport::of(pool, now)).collect();
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
    fn of(pool: &Pool, now: Instant) -> Self {
        let members = pool.members();
        let endpoints = members.endpoints.iter();
        Self {
            name: pool.name.to_string(),
            // Plain values, whose writing does not fail.
            balancer: serde_json::to_value(&pool.balancer).unwrap_or_default(),
            in_flight: pool.state.in_flight(),
            max_requests: pool.limits.and_then(|limits| limits.requests),
            queued: u64::try_from(pool.metrics.queue_length.get()).unwrap_or_default(),
            fail_open: pool
                .fail_open
                .as_ref()
                .map(|rule| rule.metrics.open.get() > 0),
            endpoints: endpoints
                .map(|endpoint| EndpointReport::of(pool, endpoint, now))
                .collect(),
        }
    }
}

impl EndpointReport {
    fn of(pool: &Pool, endpoint: &Endpoint, now: Instant) -> Self {
        let breaker = endpoint.breaker.state(endpoint);
        let is_open = matches!(breaker, Some(State::Open { .. }));
        let fail_open = pool.fail_open.as_ref();
        let fail_open = fail_open.is_some_and(|rule| rule.metrics.open.get() > 0);
        let refusal = endpoint.refusal(now, fail_open);
        let (state, metrics) = (&endpoint.state, &endpoint.metrics);
        Self {
            address: endpoint.name.to_string(),
            weight: endpoint.weight,
            priority: endpoint.priority,
            max_requests: endpoint.max_requests,
            in_flight: state.in_flight(),
            drained: state.is_drained(),
            available: refusal.is_none(),
            refusal: refusal.map(|refusal| refusal.as_str().to_owned()),
            health: pool.check.as_ref().map(|_| match state.verdict.known() {
                Some(true) => "healthy".to_owned(),
                Some(false) => "unhealthy".to_owned(),
                None => "unknown".to_owned(),
            }),
            ejected_for: endpoint
                .guards
                .ejection
                .as_ref()
                .and_then(|_| state.ejection.due_in(now))
                .map(|left| left.as_secs_f64()),
            breaker: breaker.map(|state| state.as_str().to_owned()),
            trial_in: is_open.then(|| endpoint.breaker.due_in(endpoint, now).as_secs_f64()),
            share: endpoint.share(now) * 100 / WHOLE,
            requests: RequestsReport {
                success: metrics.success.get(),
                failure: metrics.failure.get(),
                neutral: metrics.neutral.get(),
            },
        }
    }
}

/// A table for people.
impl fmt::Display for PoolsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generation {}", self.generation)?;
        for pool in &self.pools {
            let balancer = match &pool.balancer {
                Value::String(kind) => kind,
                settings => settings["kind"].as_str().unwrap_or_default(),
            };
            write!(
                f,
                "\n\npool {} ({balancer}): {} in flight",
                pool.name, pool.in_flight
            )?;
            if let Some(most) = pool.max_requests {
                write!(f, " of {most}")?;
            }
            if pool.queued > 0 {
                write!(f, ", {} waiting", pool.queued)?;
            }
            if pool.fail_open == Some(true) {
                write!(f, ", looks past health")?;
            }
            let mut rows = vec![HEAD.map(str::to_owned)];
            rows.extend(pool.endpoints.iter().map(EndpointReport::row));
            let widths: [usize; HEAD.len()] = std::array::from_fn(|column| {
                let lengths = rows.iter().map(|row| row[column].chars().count());
                lengths.max().unwrap_or_default()
            });
            for row in rows {
                let cells = row.iter().zip(widths);
                let line: String = cells
                    .map(|(cell, width)| format!("  {cell:width$}"))
                    .collect();
                write!(f, "\n{}", line.trim_end())?;
            }
        }
        Ok(())
    }
}

const HEAD: [&str; 8] = [
    "ENDPOINT",
    "STATE",
    "WEIGHT",
    "PRIORITY",
    "IN FLIGHT",
    "SUCCESS",
    "FAILURE",
    "NEUTRAL",
];

impl EndpointReport {
    fn row(&self) -> [String; HEAD.len()] {
        let mut state = match (&self.refusal, self.share) {
            (Some(refusal), _) if self.ejected_for.is_some() && refusal == "unhealthy" => {
                "ejected".to_owned()
            }
            (Some(refusal), _) => refusal.clone(),
            (None, 100) => "available".to_owned(),
            (None, share) => format!("available, {share} %"),
        };
        if self.breaker.as_deref() == Some("half_open") {
            state += ", half-open";
        }
        let in_flight = match self.max_requests {
            Some(most) => format!("{}/{most}", self.in_flight),
            None => self.in_flight.to_string(),
        };
        [
            self.address.clone(),
            state,
            self.weight.to_string(),
            self.priority.to_string(),
            in_flight,
            self.requests.success.to_string(),
            self.requests.failure.to_string(),
            self.requests.neutral.to_string(),
        ]
    }
}
