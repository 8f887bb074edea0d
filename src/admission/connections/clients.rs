//! How many connections does each client have?

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// As many locks as it takes for workers not to wait for each other.
const SHARDS: usize = 16;

/// Below so many clients a shard keeps its memory.
const SMALL: usize = 64;

/// Who counts as one client: an IPv4 address, or what is in one IPv6 network. As an IPv6 address, its halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(u64, u64);

impl Prefix {
    /// The client that `address` belongs to: of an IPv6 address, that in a network with a prefix of so many bits. An
    /// IPv4-mapped one is the IPv4 address it holds.
    pub fn of(address: IpAddr, ipv6_prefix: u8) -> Self {
        let bits = match address.to_canonical() {
            IpAddr::V4(ipv4) => ipv4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(ipv6) => {
                let hidden = 128_u32.saturating_sub(ipv6_prefix.into());
                ipv6.to_bits() & u128::MAX.checked_shl(hidden).unwrap_or(0)
            }
        };
        Self((bits >> 64) as u64, bits as u64)
    }
}

/// The connections of each client that has one: no more entries than there are connections. Its keys are what clients
/// choose, so they are hashed with a secret.
#[derive(Debug)]
pub(super) struct Clients {
    shards: [Mutex<HashMap<Prefix, usize, RandomState>>; SHARDS],
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
    pub(super) fn enter(&self, client: Prefix, most: Option<usize>) -> bool {
        let mut shard = self.shard(client);
        let count = shard.get(&client).copied().unwrap_or(0);
        if most.is_some_and(|most| count >= most) {
            return false;
        }
        shard.insert(client, count + 1);
        true
    }

    pub(super) fn leave(&self, client: Prefix) {
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

    fn shard(&self, client: Prefix) -> MutexGuard<'_, HashMap<Prefix, usize, RandomState>> {
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

    fn client(address: &str, ipv6_prefix: u8) -> Prefix {
        Prefix::of(address.parse().expect("an address"), ipv6_prefix)
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client_and_ipv4_ones_are_not() {
        assert_eq!(client("2001:db8::1", 64), client("2001:db8::ffff:2", 64));
        assert_ne!(client("2001:db8::1", 64), client("2001:db8:0:1::1", 64));
        assert_eq!(client("2001:db8::1", 56), client("2001:db8:0:1::1", 56));
        assert_ne!(client("2001:db8::1", 128), client("2001:db8::2", 128));
        assert_ne!(client("192.0.2.1", 64), client("192.0.2.2", 64));
        assert_eq!(client("192.0.2.1", 64), client("::ffff:192.0.2.1", 64));
    }

    #[test]
    fn memory_goes_back_after_a_flood() {
        let clients = Clients::default();
        let of = |number: u32| Prefix::of(number.to_be_bytes().into(), 64);
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
        fn a_prefix_is_the_network_of_its_address(bits in any::<u128>(), length in 1_u8..=128) {
            let address = IpAddr::from(bits.to_be_bytes());
            prop_assume!(!address.to_canonical().is_ipv4());
            let network = ipnet::IpNet::new(address, length).expect("a length").network();
            prop_assert_eq!(Prefix::of(address, length), Prefix::of(network, 128));
        }

        #[test]
        fn the_clients_that_are_counted_are_those_that_are_in(
            steps in proptest::collection::vec((any::<bool>(), 0_u8..4), 0..200),
            most in 1_usize..4,
        ) {
            let clients = Clients::default();
            let mut model = [0_usize; 4];
            for (comes, who) in steps {
                let prefix = Prefix::of([192, 0, 2, who].into(), 64);
                let count = &mut model[usize::from(who)];
                if comes {
                    let may = *count < most;
                    prop_assert_eq!(clients.enter(prefix, Some(most)), may);
                    *count += usize::from(may);
                } else if *count > 0 {
                    clients.leave(prefix);
                    *count -= 1;
                }
                let inside = model.iter().filter(|count| **count > 0).count();
                prop_assert_eq!(clients.len(), inside);
            }
        }
    }
}
