//! When is an endpoint given a rest because its requests keep failing?

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::units::Percent;
use crate::config::{Spanned, Timespan};

/// A circuit breaker.
///
/// It opens by at least one of `consecutive_failures`, `error_ratio` and `slow_ratio`, which must be given. While it is
/// open no request goes to the endpoint, and after that a few trials show whether it may close.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Whose requests it watches. Default: endpoint.
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
    /// A request is slow when its response's header took longer than this, as `2s`: connecting included, the time its
    /// client took to send it not. Needed with `slow_ratio`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_after: Option<Spanned<Timespan>>,
    /// How far back the ratios look. Default: 10s.
    pub window: Spanned<Timespan>,
    /// The ratios count from so many requests in the window on. Default: 20.
    pub min_requests: Spanned<u32>,
    /// How long it is open the first time, give or take a tenth. Twice as long each time it opens again, up to
    /// `max_open_for`, until it was closed for four times as long as it had been open. Default: 5s.
    pub open_for: Spanned<Timespan>,
    /// How long it is open at most. Default: 5m.
    pub max_open_for: Spanned<Timespan>,
    /// How many requests are let through at once after that time, and how many must succeed in a row to close it. One
    /// that fails, or that a hedge outruns, opens it again. A trial lasts until its answer begins. While so many wait
    /// for theirs, one more is let through whenever the last began `open_for` ago. Default: 3.
    pub trials: Spanned<u32>,
    /// What counts as a failure: `connect`, `timeout`, `reset`, status codes from 400 on as 503 and ranges of them as
    /// 500-599. Any other answer is a success. Default: connect, timeout, reset, 502, 503, 504.
    pub failures: Vec<Spanned<FailureKind>>,
}

/// Whose requests a breaker watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerScope {
    /// Those to one endpoint: each has a breaker of its own.
    #[default]
    Endpoint,
    /// Those to all endpoints: one breaker, and while it is open the pool serves none.
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
