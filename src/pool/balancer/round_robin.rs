//! Whose turn is it? Each endpoint's, smoothly by weight: weights 5, 1, 1 give `a b a a a c a`, not `a a a a a b c`.
//!
//! The order of a whole round is computed when the endpoints change, so that a pick is one atomic addition.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Balancer;
use super::draw::has_its_turn;
use crate::pool::{Ask, Endpoint};

/// Smooth weighted round robin.
#[derive(Debug)]
pub struct RoundRobin {
    /// Indexes of endpoints, each as often as its weight says, spread evenly over the round.
    round: Box<[u32]>,
    next: AtomicUsize,
}

/// The longest round: beyond it weights are scaled down, to within this precision.
const LONGEST_ROUND: u64 = 65_536;
/// How many places of the round are tried before the endpoints themselves are gone through.
const LOOK_AHEAD: usize = 16;

impl RoundRobin {
    /// The round of these endpoints. Those of weight 0 are left out.
    pub fn new(endpoints: &[Arc<Endpoint>]) -> Self {
        let weights: Vec<u64> = endpoints
            .iter()
            .map(|endpoint| u64::from(endpoint.weight))
            .collect();
        Self {
            round: round(&weights),
            next: AtomicUsize::new(0),
        }
    }
}

impl Balancer for RoundRobin {
    fn pick(&self, endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<usize> {
        if self.round.is_empty() {
            return None;
        }
        let usable = |index: &usize| ask.allows(&endpoints[*index]);
        let mut passed_over = None;
        // A second attempt takes nobody's turn: else of two endpoints the one that is down would get every first attempt.
        let turn = |ahead: usize| match ask.tried.is_empty() {
            true => self.next.fetch_add(1, Ordering::Relaxed),
            false => self.next.load(Ordering::Relaxed).wrapping_add(ahead),
        };
        for ahead in 0..self.round.len().min(LOOK_AHEAD) {
            let index = self.round[turn(ahead) % self.round.len()] as usize;
            if usable(&index) {
                if has_its_turn(&endpoints[index], ask.now) {
                    return Some(index);
                }
                passed_over = passed_over.or(Some(index));
            }
        }
        // Most are down: go through them once, from where the turn stands, instead of through a long round.
        let start = self.next.load(Ordering::Relaxed) % endpoints.len();
        passed_over.or_else(|| (start..endpoints.len()).chain(0..start).find(usable))
    }
}

/// Puts the turns of an endpoint of weight w at equal distances of 1/w of the round, and sorts. Where each endpoint
/// begins follows the golden ratio, so that endpoints of equal weights don't take their turns all at once.
fn round(weights: &[u64]) -> Box<[u32]> {
    let divisor = weights
        .iter()
        .copied()
        .fold(0, greatest_common_divisor)
        .max(1);
    let sum: u64 = weights.iter().map(|weight| weight / divisor).sum();
    let scale = sum.div_ceil(LONGEST_ROUND).max(1);
    let mut turns: Vec<(u64, u32)> = Vec::new();
    for (index, weight) in (0u32..).zip(weights) {
        let phase = u64::from(HALF.wrapping_add(index.wrapping_mul(GOLDEN)));
        if *weight == 0 {
            continue;
        }
        let weight = (weight / divisor).div_ceil(scale);
        turns.extend((0..weight).map(|turn| (((turn << 32) + phase) / weight, index)));
    }
    turns.sort_unstable();
    turns.into_iter().map(|(_, index)| index).collect()
}

/// Fractions of a round in units of 2^-32: a half, and the golden ratio's.
const HALF: u32 = 1 << 31;
const GOLDEN: u32 = 0x9E37_79B9;

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_smoothly_by_weight() {
        assert_eq!(&*round(&[5, 1, 1]), &[0, 1, 0, 0, 0, 2, 0]);
        assert_eq!(round(&[2, 2]).len(), 2, "equal weights are equal turns");
        assert_eq!(&*round(&[0, 3]), &[1]);
        assert!(round(&[0, 0]).is_empty());
        let mut all: Vec<u32> = round(&[3; 100]).to_vec();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<u32>>());
    }

    #[test]
    fn a_thousand_endpoints_of_odd_weights_make_a_bounded_round_that_keeps_the_shares() {
        let weights: Vec<u64> = (0..1000).map(|n| 1 + (n * 7919) % 1000).collect();
        let round = round(&weights);
        assert!(round.len() as u64 <= LONGEST_ROUND + 1000);
        let total: u64 = weights.iter().sum();
        for heavy in weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight > 500)
            .map(|(index, _)| index)
        {
            let turns = round
                .iter()
                .filter(|index| **index as usize == heavy)
                .count() as f64;
            let share = turns / round.len() as f64 / (weights[heavy] as f64 / total as f64);
            assert!(
                (0.9..1.1).contains(&share),
                "endpoint {heavy} has {share} of its share"
            );
        }
    }
}
