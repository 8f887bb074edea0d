//! How does a written ejection become one that watches?

use std::sync::Arc;

use super::checks::{WITHOUT, at_least_one, no_longer_than, not_zero, some_time};
use crate::config::pool::Ejection as Written;
use crate::pool::health::ejection::Params;
use crate::snapshot::reporter::Reporter;

/// The rule, if everything about it makes sense or as if it did.
pub(super) fn ejection(
    written: &Written,
    checked: bool,
    pool: &Arc<str>,
    reporter: &mut Reporter<'_>,
) -> Params {
    at_least_one(
        "ejection.consecutive_failures",
        &written.consecutive_failures,
        reporter,
    );
    if let Some(ratio) = &written.error_ratio {
        not_zero("ejection.error_ratio", ratio, WITHOUT, reporter);
    }
    some_time("ejection.window", &written.window, reporter);
    at_least_one("ejection.min_requests", &written.min_requests, reporter);
    some_time("ejection.time", &written.time, reporter);
    no_longer_than(
        "ejection.time",
        &written.time,
        "max_time",
        &written.max_time,
        reporter,
    );
    not_zero(
        "ejection.max_ejected",
        &written.max_ejected,
        "50 is usual; to eject nobody, take `ejection` away",
        reporter,
    );
    Params {
        checked,
        pool: Arc::clone(pool),
        consecutive_failures: written.consecutive_failures.value,
        error_ratio: written.error_ratio.as_ref().map(|ratio| ratio.value.get()),
        window: written.window.as_duration(),
        min_requests: written.min_requests.value,
        time: written.time.as_duration(),
        max_time: written.max_time.as_duration(),
        max_ejected: written.max_ejected.value.get(),
    }
}
