//! Which numbers make no sense, whatever they are for?

use super::Reporter;
use crate::config::units::Percent;
use crate::config::{Spanned, Timespan};

/// Reports a count of 0.
pub(super) fn at_least_one(key: &str, count: &Spanned<u32>, reporter: &mut Reporter<'_>) {
    if count.value == 0 {
        reporter.error(key, count, "0 is too few", Some("give 1 or more"));
    }
}

/// Reports a percentage of 0.
pub(super) fn not_zero(key: &str, percent: &Spanned<Percent>, reporter: &mut Reporter<'_>) {
    if percent.value.get() == 0 {
        reporter.error(
            key,
            percent,
            "0 is not a percentage from 1 to 100",
            Some("leave the key out if it is to have no effect"),
        );
    }
}

/// Reports a time of 0, and one too short to be measured.
pub(super) fn some_time(key: &str, time: &Spanned<Timespan>, reporter: &mut Reporter<'_>) {
    if time.as_duration().as_millis() == 0 {
        reporter.error(
            key,
            time,
            "the time is shorter than a millisecond",
            Some("give a time as `10s`"),
        );
    }
}

/// Reports a time that is longer than its limit, which the hint names.
pub(super) fn no_longer_than(
    key: &str,
    time: &Spanned<Timespan>,
    limit_key: &str,
    limit: &Spanned<Timespan>,
    reporter: &mut Reporter<'_>,
) {
    if time.value > limit.value {
        // The one that was written stands somewhere; the other may be a default.
        let at = if limit.position.is_some() {
            limit
        } else {
            time
        };
        let message = format!(
            "{} is longer than `{limit_key}`, which is {}",
            time.value, limit.value
        );
        let hint = format!("give `{limit_key}` as {} or longer", time.value);
        reporter.error(key, at, message, Some(&hint));
    }
}
