//! When is an attempt that failed made again: are the written rules sensible, and what do they come to?

use std::borrow::Cow;
use std::time::Duration;

use super::checks::failing;
use super::unlimited_if_zero;
use crate::config::pool::Pool as Written;
use crate::config::pool::retries::{RetryOn, RouteRetries};
use crate::config::units::StatusRange;
use crate::config::{Spanned, Timespan};
use crate::pool::budget::Share;
use crate::pool::retries::{Backoff, On, Retries};
use crate::pool::{Pool, Protocol};
use crate::snapshot::reporter::Reporter;

/// The rules of a pool.
pub(super) fn compile(
    written: &Written,
    protocol: Protocol,
    total: Option<Duration>,
    reporter: &mut Reporter<'_>,
) -> Retries {
    let retries = &written.retries;
    limit(&retries.limit, reporter);
    let on = on(&retries.on, reporter);
    something(&retries.on, retries.limit.value, reporter);
    let per_try = per_try(&retries.per_try_timeout, &on, protocol, total, reporter);
    let (backoff, budget) = (&retries.backoff, &retries.budget);
    if backoff.base > backoff.max.value {
        reporter.error(
            "retries.backoff.max",
            &backoff.max,
            "the longest time is shorter than the first",
            Some("give `base` and a `max` that is not shorter"),
        );
    }
    if retries.limit.value > 0
        && (budget.value.percent.get(), budget.value.min_per_second) == (0, 0)
    {
        reporter.error(
            "retries.budget",
            budget,
            "the budget permits no retry at all",
            Some("write `limit: 0` to turn retries off"),
        );
    }
    Retries {
        limit: retries.limit.value,
        on,
        per_try,
        backoff: Backoff {
            base: backoff.base.as_duration(),
            max: backoff.max.as_duration(),
        },
        budget: Share {
            percent: budget.value.percent.get().into(),
            min_per_second: budget.value.min_per_second,
        },
        non_idempotent: false,
    }
}

/// The rules of a route: its pool's, but for what it says itself. `None` if it says nothing.
pub(in crate::snapshot) fn of_route(
    written: &RouteRetries,
    pool: &Pool,
    total: Option<Duration>,
    reporter: &mut Reporter<'_>,
) -> Option<Retries> {
    if written.is_empty() {
        return None;
    }
    let mut retries = pool.retries;
    retries.non_idempotent = written.non_idempotent;
    if let Some(own) = &written.limit {
        limit(own, reporter);
        retries.limit = own.value;
    }
    if let Some(own) = &written.on {
        retries.on = on(own, reporter);
        something(own, retries.limit, reporter);
    }
    if let Some(own) = &written.per_try_timeout {
        retries.per_try = per_try(own, &retries.on, pool.protocol, total, reporter);
    } else if retries.per_try.is_some() && !retries.on.timeout {
        let on = written.on.as_ref();
        reporter.error_at(
            "retries.on",
            on.and_then(|on| on.position.clone()),
            "an attempt that takes longer than the pool's `per_try_timeout` is given up, and not made again",
            Some("add `timeout`, or give `per_try_timeout: 0s`"),
        );
    }
    Some(retries)
}

fn limit(written: &Spanned<u32>, reporter: &mut Reporter<'_>) {
    if written.value > Retries::MOST {
        reporter.error(
            "retries.limit",
            written,
            format!(
                "{} is more than {} further attempts",
                written.value,
                Retries::MOST
            ),
            Some("one or two are enough where another endpoint can answer"),
        );
    }
}

/// There must be something to retry on where there are retries.
fn something(on: &Spanned<Vec<Spanned<RetryOn>>>, limit: u32, reporter: &mut Reporter<'_>) {
    if limit > 0 && on.is_empty() {
        reporter.error(
            "retries.on",
            on,
            "nothing is retried",
            Some("write `limit: 0` to turn retries off"),
        );
    }
}

fn on(written: &[Spanned<RetryOn>], reporter: &mut Reporter<'_>) -> On {
    let mut on = On::default();
    for (index, word) in written.iter().enumerate() {
        let text = match &word.value {
            RetryOn::Word(text) => Cow::from(text),
            RetryOn::Status(status) => Cow::from(status.to_string()),
        };
        match &*text {
            "connect" => on.connect = true,
            "reset" => on.reset = true,
            "timeout" => on.timeout = true,
            text => {
                let key = format!("retries.on[{index}]");
                let strange = (
                    "is nothing to retry on",
                    "write `connect`, `reset`, `timeout`, or status codes from 400 to 599 as 503 or `502-504`",
                );
                let statuses = failing(&key, word, text, strange, reporter);
                let codes = statuses.into_iter().flat_map(StatusRange::codes);
                codes.for_each(|status| on.statuses.insert(status));
            }
        }
    }
    on
}

fn per_try(
    written: &Spanned<Timespan>,
    on: &On,
    protocol: Protocol,
    total: Option<Duration>,
    reporter: &mut Reporter<'_>,
) -> Option<Duration> {
    let per_try = unlimited_if_zero(written)?;
    let mut wrong = |message: &str, hint| {
        reporter.error("retries.per_try_timeout", written, message, Some(hint));
    };
    if protocol == Protocol::Http2 {
        wrong(
            "the time of one attempt can't be limited where HTTP/2 is spoken with the endpoints",
            "use `timeouts.first_byte` and `timeouts.read`, of which the longer holds there",
        );
    } else if !on.timeout {
        wrong(
            "an attempt that takes too long is given up, and not made again",
            "add `timeout` to `retries.on`, or use `timeouts.first_byte`",
        );
    } else if total.is_some_and(|total| per_try >= total) {
        wrong(
            "the time of the whole request is over before that of one attempt",
            "give a `per_try_timeout` below `timeouts.total`",
        );
    }
    Some(per_try)
}
