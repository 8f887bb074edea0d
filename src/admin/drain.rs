//! How does the operator take one endpoint out of use, and put it back?

use std::time::Instant;

use crate::pool::Members;
use crate::snapshot::Snapshot;

/// Which endpoint is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    /// Its pool.
    pub pool: String,
    /// Its address, as `/pools` writes it.
    pub endpoint: String,
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

/// Says whether new requests may go to an endpoint; true if it was otherwise before. What runs there goes on.
///
/// # Errors
///
/// [`NotFound`], with the names there are.
pub fn drain(
    snapshot: &Snapshot,
    which: &Which,
    drained: bool,
    now: Instant,
) -> Result<bool, NotFound> {
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
    Ok(changed)
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
