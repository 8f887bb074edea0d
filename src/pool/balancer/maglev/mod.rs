//! Which endpoint holds the place of a key in a table? That is Maglev (Eisenbud et al., NSDI 2016, §3.4).
//!
//! The endpoints take turns, more often the heavier they are, and each turn takes the next free place of an order of
//! the endpoint's own. So the table is shared out more evenly than any ring of that size, and a choice is one look into
//! it. The price: when an endpoint comes or goes, some places of others change hands as well. For N endpoints about 100·N
//! places make even shares, but it takes about 100·N² for those others to be no more than a tenth of the endpoint's own.
//! With the default size they are 2 % of these for 10 endpoints, 7 % for 20, 22 % for 50, 57 % for 100, five times as many
//! for 600, which is still less than a hundredth of the table.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Balancer;
use super::bound::MaxLoad;
use super::consistent::{Consistent, by_name};
use crate::pool::{Ask, Endpoint};

/// A Maglev table.
#[derive(Debug)]
pub struct Maglev {
    /// Indexes of endpoints; empty if all have weight 0.
    table: Box<[u32]>,
    consistent: Consistent,
}

/// The largest table: 20 MB.
pub const LARGEST_TABLE: u32 = 5_000_011;

impl Maglev {
    /// The table of these endpoints. Its size must be a prime; those of weight 0 are left out.
    pub fn new(size: u32, max_load: Option<MaxLoad>, endpoints: &[Arc<Endpoint>]) -> Self {
        Self {
            table: table(size, endpoints),
            consistent: Consistent::new(max_load, endpoints),
        }
    }
}

impl Balancer for Maglev {
    fn pick(&self, endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<usize> {
        if self.table.is_empty() {
            return None;
        }
        let key = ask.key.unwrap_or_else(|| fastrand::u64(..));
        let size = self.table.len() as u64;
        // The table has no order in which a next one would follow: a second hash gives each key one of its own.
        let (mut place, mut step) = (key % size, None);
        let places = std::iter::from_fn(|| {
            let here = self.table[place as usize];
            let step = *step.get_or_insert_with(|| stride(&key.to_le_bytes(), STEP, size));
            place = (place + step) % size;
            Some(here)
        });
        let at = |hash: u64| self.table[(hash % size) as usize];
        self.consistent.choose(endpoints, ask, key, places, at)
    }

    fn most(&self, endpoints: &[Arc<Endpoint>], index: usize, ask: &Ask<'_>) -> u32 {
        self.consistent.most(endpoints, index, ask)
    }
}

/// What makes several hashes of one text.
const OFFSET: u64 = 0;
const SKIP: u64 = 1;
const STEP: u64 = 2;

/// A distance with which every place of a table of this size, a prime, is reached.
fn stride(text: &[u8], seed: u64, size: u64) -> u64 {
    1 + xxh3_64_with_seed(text, seed) % (size - 1)
}

/// An endpoint while the table is shared out.
struct Taker {
    index: u32,
    weight: u64,
    turns: u64,
    /// The next place in its own order, and how far it is from one to the next.
    place: u64,
    skip: u64,
}

fn table(size: u32, endpoints: &[Arc<Endpoint>]) -> Box<[u32]> {
    const FREE: u32 = u32::MAX;
    let places = u64::from(size);
    let mut takers: Vec<Taker> = by_name(endpoints)
        .into_iter()
        .map(|index| {
            let endpoint = &endpoints[index as usize];
            let name = endpoint.name.as_bytes();
            Taker {
                index,
                weight: u64::from(endpoint.weight),
                turns: 0,
                place: xxh3_64_with_seed(name, OFFSET) % places,
                skip: stride(name, SKIP, places),
            }
        })
        .collect();
    let weights = || takers.iter().map(|taker| taker.weight);
    let (Some(lightest), Some(heaviest)) = (weights().min(), weights().max()) else {
        return Box::default();
    };
    // The heaviest has a turn in each round, one of half its weight in every other. On the wheel stands who has a turn
    // in the rounds to come; nobody's next is further away than the wheel is long.
    let longest = heaviest.div_ceil(lightest);
    let mut wheel: Vec<Vec<u32>> = (0..=longest).map(|_| Vec::new()).collect();
    wheel[0] = (0..).take(takers.len()).collect();
    let slot = |round: u64| (round % (longest + 1)) as usize;
    let mut table = vec![FREE; size as usize].into_boxed_slice();
    let mut left = table.len();
    for round in 0.. {
        let mut due = std::mem::take(&mut wheel[slot(round)]);
        // In a round they go by name.
        due.sort_unstable();
        for rank in due.iter().take(left) {
            let taker = &mut takers[*rank as usize];
            taker.turns += 1;
            let next = (taker.turns * heaviest).div_ceil(taker.weight);
            wheel[slot(next)].push(*rank);
            while table[taker.place as usize] != FREE {
                taker.place += taker.skip;
                // Half of the time is spent here, and a division would take it twice.
                if taker.place >= places {
                    taker.place -= places;
                }
            }
            table[taker.place as usize] = taker.index;
        }
        left = left.saturating_sub(due.len());
        if left == 0 {
            break;
        }
    }
    table
}

/// Whether a table may have that size: only a prime has a way through all places with every distance.
pub fn is_prime(number: u32) -> bool {
    let divisors = (2..).take_while(|divisor| u64::from(*divisor).pow(2) <= u64::from(number));
    number > 1
        && divisors
            .into_iter()
            .all(|divisor| !number.is_multiple_of(divisor))
}

/// The smallest prime that is not smaller.
pub fn next_prime(number: u32) -> u32 {
    (number..)
        .find(|number| is_prime(*number))
        .unwrap_or(LARGEST_TABLE)
}

#[cfg(test)]
mod tests;
