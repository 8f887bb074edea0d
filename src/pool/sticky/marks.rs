//! Which of a pool's endpoints has this mark, and which does a value belong to?
//!
//! A value belongs to the endpoint with the highest score, which is a hash of both: rendezvous hashing (Thaler,
//! Ravishankar: "Using name-based mappings to increase hit rates", 1998), with weights (Schindelhauer, Schomaker:
//! "Weighted distributed hash tables", 2005). When an endpoint is gone, its values spread over the others, and no other
//! value moves. Nothing is remembered about a client, so there is no table to fill, and every process with these
//! endpoints comes to the same answer. It costs a step for each endpoint of the pool, for requests that have a value.

use std::sync::Arc;

use crate::pool::Endpoint;

/// What an endpoint is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The mark.
    pub value: u64,
    /// The one by a former secret.
    pub former: Option<u64>,
}

/// The marks of a pool's endpoints; empty if its clients are not known by anything.
#[derive(Debug, Default)]
pub struct Marks {
    /// By mark.
    sorted: Box<[Spot]>,
    /// Whether all weights are the same.
    even: bool,
}

/// What is needed of an endpoint, side by side.
#[derive(Clone, Copy, Debug)]
struct Spot {
    mark: u64,
    /// In the pool.
    index: u32,
    weight: u16,
    priority: u8,
}

impl Marks {
    /// Those of these endpoints.
    pub fn of(endpoints: &[Arc<Endpoint>]) -> Self {
        let mut sorted: Vec<Spot> = Vec::new();
        for (index, endpoint) in (0..).zip(endpoints) {
            let marks = endpoint.mark.iter();
            let marks = marks.flat_map(|mark| [Some(mark.value), mark.former]);
            sorted.extend(marks.flatten().map(|mark| Spot {
                mark,
                index,
                weight: endpoint.weight,
                priority: endpoint.priority,
            }));
        }
        sorted.sort_by_key(|spot| spot.mark);
        let weighted = sorted.iter().filter(|spot| spot.weight > 0);
        let weights: Vec<u16> = weighted.map(|spot| spot.weight).collect();
        Self {
            even: weights.windows(2).all(|pair| pair[0] == pair[1]),
            sorted: sorted.into(),
        }
    }

    /// The endpoint with this mark.
    pub fn named<'e>(
        &self,
        mark: u64,
        endpoints: &'e [Arc<Endpoint>],
    ) -> Option<&'e Arc<Endpoint>> {
        let found = self.sorted.binary_search_by_key(&mark, |spot| spot.mark);
        endpoints.get(self.sorted.get(found.ok()?)?.index as usize)
    }

    /// The allowed endpoint that a value with this hash belongs to: of those that come first, the one with the highest
    /// score.
    pub fn highest<'e>(
        &self,
        hash: u64,
        endpoints: &'e [Arc<Endpoint>],
        allows: impl Fn(&Arc<Endpoint>) -> bool,
    ) -> Option<&'e Arc<Endpoint>> {
        // Nearly always it may be used, and no other needs to be asked.
        let first = self.best(hash, |_| true)?;
        let first = endpoints.get(first.index as usize)?;
        if allows(first) {
            return Some(first);
        }
        let allowed = |spot: &Spot| endpoints.get(spot.index as usize).is_some_and(&allows);
        endpoints.get(self.best(hash, allowed)?.index as usize)
    }

    fn best(&self, hash: u64, may: impl Fn(&Spot) -> bool) -> Option<&Spot> {
        let spots = self.sorted.iter();
        let spots = spots.filter(|spot| spot.weight > 0 && may(spot));
        spots.min_by_key(|spot| (spot.priority, self.distance(hash, spot)))
    }

    /// The lower, the higher the score.
    fn distance(&self, hash: u64, spot: &Spot) -> u64 {
        let mixed = mix(hash ^ spot.mark.rotate_left(32));
        if self.even {
            return mixed;
        }
        // 53 bits are a fraction above 0 and not above 1. Its logarithm divided by the weight is how long a source of
        // this rate takes to its first event: the first of all has each weight's share.
        let fraction = ((mixed >> 11) + 1) as f64 / (1u64 << 53) as f64;
        // The bits of numbers that are not negative are in the numbers' order; this sum is never -0.
        (0.0 - fraction.ln() / f64::from(spot.weight)).to_bits()
    }
}

/// Spreads every bit over all of them (the finaliser of SplitMix64; Steele, Lea, Flood, 2014).
const fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}
