//! Whose point is next to a key's on a ring of hashes? That is ketama, as nginx's `hash … consistent` has it.
//!
//! An endpoint has [`points`](RingHash::new) places for each unit of its weight, by CRC-32 of its address and the place
//! before. The places depend on nothing but the endpoint, so when one goes, its keys go to the next on the ring and all
//! others stay.

use std::sync::Arc;

use super::Balancer;
use super::bound::MaxLoad;
use super::consistent::{Consistent, by_name};
use crate::pool::{Address, Ask, Endpoint};

/// A ketama ring.
#[derive(Debug)]
pub struct RingHash {
    /// Hashes and the indexes of their endpoints, by hash.
    ring: Box<[Point]>,
    /// Where on the ring the points begin whose hashes begin with 0, 1, 2 …, and its length: so that only a few points
    /// are searched, and few lines of the cache are missing, with a million of them.
    starts: Box<[u32]>,
    /// How far a hash is shifted to have its beginning.
    shift: u32,
    consistent: Consistent,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    hash: u32,
    index: u32,
}

/// The most points of a ring: 32 MiB. Beyond it the points of each endpoint are halved until they fit.
const MOST_POINTS: u64 = 1 << 22;

impl RingHash {
    /// The ring of these endpoints, with so many points for each unit of weight. Those of weight 0 are left out.
    pub fn new(points: u32, max_load: Option<MaxLoad>, endpoints: &[Arc<Endpoint>]) -> Self {
        let ring = ring(points, MOST_POINTS, endpoints);
        let beginnings = (ring.len() / POINTS_SEARCHED).next_power_of_two().max(2);
        let shift = u32::BITS - beginnings.ilog2();
        let start = |beginning: usize| {
            ring.partition_point(|point| ((point.hash >> shift) as usize) < beginning) as u32
        };
        Self {
            starts: (0..=beginnings).map(start).collect(),
            shift,
            ring,
            consistent: Consistent::new(max_load, endpoints),
        }
    }
}

impl RingHash {
    /// Where the first point is that has this hash or a higher one; the ring's length if there is none.
    fn first_from(&self, hash: u32) -> usize {
        let beginning = (hash >> self.shift) as usize;
        let (from, to) = (
            self.starts[beginning] as usize,
            self.starts[beginning + 1] as usize,
        );
        from + self.ring[from..to].partition_point(|point| point.hash < hash)
    }
}

impl Balancer for RingHash {
    fn pick(&self, endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<usize> {
        if self.ring.is_empty() {
            return None;
        }
        // The lower half of the key is the CRC-32; a request without a key goes anywhere.
        let key = ask.key.unwrap_or_else(|| fastrand::u64(..));
        let hash = key as u32;
        let (before, after) = self.ring.split_at(self.first_from(hash));
        let places = after.iter().chain(before).map(|point| point.index);
        let at = |hash: u64| self.ring[self.first_from(hash as u32) % self.ring.len()].index;
        self.consistent.choose(endpoints, ask, key, places, at)
    }

    fn most(&self, endpoints: &[Arc<Endpoint>], index: usize, ask: &Ask<'_>) -> u32 {
        self.consistent.most(endpoints, index, ask)
    }
}

/// About how many points are searched for one hash.
const POINTS_SEARCHED: usize = 8;

fn ring(points: u32, most: u64, endpoints: &[Arc<Endpoint>]) -> Box<[Point]> {
    let order = by_name(endpoints);
    let wanted = |index: &u32| u64::from(endpoints[*index as usize].weight) * u64::from(points);
    let total: u64 = order.iter().map(wanted).sum();
    // By halves, so that the coming and going of an endpoint changes it seldom: each change moves keys of others, too.
    let halvings = (0..).find(|halvings| total >> halvings <= most);
    let halvings = halvings.unwrap_or(0);
    let mut ring = Vec::new();
    for index in &order {
        let base = base(endpoints[*index as usize].address());
        let mut hash = 0u32;
        for _ in 0..(wanted(index) >> halvings).max(1) {
            let mut hasher = base.clone();
            hasher.update(&hash.to_le_bytes());
            hash = hasher.finalize();
            ring.push(Point {
                hash,
                index: *index,
            });
        }
    }
    // Stable: of two points at one place the first by name is kept.
    ring.sort_by_key(|point| point.hash);
    ring.dedup_by_key(|point| point.hash);
    ring.into_boxed_slice()
}

/// What the places of an endpoint begin with: as nginx and Cache::Memcached::Fast have it, the host, a NUL and the
/// port.
fn base(address: &Address) -> crc32fast::Hasher {
    let (host, port) = match address {
        Address::Inet(address) => {
            let text = address.to_string();
            let (host, port) = text.rsplit_once(':').unwrap_or((&text, ""));
            (host.as_bytes().to_owned(), port.to_owned())
        }
        Address::Unix(path) => {
            use std::os::unix::ffi::OsStrExt as _;
            (path.as_os_str().as_bytes().to_owned(), String::new())
        }
    };
    let mut hasher = crc32fast::Hasher::new();
    for piece in [&host, &b"\0"[..], port.as_bytes()] {
        hasher.update(piece);
    }
    hasher
}

#[cfg(test)]
mod tests;
