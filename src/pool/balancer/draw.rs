//! Which endpoints does chance propose, by weight?
//!
//! An endpoint that has joined or recovered a short while ago is passed over with the chance that its
//! [share](Endpoint::share) leaves, as long as there is another.

use std::sync::Arc;
use std::time::Instant;

use super::alias::Alias;
use crate::pool::endpoint::WHOLE;
use crate::pool::{Ask, Endpoint};

/// Draws endpoints by weight.
#[derive(Debug)]
pub struct Draw {
    /// Those whose weight is not 0.
    indexes: Box<[u32]>,
    /// Draws among these.
    table: Alias,
}

/// How often is drawn before the endpoints themselves are gone through.
const TRIES: usize = 8;

impl Draw {
    /// Draws from these endpoints.
    pub fn new(endpoints: &[Arc<Endpoint>]) -> Self {
        let (indexes, weights): (Vec<u32>, Vec<u64>) = (0u32..)
            .zip(endpoints)
            .filter(|(_, endpoint)| endpoint.weight > 0)
            .map(|(index, endpoint)| (index, u64::from(endpoint.weight)))
            .unzip();
        Self {
            indexes: indexes.into_boxed_slice(),
            table: Alias::new(&weights),
        }
    }

    /// One that is allowed; `None` only if there is none.
    pub fn one(&self, endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<usize> {
        self.next(endpoints, ask, None)
    }

    /// One that is allowed, and another, if there is one.
    pub fn two(
        &self,
        endpoints: &[Arc<Endpoint>],
        ask: &Ask<'_>,
    ) -> Option<(usize, Option<usize>)> {
        let first = self.one(endpoints, ask)?;
        Some((first, self.next(endpoints, ask, Some(first))))
    }

    /// One that is allowed and not `except`.
    fn next(
        &self,
        endpoints: &[Arc<Endpoint>],
        ask: &Ask<'_>,
        except: Option<usize>,
    ) -> Option<usize> {
        if self.indexes.len() <= usize::from(except.is_some()) {
            return None;
        }
        let allowed = |index: &usize| Some(*index) != except && ask.allows(&endpoints[*index]);
        let mut passed_over = None;
        for _ in 0..TRIES {
            let index = self.indexes[self.table.draw()?] as usize;
            if allowed(&index) {
                if has_its_turn(&endpoints[index], ask.now) {
                    return Some(index);
                }
                passed_over = passed_over.or(Some(index));
            }
        }
        // Most are down, or have little weight: go through them once, from anywhere.
        let start = fastrand::usize(..endpoints.len());
        passed_over.or_else(|| (start..endpoints.len()).chain(0..start).find(allowed))
    }
}

/// Whether an endpoint whose turn it is takes it. One in its slow start lets as many pass as its share says.
pub(super) fn has_its_turn(endpoint: &Endpoint, now: Instant) -> bool {
    let share = endpoint.share(now);
    share == WHOLE || fastrand::u32(..WHOLE) < share
}

/// Its weight now, of [`WHOLE`] for each that was written.
pub(super) fn weight(endpoint: &Endpoint, now: Instant) -> u64 {
    u64::from(endpoint.weight) * u64::from(endpoint.share(now))
}
