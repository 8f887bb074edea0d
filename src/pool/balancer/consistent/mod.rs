//! Where does a request go when the endpoint its key belongs to may not be used, or has no room?
//!
//! To the next of its key, which is the same one each time: that order is the balancer's. Every other key stays where
//! it is. An endpoint in its slow start gets its keys one after the other: each comes over once, and stays.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Instant;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::bound::{Bound, Limit, MaxLoad};
use crate::pool::endpoint::WHOLE;
use crate::pool::{Ask, Endpoint};

/// How many places of a key are looked at one after the other. With a `max_load` of 1.25 at most four of five endpoints
/// can be full, so with many keys it is one in a million that finds no room there. One key that everybody asks for finds
/// none as soon as it has filled these places itself: then it [reaches further](Consistent::further).
const WALK: usize = 64;

/// How often the stretch of a key's further places is doubled: up to 4 million of them.
const STRETCHES: u32 = 16;

/// How many places are looked at in each stretch.
const TRIES: u32 = 4;

/// What the consistent balancers share.
#[derive(Debug)]
pub(super) struct Consistent {
    bound: Option<Bound>,
}

impl Consistent {
    pub(super) fn new(max_load: Option<MaxLoad>, endpoints: &[Arc<Endpoint>]) -> Self {
        Self {
            bound: max_load.map(|max_load| Bound::new(max_load, endpoints)),
        }
    }

    /// The first of `places`, the indexes of endpoints in the order of the key, that the request may go to and that has
    /// room; where there is no such among the first, one of those `at` further hashes of the key; where there is none
    /// either, the best of all. `None` only if the request may go nowhere.
    pub(super) fn choose(
        &self,
        endpoints: &[Arc<Endpoint>],
        ask: &Ask<'_>,
        key: u64,
        places: impl Iterator<Item = u32>,
        at: impl Fn(u64) -> u32,
    ) -> Option<usize> {
        self.near(endpoints, ask, key, places, at).or_else(|| {
            let bound = self.bound.as_ref();
            let limit = bound.and_then(|bound| bound.count(endpoints, ask));
            best(endpoints, ask, key, limit)
        })
    }

    /// The same without going through all endpoints: as much work with ten as with ten thousand.
    fn near(
        &self,
        endpoints: &[Arc<Endpoint>],
        ask: &Ask<'_>,
        key: u64,
        places: impl Iterator<Item = u32>,
        at: impl Fn(u64) -> u32,
    ) -> Option<usize> {
        let bound = self.bound.as_ref();
        let limit = bound.map(|bound| bound.limit(&endpoints[0], ask.now));
        let (mut before, mut too_early) = (None, None);
        for place in places.take(WALK) {
            let index = place as usize;
            // Neighbours on a ring are often the same.
            if before == Some(index) {
                continue;
            }
            before = Some(index);
            let endpoint = &endpoints[index];
            if limit.is_none_or(|limit| limit.has_room(endpoint)) && ask.allows(endpoint) {
                if is_due(endpoint, key, ask.now) {
                    return Some(index);
                }
                too_early = too_early.or(Some(index));
            }
        }
        if too_early.is_some() {
            return too_early;
        }
        // Where there are few, going through all is quicker.
        let limit = limit.filter(|_| endpoints.len() > WALK)?;
        Self::further(key, at).find(|index| {
            let endpoint = &endpoints[*index];
            limit.has_room(endpoint) && ask.allows(endpoint) && is_due(endpoint, key, ask.now)
        })
    }

    /// Some of the further places of a key: those `at` its hashes with 64, 65 and so on.
    ///
    /// They are always the same for the key, and what it has no room for on its walk fills them from the beginning. So
    /// how far it has got is found by doubling: a few places anywhere in the first stretch of 64, in the next of 128, of
    /// 256 … A key that keeps a thousand endpoints busy keeps to one or two thousand of them, however many there are.
    fn further(key: u64, at: impl Fn(u64) -> u32) -> impl Iterator<Item = usize> {
        (0..STRETCHES * TRIES).map(move |n| {
            let stretch = (WALK as u64) << (n / TRIES);
            let step = fastrand::u64(stretch..2 * stretch);
            at(xxh3_64_with_seed(&step.to_le_bytes(), key)) as usize
        })
    }

    /// The most requests the endpoint at an index may serve by its bound.
    pub(super) fn most(&self, endpoints: &[Arc<Endpoint>], index: usize, ask: &Ask<'_>) -> u32 {
        let Some(bound) = &self.bound else {
            return u32::MAX;
        };
        let endpoint = &endpoints[index];
        let mut limit = bound.limit(endpoint, ask.now);
        // Of a later attempt `best` may have chosen it by shares among those that are left for it alone.
        if !ask.tried.is_empty() && !limit.has_room(endpoint) {
            limit = bound.count(endpoints, ask).unwrap_or(limit);
        }
        limit.most(endpoint)
    }
}

/// Whether an endpoint whose share grows has this key already: the keys come in the order of their hashes with its
/// name.
fn is_due(endpoint: &Endpoint, key: u64, now: Instant) -> bool {
    endpoint.slow_start.is_none()
        || rank(endpoint, key) % u64::from(WHOLE) < u64::from(endpoint.share(now))
}

/// Where an endpoint stands among all others for this key.
fn rank(endpoint: &Endpoint, key: u64) -> u64 {
    xxh3_64_with_seed(endpoint.name.as_bytes(), key)
}

/// Of the endpoints the request may go to, those that have room, else those that serve least for their weight; of these
/// the one whose name has the highest hash with the key (rendezvous hashing, Thaler and Ravishankar 1998), which moves
/// no key but those of endpoints that come and go.
fn best(
    endpoints: &[Arc<Endpoint>],
    ask: &Ask<'_>,
    key: u64,
    limit: Option<Limit>,
) -> Option<usize> {
    let allowed = endpoints.iter().enumerate();
    let allowed = allowed.filter(|(_, endpoint)| ask.allows(endpoint));
    let best = allowed.max_by_key(|(_, endpoint)| {
        let has_room = limit.is_none_or(|limit| limit.has_room(endpoint));
        let load = if has_room {
            0
        } else {
            (u64::from(endpoint.state.in_flight()) << 16) / u64::from(endpoint.weight)
        };
        (has_room, Reverse(load), rank(endpoint, key))
    });
    best.map(|(index, _)| index)
}

/// Indexes of the endpoints that may get requests, by name: what is built from this order does not depend on the one in
/// which the operator wrote them.
pub(super) fn by_name(endpoints: &[Arc<Endpoint>]) -> Vec<u32> {
    let mut order: Vec<u32> = (0u32..)
        .zip(endpoints)
        .filter(|(_, endpoint)| endpoint.weight > 0)
        .map(|(index, _)| index)
        .collect();
    order.sort_by_key(|index| &endpoints[*index as usize].name);
    order
}

#[cfg(test)]
pub(super) mod tests;
