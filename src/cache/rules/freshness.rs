//! How long is a response fresh?

use std::time::{Duration, SystemTime};

use http::header::{EXPIRES, LAST_MODIFIED};
use http::{HeaderMap, StatusCode};

use super::age::made;
use super::date;
use super::said::Said;
use super::status::is_heuristically_cacheable;

/// The longest that anything is taken to be fresh because it has not changed for long.
const LONGEST_GUESS: Duration = Duration::from_secs(86_400);

/// How long a response is fresh as it says itself (RFC 9111 §4.2.1), if it does.
pub(super) fn explicit(said: &Said, fields: &HeaderMap, received: SystemTime) -> Option<Duration> {
    let expires = || fields.get(EXPIRES).filter(|_| !said.targeted);
    said.lifetime().or_else(|| {
        // A date that is none is in the past (§5.3).
        let expires = expires()?;
        let expires = date::read(expires.as_bytes());
        let made = made(fields).unwrap_or(received);
        let lifetime = expires.and_then(|expires| expires.duration_since(made).ok());
        Some(lifetime.unwrap_or_default())
    })
}

/// How long it is taken to be fresh because it has not changed for ten times as long (§4.2.2).
pub(super) fn heuristic(
    said: &Said,
    status: StatusCode,
    fields: &HeaderMap,
    received: SystemTime,
) -> Option<Duration> {
    if !is_heuristically_cacheable(status) && !said.public {
        return None;
    }
    let modified = date::read(fields.get(LAST_MODIFIED)?.as_bytes())?;
    let made = made(fields).unwrap_or(received);
    let unchanged = made.duration_since(modified).ok()?;
    let guess = (unchanged / 10).min(LONGEST_GUESS);
    (!guess.is_zero()).then_some(guess)
}
