//! How does the operator take one endpoint out of use, and put it back?

use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::pool::{Endpoint, Members, Pool, Refusal};
use crate::snapshot::Snapshot;

/// Which endpoint is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    /// Its pool.
    pub pool: String,
    /// Its address, as `/pools` writes it.
    pub endpoint: String,
}

/// What came of it, for who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainReport {
    /// The pool.
    pub pool: String,
    /// The endpoint.
    pub endpoint: String,
    /// Whether it is drained now.
    pub drained: bool,
    /// Whether it was otherwise before.
    pub changed: bool,
    /// What the operator may not have meant: the pool has no other endpoint for new requests.
    #[serde(default)]
    pub warning: Option<String>,
}

impl fmt::Display for DrainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.drained, self.changed) {
            (true, _) => "drained: what runs there goes on, and nothing new goes there",
            (false, true) => "not drained any more",
            (false, false) => "not drained",
        };
        let (pool, endpoint) = (&self.pool, &self.endpoint);
        write!(f, "pool {pool}: endpoint {endpoint}: {state}")?;
        match &self.warning {
            Some(warning) => write!(f, "\nwarning: {warning}"),
            None => Ok(()),
        }
    }
}

/// Nothing has this name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// There is no such pool.
    #[error("there is no pool `{0}`; there are: {1}")]
    Pool(String, String),
    /// There is no such endpoint in the pool.
    #[error("pool {0} has no endpoint `{1}`; it has: {2}")]
    Endpoint(String, String, String),
}

impl NotFound {
    /// No pool of a generation has this name.
    pub fn pool(name: &str, snapshot: &Snapshot) -> Self {
        let known = snapshot.pools.iter().map(|pool| &*pool.name);
        Self::Pool(name.to_owned(), listed(known))
    }

    /// No member of a pool has this address.
    pub fn endpoint(pool: &str, endpoint: &str, members: &Members) -> Self {
        let known = members.endpoints.iter().map(|endpoint| &*endpoint.name);
        Self::Endpoint(pool.to_owned(), endpoint.to_owned(), listed(known))
    }
}

/// How many names are told to who asks for another.
const SHOWN: usize = 50;

/// Says whether new requests may go to an endpoint. What runs there goes on.
///
/// # Errors
///
/// [`NotFound`], with the names there are.
pub fn drain(
    snapshot: &Snapshot,
    which: &Which,
    drained: bool,
    now: Instant,
) -> Result<DrainReport, NotFound> {
    let found = snapshot.pools.iter().find(|pool| *pool.name == *which.pool);
    let Some(pool) = found else {
        return Err(NotFound::pool(&which.pool, snapshot));
    };
    let members = pool.members();
    let found = members
        .endpoints
        .iter()
        .find(|endpoint| *endpoint.name == *which.endpoint);
    let Some(endpoint) = found else {
        return Err(NotFound::endpoint(&which.pool, &which.endpoint, &members));
    };
    if !drained && endpoint.state.is_drained() {
        // First, so that no request finds its full share in between.
        endpoint.state.rises(now);
    }
    let changed = endpoint.state.set_drained(drained);
    endpoint.state.show_drained(&endpoint.metrics.drained);
    let warning = drained.then(|| nobody_left(pool, &members, endpoint, now));
    Ok(DrainReport {
        pool: which.pool.clone(),
        endpoint: which.endpoint.clone(),
        drained,
        changed,
        warning: warning.flatten(),
    })
}

/// What there is to be said when no other endpoint, of whatever priority, takes new requests.
fn nobody_left(pool: &Pool, members: &Members, drained: &Endpoint, now: Instant) -> Option<String> {
    if drained.weight == 0 {
        return None;
    }
    // As it is without the endpoint: those that are left may be looked past their health from now on.
    let fail_open = pool.recount_health(now) == Some(true);
    let mut left = 0_usize;
    for other in members.endpoints.iter().filter(|one| one.weight > 0) {
        match other.refusal(now, fail_open) {
            // Who is full has a slot again soon.
            None | Some(Refusal::Full) => return None,
            Some(Refusal::Drained) => {}
            Some(Refusal::Unhealthy | Refusal::Open) => left += 1,
        }
    }
    Some(match left {
        0 => {
            "it was the last endpoint of the pool that takes requests: new ones get 503".to_owned()
        }
        left => format!(
            "no other endpoint of the pool is available now ({left} unhealthy, ejected or with an open breaker): \
             new requests get 503"
        ),
    })
}

pub(super) fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(SHOWN);
    let mut text = names[..names.len() - more].join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_up_to_a_number() {
        assert_eq!(listed(["a", "b"].into_iter()), "a, b");
        assert_eq!(listed(std::iter::empty()), "");
        let many = listed(std::iter::repeat_n("a", 53));
        assert!(many.ends_with("a, a and 3 more"), "{many}");
    }
}
