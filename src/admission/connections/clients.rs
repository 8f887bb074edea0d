//! How many connections does each client have?

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::admission::Client;

/// As many locks as it takes for workers not to wait for each other.
const SHARDS: usize = 16;

/// Below so many clients a shard keeps its memory.
const SMALL: usize = 64;

/// The connections of each client that has one: no more entries than there are connections. Its keys are what clients
/// choose, so they are hashed with a secret.
#[derive(Debug)]
pub(super) struct Clients {
    shards: [Mutex<HashMap<Client, usize, RandomState>>; SHARDS],
    hasher: RandomState,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            shards: Default::default(),
            hasher: RandomState::new(),
        }
    }
}

impl Clients {
    /// Counts one more of this client, unless it has `most`.
    pub(super) fn enter(&self, client: Client, most: Option<usize>) -> bool {
        let mut shard = self.shard(client);
        let count = shard.get(&client).copied().unwrap_or(0);
        if most.is_some_and(|most| count >= most) {
            return false;
        }
        shard.insert(client, count + 1);
        true
    }

    pub(super) fn leave(&self, client: Client) {
        let mut shard = self.shard(client);
        if let Some(count) = shard.get_mut(&client) {
            *count -= 1;
            if *count > 0 {
                return;
            }
        }
        shard.remove(&client);
        if shard.capacity() > SMALL && shard.len() < shard.capacity() / 8 {
            // What a flood needed is not kept after it.
            let room = shard.len() * 2;
            shard.shrink_to(room);
        }
    }

    fn shard(&self, client: Client) -> MutexGuard<'_, HashMap<Client, usize, RandomState>> {
        let shard = self.hasher.hash_one(client) as usize % SHARDS;
        self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let lengths = self
            .shards
            .iter()
            .map(|one| one.lock().expect("no panic").len());
        lengths.sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn memory_goes_back_after_a_flood() {
        let clients = Clients::default();
        let of = |number: u32| Client::of(number.to_be_bytes().into(), 64);
        for number in 0..100_000 {
            assert!(clients.enter(of(number), None));
        }
        assert_eq!(clients.len(), 100_000);
        for number in 0..100_000 {
            clients.leave(of(number));
        }
        let rooms = clients.shards.iter();
        let rooms = rooms.map(|one| one.lock().expect("no panic").capacity());
        let room: usize = rooms.sum();
        assert!(room <= SHARDS * 2 * SMALL, "{room}");
    }

    proptest! {
        #[test]
        fn the_clients_that_are_counted_are_those_that_are_in(
            steps in proptest::collection::vec((any::<bool>(), 0_u8..4), 0..200),
            most in 1_usize..4,
        ) {
            let clients = Clients::default();
            let mut model = [0_usize; 4];
            for (comes, who) in steps {
                let client = Client::of([192, 0, 2, who].into(), 64);
                let count = &mut model[usize::from(who)];
                if comes {
                    let may = *count < most;
                    prop_assert_eq!(clients.enter(client, Some(most)), may);
                    *count += usize::from(may);
                } else if *count > 0 {
                    clients.leave(client);
                    *count -= 1;
                }
                let inside = model.iter().filter(|count| **count > 0).count();
                prop_assert_eq!(clients.len(), inside);
            }
        }
    }
}
