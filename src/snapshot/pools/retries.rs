//! When is an attempt that failed made again: are the written rules sensible, and what do they come to?

use std::time::Duration;

use super::{Reporter, unlimited_if_zero};
use crate::config::pool::Pool as Written;
use crate::config::pool::retries::{RetryOn, RouteRetries};
use crate::config::{Position, Spanned, Timespan};
use crate::pool::budget::Share;
use crate::pool::retries::{Backoff, On, Retries, Statuses};
use crate::pool::{Pool, Protocol};

/// What is wrong: where under the pool or route, at which place, what, and what to write instead.
pub(in crate::snapshot) struct Mistake<'a> {
    pub key: String,
    pub position: Option<&'a Position>,
    pub message: String,
    pub hint: Option<&'static str>,
}

impl<'a> Mistake<'a> {
    fn at<T>(
        key: impl Into<String>,
        at: &'a Spanned<T>,
        message: impl Into<String>,
        hint: Option<&'static str>,
    ) -> Self {
        Self {
            key: key.into(),
            position: at.position.as_ref(),
            message: message.into(),
            hint,
        }
    }
}

/// The rules of a pool.
pub(super) fn compile(
    written: &Written,
    protocol: Protocol,
    total: Option<Duration>,
    reporter: &mut Reporter<'_>,
) -> Retries {
    let retries = &written.retries;
    let mut report = |mistake: Mistake<'_>| reporter.mistake(mistake);
    limit(&retries.limit, &mut report);
    let on = on(&retries.on, &mut report);
    if retries.limit.value > 0 && retries.on.is_empty() {
        report(Mistake::at(
            "retries.on",
            &written.name,
            "nothing is retried",
            Some("write `limit: 0` to turn retries off"),
        ));
    }
    let per_try = per_try(&retries.per_try_timeout, &on, protocol, total, &mut report);
    let (backoff, budget) = (&retries.backoff, &retries.budget);
    if backoff.base > backoff.max.value {
        report(Mistake::at(
            "retries.backoff.max",
            &backoff.max,
            "the longest time is shorter than the first",
            Some("give `base` and a `max` that is not shorter"),
        ));
    }
    if retries.limit.value > 0
        && (budget.value.percent.get(), budget.value.min_per_second) == (0, 0)
    {
        report(Mistake::at(
            "retries.budget",
            budget,
            "the budget permits no retry at all",
            Some("write `limit: 0` to turn retries off"),
        ));
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
pub(in crate::snapshot) fn of_route<'a>(
    written: &'a RouteRetries,
    pool: &Pool,
    total: Option<Duration>,
    report: &mut dyn FnMut(Mistake<'a>),
) -> Option<Retries> {
    if written.is_empty() {
        return None;
    }
    let mut retries = pool.retries;
    retries.non_idempotent = written.non_idempotent;
    if let Some(own) = &written.limit {
        limit(own, report);
        retries.limit = own.value;
    }
    if let Some(own) = &written.on {
        retries.on = on(own, report);
    }
    if let Some(own) = &written.per_try_timeout {
        retries.per_try = per_try(own, &retries.on, pool.protocol, total, report);
    } else if retries.per_try.is_some() && !retries.on.timeout {
        report(Mistake {
            key: "retries.on".to_owned(),
            position: written.on.iter().flatten().find_map(|on| on.position.as_ref()),
            message: "an attempt that takes longer than the pool's `per_try_timeout` is given up, and not made again"
                .to_owned(),
            hint: Some("add `timeout`, or give `per_try_timeout: 0s`"),
        });
    }
    Some(retries)
}

fn limit<'a>(written: &'a Spanned<u32>, report: &mut dyn FnMut(Mistake<'a>)) {
    if written.value > Retries::MOST {
        report(Mistake::at(
            "retries.limit",
            written,
            format!(
                "{} is more than {} further attempts",
                written.value,
                Retries::MOST
            ),
            Some("one or two are enough where another endpoint can answer"),
        ));
    }
}

fn on<'a>(written: &'a [Spanned<RetryOn>], report: &mut dyn FnMut(Mistake<'a>)) -> On {
    let mut on = On::default();
    for (index, word) in written.iter().enumerate() {
        let read = match &word.value {
            RetryOn::Word(text) => match text.as_str() {
                "connect" => {
                    on.connect = true;
                    true
                }
                "reset" => {
                    on.reset = true;
                    true
                }
                "timeout" => {
                    on.timeout = true;
                    true
                }
                codes => {
                    let (first, last) = codes.split_once('-').unwrap_or((codes, codes));
                    match (code(first), code(last)) {
                        (Some(first), Some(last)) => insert(first, last, &mut on.statuses),
                        _ => false,
                    }
                }
            },
            RetryOn::Status(status) => insert(*status, *status, &mut on.statuses),
        };
        if !read {
            let text = match &word.value {
                RetryOn::Word(text) => text.escape_debug().to_string(),
                RetryOn::Status(status) => status.to_string(),
            };
            report(Mistake::at(
                format!("retries.on[{index}]"),
                word,
                format!("`{text}` is nothing to retry on"),
                Some(
                    "write `connect`, `reset`, `timeout`, or status codes from 400 to 599 as 503 or `502-504`",
                ),
            ));
        }
    }
    on
}

fn code(text: &str) -> Option<u16> {
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Adds the codes from `first` to `last`; whether they are some that can be in.
fn insert(first: u16, last: u16, statuses: &mut Statuses) -> bool {
    let sensible = first <= last && Statuses::ALL.contains(&first) && Statuses::ALL.contains(&last);
    if sensible {
        (first..=last).for_each(|status| statuses.insert(status));
    }
    sensible
}

fn per_try<'a>(
    written: &'a Spanned<Timespan>,
    on: &On,
    protocol: Protocol,
    total: Option<Duration>,
    report: &mut dyn FnMut(Mistake<'a>),
) -> Option<Duration> {
    let per_try = unlimited_if_zero(written)?;
    let mut wrong = |message: &str, hint| {
        report(Mistake::at(
            "retries.per_try_timeout",
            written,
            message,
            Some(hint),
        ));
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
