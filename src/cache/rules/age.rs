//! How old is a response when it comes?

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{AGE, DATE};

use super::date;
use super::directives::delta_seconds;

/// A `Date` counts whole seconds, and clocks differ: what came less than this after its date may have been made just
/// now. Otherwise an answer that is to be fresh for a second could be stale when it comes.
const RESOLUTION: Duration = Duration::from_secs(2);

/// How old a response was when it came (RFC 9111 §4.2.3 `corrected_initial_age`).
pub(super) fn initial_age(
    fields: &HeaderMap,
    requested: SystemTime,
    received: SystemTime,
) -> Duration {
    let date = made(fields).unwrap_or(received);
    let apparent = received.duration_since(date).unwrap_or_default();
    let apparent = if apparent < RESOLUTION {
        Duration::ZERO
    } else {
        apparent
    };
    let delay = received.duration_since(requested).unwrap_or_default();
    apparent.max(said(fields).saturating_add(delay))
}

/// When it says that it was made; `None` if it has no valid `Date`.
pub(super) fn made(fields: &HeaderMap) -> Option<SystemTime> {
    fields
        .get(DATE)
        .and_then(|date| date::read(date.as_bytes()))
}

/// How old caches on its way say that it was. Of several values the first counts, and one that is no number does not
/// (§5.1).
fn said(fields: &HeaderMap) -> Duration {
    let Some(line) = fields.get(AGE) else {
        return Duration::ZERO;
    };
    let first = line.as_bytes().split(|&byte| byte == b',').next();
    first
        .and_then(|age| delta_seconds(age.trim_ascii()))
        .unwrap_or_default()
}
