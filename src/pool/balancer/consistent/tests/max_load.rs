//! Has no endpoint more than its bound, and is there room for a request all the same?

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::*;
use crate::pool::balancer::consistent::Consistent;
use crate::pool::balancer::tests::endpoints_at;

#[test]
fn a_key_that_everybody_asks_for_drowns_no_endpoint() {
    for kind in ["ring_hash", "maglev"] {
        let pool = pool(kind, 8);
        let mut leases = Vec::new();
        for total in 1..=1_000 {
            let new = lease(&pool, Some(12345));
            let endpoint = new.endpoint();
            assert!(
                endpoint.state.in_flight() <= bound(total, endpoint.weight, 10),
                "{kind}: {} of {total}",
                endpoint.state.in_flight()
            );
            leases.push(new);
        }
        let loads = || -> Vec<u32> {
            let members = pool.members();
            let endpoints = members.endpoints.iter();
            endpoints
                .map(|endpoint| endpoint.state.in_flight())
                .collect()
        };
        // As much as it may have, and the rest in turn to the next ones of the key: not to all alike.
        let full = loads()
            .iter()
            .filter(|load| [125, 250].contains(*load))
            .count();
        assert!(full >= 6, "{kind}: {:?}", loads());
        // Whoever frees a place gets the next.
        drop(leases.swap_remove(0));
        let again = lease(&pool, Some(12345));
        assert!(again.endpoint().state.in_flight() <= 250);
    }
}

#[test]
fn the_bound_is_off_with_zero() {
    for kind in ["ring_hash", "maglev"] {
        let pool = pool(&format!("{{kind: {kind}, max_load: 0}}"), 8);
        let leases: Vec<Lease> = (0..100).map(|_| lease(&pool, Some(12345))).collect();
        let first = leases[0].endpoint();
        assert_eq!(first.state.in_flight(), 100, "{kind}");
    }
}

#[test]
fn where_some_are_ill_the_bound_is_that_of_the_others() {
    for kind in ["ring_hash", "maglev"] {
        let pool = pool(kind, 8);
        let members = pool.members();
        // Four of nine are left, each of weight 1: with shares of all ten they would have room for half of the
        // requests.
        for endpoint in &members.endpoints[..5] {
            endpoint.state.set_drained(true);
        }
        let mut leases = Vec::new();
        for total in 1..=400 {
            let new = lease(&pool, Some(12345));
            let load = new.endpoint().state.in_flight();
            assert!(load <= bound(total, 1, 4), "{kind}: {load} of {total}");
            leases.push(new);
        }
    }
}

#[test]
fn one_hot_key_finds_room_among_thousands_without_going_through_all() {
    fastrand::seed(7);
    let (count, in_flight, key) = (5_000_u16, 500, 12345);
    let addresses = (0..count).map(|n| (format!("10.0.{}.{}:80", n >> 8, n & 255), 1));
    let endpoints = endpoints_at(&addresses.collect::<Vec<_>>());
    let consistent = Consistent::new(MaxLoad::new(1.25), &endpoints);
    let at = |hash: u64| (hash % u64::from(count)) as u32;
    let tried = Tried::default();
    let mut used = HashSet::new();
    for _ in 0..10 {
        let mut leases = Vec::new();
        for _ in 0..in_flight {
            let ask = ask(Some(key), &tried);
            let places = (0..).map(|step: u64| at(xxh3_64_with_seed(&step.to_le_bytes(), key)));
            let near = consistent.near(&endpoints, &ask, key, places, at);
            let index = near.expect("there is room near by");
            let endpoint = &endpoints[index];
            let most = consistent.most(&endpoints, index, &ask);
            assert_eq!(most, 1, "the bound");
            used.insert(Arc::clone(&endpoint.name));
            leases.push(Lease::take(endpoint, most, ask.now).expect("it has room"));
        }
    }
    // Ten times anywhere would have been at two of three.
    assert!(used.len() < 2_000, "{} of {count} were used", used.len());
}

#[test]
fn a_later_attempt_that_has_one_endpoint_left_is_within_the_bound_of_that_one() {
    for kind in ["ring_hash", "maglev"] {
        let pool = pool(kind, 1);
        let (members, mut tried) = (pool.members(), Tried::default());
        tried.insert(&members.endpoints[0]);
        let wanted = Wanted::new(&tried);
        let mut leases = Vec::new();
        for _ in 0..100 {
            // With its share among both, a third, it would have no room from the second on.
            let (endpoint, most) = members.pick(&ask(None, &tried)).expect("one is left");
            assert!(most > endpoint.state.in_flight(), "{kind}: {most}");
            leases.push(pool.try_lease(&wanted, Instant::now()).expect("a lease"));
        }
        assert_eq!(members.endpoints[1].state.in_flight(), 100, "{kind}");
    }
}
