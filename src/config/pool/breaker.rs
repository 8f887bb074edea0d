//! When is an endpoint given a rest because its requests keep failing?

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::units::Percent;
use crate::config::{Spanned, Timespan};

/// A circuit breaker. It opens by at least one of `consecutive_failures`, `error_ratio` and `slow_ratio`; while it is open
/// no request goes to the endpoint, and after that a few trials show whether it may close.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// `endpoint` (each has a breaker of its own) or `pool` (one for all its requests; while it is open the pool serves
    /// none). Default: endpoint.
    pub scope: BreakerScope,
    /// It opens after so many failures in a row. Default: no rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_failures: Option<Spanned<u32>>,
    /// It opens when this percentage of the requests in the window failed: 1 to 100. Default: no rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_ratio: Option<Spanned<Percent>>,
    /// It opens when this percentage of the requests in the window took longer than `slow_after`: 1 to 100. Default: no
    /// rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_ratio: Option<Spanned<Percent>>,
    /// A request is slow when its response's header took longer, connecting included, the time its client took to send
    /// it not. Needed with `slow_ratio`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_after: Option<Spanned<Timespan>>,
    /// How far back the ratios look. Default: 10s.
    pub window: Spanned<Timespan>,
    /// The ratios count from so many requests in the window on. Default: 20.
    pub min_requests: Spanned<u32>,
    /// How long it is open the first time, give or take a tenth; twice as long each time it opens again before it was
    /// closed for four times as long as it had been open. Default: 5s.
    pub open_for: Spanned<Timespan>,
    /// How long it is open at most. Default: 5m.
    pub max_open_for: Spanned<Timespan>,
    /// How many requests are let through at once after that time, and how many must succeed in a row to close it. One
    /// that fails opens it again. Default: 3.
    pub trials: Spanned<u32>,
    /// What counts as a failure: `connect`, `timeout`, `reset`, status codes from 400 on as `503` and ranges of them as
    /// `500-599`.
    /// Default: connect, timeout, reset, 502, 503, 504.
    pub failures: Vec<Spanned<FailureKind>>,
}

/// Whose requests a breaker watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerScope {
    /// Those to one endpoint.
    #[default]
    Endpoint,
    /// Those to all endpoints of the pool.
    Pool,
}

/// Something that counts as a failure, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FailureKind(pub String);

impl JsonSchema for FailureKind {
    fn schema_name() -> Cow<'static, str> {
        "FailureKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // An editor sees a number where no quotes are; the text as it is written counts.
        json_schema!({
            "description": "`connect`, `timeout`, `reset`, a status code or a range of them.",
            "anyOf": [
                { "type": "string", "pattern": "^(connect|timeout|reset|[45][0-9]{2}( *- *[45][0-9]{2})?)$" },
                { "type": "integer", "minimum": 400, "maximum": 599 },
            ],
        })
    }
}

impl Default for Breaker {
    fn default() -> Self {
        let kinds = ["connect", "timeout", "reset", "502", "503", "504"];
        Self {
            scope: BreakerScope::default(),
            consecutive_failures: None,
            error_ratio: None,
            slow_ratio: None,
            slow_after: None,
            window: Spanned::new(Timespan::secs(10)),
            min_requests: Spanned::new(20),
            open_for: Spanned::new(Timespan::secs(5)),
            max_open_for: Spanned::new(Timespan::minutes(5)),
            trials: Spanned::new(3),
            failures: kinds
                .map(|kind| Spanned::new(FailureKind(kind.to_owned())))
                .to_vec(),
        }
    }
}
