//! Is what has least to do found, and are equals treated alike?

use super::super::tests::{ask, endpoints};
use super::super::{Balancer, Rule};
use super::*;
use crate::pool::Tried;
use crate::pool::endpoint::WHOLE;

fn loaded(weights: &[u16], in_flight: &[u32]) -> Arc<[Arc<Endpoint>]> {
    let endpoints = endpoints(&Rule::LeastRequests { all: true }, weights);
    for (endpoint, count) in endpoints.iter().zip(in_flight) {
        (0..*count).for_each(|_| assert!(endpoint.state.begin_within(u32::MAX)));
    }
    endpoints
}

/// How many of a thousand picks each gets; the requests end at once.
fn picks(endpoints: &[Arc<Endpoint>], all: bool) -> Vec<u32> {
    fastrand::seed(4);
    let balancer = LeastRequests::new(endpoints, all);
    let mut picks = vec![0; endpoints.len()];
    for _ in 0..1000 {
        let index = balancer.pick(endpoints, &ask(&Tried::default()));
        picks[index.expect("all are available")] += 1;
    }
    picks
}

#[test]
fn the_full_scan_finds_the_one_with_least_to_do_for_its_weight() {
    assert_eq!(picks(&loaded(&[1, 1, 1], &[3, 2, 4]), true), [0, 1000, 0]);
    assert_eq!(picks(&loaded(&[1, 3], &[1, 3]), true), [0, 1000]);
    assert_eq!(picks(&loaded(&[1, 3], &[1, 5]), true), [1000, 0]);
    // A large one that has little to do goes before a small one that has nothing to do.
    assert_eq!(picks(&loaded(&[1, 10], &[0, 2]), true), [0, 1000]);
}

#[test]
fn equals_have_the_same_chance() {
    let busy = picks(&loaded(&[1, 1, 1, 1], &[2, 1, 1, 1]), true);
    assert_eq!(busy[0], 0);
    assert!(
        busy[1..].iter().all(|picks| picks.abs_diff(333) < 60),
        "{busy:?}"
    );
    let idle = picks(&loaded(&[1, 1, 1, 1], &[1, 0, 0, 0]), true);
    assert_eq!(idle[0], 0);
    assert!(
        idle[1..].iter().all(|picks| picks.abs_diff(333) < 60),
        "{idle:?}"
    );
}

#[test]
fn of_two_the_better_one_is_taken_however_seldom_it_is_drawn() {
    assert_eq!(picks(&loaded(&[1, 1], &[1, 0]), false), [0, 1000]);
    assert_eq!(picks(&loaded(&[1000, 1], &[5000, 0]), false), [0, 1000]);
    // The worst of three is never the better of two.
    assert_eq!(picks(&loaded(&[1, 1, 1], &[2, 3, 1]), false)[1], 0);
}

#[test]
fn the_largest_numbers_are_compared_as_well() {
    let load = |in_flight, weight| Load {
        in_flight,
        weight: weight * u64::from(WHOLE),
    };
    let heaviest = u64::from(u16::MAX);
    let most = load(u32::MAX, heaviest);
    assert!(most.cmp(load(u32::MAX - 1, heaviest)).is_gt());
    assert!(load(0, 1).cmp(most).is_lt());
    assert!(most.cmp(load(u32::MAX, 1)).is_lt());
}
