//! How does a written breaker become one that watches?

use std::sync::Arc;

use super::checks::{WITHOUT, at_least_one, failing, no_longer_than, not_zero, some_time};
use crate::config::Spanned;
use crate::config::pool::{Breaker as Written, BreakerScope, FailureKind};
use crate::config::units::StatusRange;
use crate::pool::breaker::{Failures, Params, Scope, Watchful};
use crate::snapshot::reporter::Reporter;

/// The breaker, if everything about it makes sense or as if it did.
pub(super) fn breaker(
    written: &Spanned<Written>,
    pool: &Arc<str>,
    reporter: &mut Reporter<'_>,
) -> Watchful {
    let value = &written.value;
    rules(written, reporter);
    if let Some(least) = &value.consecutive_failures {
        at_least_one("breaker.consecutive_failures", least, reporter);
    }
    for (key, ratio) in [
        ("breaker.error_ratio", &value.error_ratio),
        ("breaker.slow_ratio", &value.slow_ratio),
    ] {
        if let Some(ratio) = ratio {
            not_zero(key, ratio, WITHOUT, reporter);
        }
    }
    if let Some(after) = &value.slow_after {
        some_time("breaker.slow_after", after, reporter);
    }
    some_time("breaker.window", &value.window, reporter);
    at_least_one("breaker.min_requests", &value.min_requests, reporter);
    some_time("breaker.open_for", &value.open_for, reporter);
    no_longer_than(
        "breaker.open_for",
        &value.open_for,
        "max_open_for",
        &value.max_open_for,
        reporter,
    );
    at_least_one("breaker.trials", &value.trials, reporter);
    Watchful {
        pool: Arc::clone(pool),
        scope: match value.scope {
            BreakerScope::Endpoint => Scope::Endpoint,
            BreakerScope::Pool => Scope::Pool,
        },
        failures: failures(value, written, reporter),
        slow_after: value.slow_after.as_ref().map(|after| after.as_duration()),
        params: Params {
            consecutive_failures: value.consecutive_failures.as_ref().map(|most| most.value),
            error_ratio: value.error_ratio.as_ref().map(|ratio| ratio.value.get()),
            slow_ratio: value.slow_ratio.as_ref().map(|ratio| ratio.value.get()),
            window: value.window.as_duration(),
            min_requests: value.min_requests.value,
            open_for: value.open_for.as_duration(),
            max_open_for: value.max_open_for.as_duration(),
            trials: value.trials.value,
        },
    }
}

/// Something must open it, and a slow request must be one for which there is a measure.
fn rules(written: &Spanned<Written>, reporter: &mut Reporter<'_>) {
    let value = &written.value;
    if value.consecutive_failures.is_none()
        && value.error_ratio.is_none()
        && value.slow_ratio.is_none()
    {
        reporter.error(
            "breaker",
            written,
            "nothing opens the breaker",
            Some("give `consecutive_failures`, `error_ratio` or `slow_ratio`"),
        );
    }
    match (&value.slow_ratio, &value.slow_after) {
        (Some(ratio), None) => reporter.error(
            "breaker.slow_ratio",
            ratio,
            "it is not said what is slow",
            Some("give `slow_after` as well, such as `1s`"),
        ),
        (None, Some(after)) => reporter.error(
            "breaker.slow_after",
            after,
            "slow requests open nothing",
            Some("give `slow_ratio` as well, such as `50`"),
        ),
        _ => {}
    }
}

fn failures(value: &Written, written: &Spanned<Written>, reporter: &mut Reporter<'_>) -> Failures {
    if value.failures.is_empty() && value.slow_ratio.is_none() {
        reporter.error(
            "breaker.failures",
            written,
            "nothing counts as a failure",
            Some("leave `failures` out for what is usual"),
        );
    }
    let mut failures = Failures::default();
    let mut statuses = Vec::new();
    for (index, kind) in value.failures.iter().enumerate() {
        let FailureKind(word) = &kind.value;
        match word.as_str() {
            "connect" => failures.connect = true,
            "timeout" => failures.timeout = true,
            "reset" => failures.reset = true,
            word => {
                let key = format!("breaker.failures[{index}]");
                let strange = (
                    "is no kind of failure",
                    "write `connect`, `timeout`, `reset`, a status code as `503` or a range as `500-599`",
                );
                let range = failing(&key, kind, word, strange, reporter);
                statuses.extend(range.map(StatusRange::codes));
            }
        }
    }
    failures.statuses = statuses.into_boxed_slice();
    failures
}
