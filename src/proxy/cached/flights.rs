//! Which fetches are under way, and for which objects?

use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use super::flight::Flight;
use crate::cache::purge::Seq;

/// Into how many parts the table is split, so that workers seldom wait for each other.
const PARTS: usize = 16;

/// The flights that are under way.
pub struct Flights {
    /// Those that may be followed, by what they are found by.
    parts: [Mutex<FxHashMap<u128, Arc<Flight>>>; PARTS],
    /// All of them, by the hash of what they fetch, whatever variant of it.
    under_way: [Mutex<FxHashMap<u128, Vec<Arc<Flight>>>>; PARTS],
}

/// The part of a request in a flight.
pub enum Part {
    /// It has to fetch.
    Leads(Arc<Flight>),
    /// Another does.
    Follows(Arc<Flight>),
}

impl Default for Flights {
    fn default() -> Self {
        Self {
            parts: std::array::from_fn(|_| Mutex::default()),
            under_way: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Flights {
    fn part(&self, key: u128) -> MutexGuard<'_, FxHashMap<u128, Arc<Flight>>> {
        let part = &self.parts[(key >> 64) as usize % PARTS];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self, primary: u128) -> MutexGuard<'_, FxHashMap<u128, Vec<Arc<Flight>>>> {
        let part = &self.under_way[(primary >> 64) as usize % PARTS];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of one that asks for what is stored under `primary` or a variant of that.
    pub fn depart(&self, primary: u128, flight: &Arc<Flight>) {
        let mut under_way = self.under_way(primary);
        under_way
            .entry(primary)
            .or_default()
            .push(Arc::clone(flight));
    }

    /// Forgets one that [`depart`](Self::depart)ed, and whatever it may be found by.
    pub fn arrive(&self, primary: u128, flight: &Arc<Flight>) {
        self.leave(flight);
        let mut under_way = self.under_way(primary);
        let Some(all) = under_way.get_mut(&primary) else {
            return;
        };
        if let Some(place) = all.iter().position(|other| Arc::ptr_eq(other, flight)) {
            all.swap_remove(place);
        }
        if all.is_empty() {
            under_way.remove(&primary);
        }
    }

    /// Takes part in the flight for `key`, which begins if there is none. One from before the latest purge, whose place in
    /// the order is `now`, may bring what was purged: it goes on for those who follow it, is not stored, and
    /// nobody joins them.
    pub fn join(&self, key: u128, now: Seq) -> Part {
        match self.part(key).entry(key) {
            Entry::Occupied(under_way) if under_way.get().since >= now => {
                Part::Follows(Arc::clone(under_way.get()))
            }
            Entry::Occupied(mut before) => {
                let flight = Flight::new(Some(key), now);
                let before = before.insert(Arc::clone(&flight));
                // An invalidation would not find it here any more.
                before.doom();
                Part::Leads(flight)
            }
            Entry::Vacant(free) => {
                Part::Leads(Arc::clone(free.insert(Flight::new(Some(key), now))))
            }
        }
    }

    /// Forgets one that has ended, or that nobody is to join any more.
    pub fn leave(&self, flight: &Arc<Flight>) {
        let Some(key) = flight.key else { return };
        let mut part = self.part(key);
        if part
            .get(&key)
            .is_some_and(|known| Arc::ptr_eq(known, flight))
        {
            part.remove(&key);
        }
    }

    /// What is being fetched of `primary`, every variant, is not to be stored, and nobody is to join it: it was invalidated.
    pub fn doom(&self, primary: u128) {
        let all = self.under_way(primary).get(&primary).cloned();
        for flight in all.into_iter().flatten() {
            flight.doom();
            self.leave(&flight);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let lengths = self.parts.iter().map(|part| {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.len()
        });
        lengths.sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
