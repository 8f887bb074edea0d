//! May a stored response be used for a request?

use std::time::{Duration, SystemTime};

use super::{Terms, Wishes};

/// What may be done with a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is fresh, and may be used.
    Fresh,
    /// It is stale, and may be used because the client takes it so.
    Stale,
    /// It is stale, and may be used while another is fetched.
    WhileRevalidating,
    /// It may be used if the endpoint says that it is still good.
    Validate,
}

/// Whether a stored response that was softly purged at `purged` may be used (RFC 9111 §4).
pub fn usable(terms: &Terms, wishes: &Wishes, purged: Option<SystemTime>, now: SystemTime) -> Use {
    if terms.validate || wishes.no_cache {
        return Use::Validate;
    }
    match terms.stale_for(purged, now) {
        None if is_young_or_immutable(terms, wishes, now) && stays_fresh(terms, wishes, now) => {
            Use::Fresh
        }
        None => Use::Validate,
        Some(_) if terms.strict => Use::Validate,
        Some(stale) => usable_stale(terms, wishes, stale, now),
    }
}

/// Whether one that is stale since so long may be used (§4.2.4): the client says so, or the endpoint does and the client
/// has asked for nothing better.
fn usable_stale(terms: &Terms, wishes: &Wishes, stale: Duration, now: SystemTime) -> Use {
    if wishes.min_fresh.is_some() || wishes.max_age.is_some() && wishes.max_stale.is_none() {
        return Use::Validate;
    }
    if !is_young(terms, wishes, now) {
        return Use::Validate;
    }
    let accepted = wishes.max_stale.is_some_and(|most| stale <= most);
    if stale < terms.while_revalidate {
        Use::WhileRevalidating
    } else if accepted {
        Use::Stale
    } else {
        Use::Validate
    }
}

/// What is fresh and immutable does not change by being asked for: then a client's wish for something younger is not
/// heeded (RFC 8246 §2).
fn is_young_or_immutable(terms: &Terms, wishes: &Wishes, now: SystemTime) -> bool {
    terms.immutable || is_young(terms, wishes, now)
}

/// Whether it is no older than the client wishes (§5.2.1.1). A client that wants nothing older than nothing wants it
/// asked about, however young it is.
fn is_young(terms: &Terms, wishes: &Wishes, now: SystemTime) -> bool {
    wishes
        .max_age
        .is_none_or(|most| !most.is_zero() && terms.age(now) <= most)
}

/// Whether it stays fresh for as long as the client wishes (§5.2.1.3).
fn stays_fresh(terms: &Terms, wishes: &Wishes, now: SystemTime) -> bool {
    wishes.min_fresh.is_none_or(|least| {
        let left = terms.lifetime.saturating_sub(terms.age(now));
        left >= least
    })
}

/// Whether a stored response may be used because the endpoint could not be asked, or failed (RFC 9111 §4.2.4,
/// RFC 5861 §4). A fresh one may, unless it or the client insists on asking.
pub fn usable_on_error(
    terms: &Terms,
    wishes: &Wishes,
    purged: Option<SystemTime>,
    now: SystemTime,
) -> bool {
    if terms.validate || wishes.no_cache {
        return false;
    }
    let Some(stale) = terms.stale_for(purged, now) else {
        return true;
    };
    let accepted = wishes.max_stale.max(wishes.if_error);
    !terms.strict && (stale < terms.if_error || accepted.is_some_and(|most| stale <= most))
}
