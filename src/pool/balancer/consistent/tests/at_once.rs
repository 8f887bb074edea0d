//! Is the bound kept by threads that choose at the same time?

use std::collections::VecDeque;

use super::*;
use crate::pool::balancer::{Balancer, build};
use crate::pool::{Endpoint, Members};

#[test]
fn of_two_that_chose_the_last_place_at_once_one_gets_it() {
    for kind in ["ring_hash", "maglev"] {
        let pool = pool(kind, 8);
        let (members, tried) = (pool.members(), Tried::default());
        let ask = ask(Some(12345), &tried);
        let pick = || members.pick(&ask).expect("all are available");
        let [(first, most), (second, _)] = [pick(), pick()];
        assert!(Arc::ptr_eq(first, second), "{kind}: both chose the same");
        assert_eq!(most, 1, "{kind}");
        let lease = Lease::take(first, most, Instant::now());
        assert!(lease.is_some() && Lease::take(second, most, Instant::now()).is_none());
        assert_eq!((first.state.in_flight(), pool.state.in_flight()), (1, 1));
        // Who lost chooses again, and somebody else.
        let (other, most) = pick();
        assert!(!Arc::ptr_eq(first, other));
        assert!(Lease::take(other, most, Instant::now()).is_some());
    }
}

/// A balancer after whose choice others often come first.
struct Late(Box<dyn Balancer>);

impl Balancer for Late {
    fn pick(&self, endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<usize> {
        self.0.pick(endpoints, ask)
    }

    fn most(&self, endpoints: &[Arc<Endpoint>], index: usize, ask: &Ask<'_>) -> u32 {
        let most = self.0.most(endpoints, index, ask);
        if fastrand::u8(..4) == 0 {
            std::thread::yield_now();
        }
        most
    }
}

/// A pool with such a balancer, and four endpoints.
fn late(rule: &Rule) -> Arc<Pool> {
    let pool = pool("ring_hash", 3);
    let endpoints = pool.members().endpoints.clone();
    let balancer = |endpoints: &[Arc<Endpoint>]| -> Box<dyn Balancer> {
        Box::new(Late(build(rule, endpoints)))
    };
    pool.replace_members(Members::new(endpoints, balancer));
    pool
}

#[test]
fn threads_that_choose_at_once_exceed_no_bound() {
    for kind in kinds(MaxLoad::new(1.25)) {
        let pool = late(&kind);
        let leases: Vec<Vec<Lease>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8_u64)
                .map(|seed| {
                    let pool = &pool;
                    scope.spawn(move || (0..2_000).map(|n| concurrently(pool, seed, n)).collect())
                })
                .collect();
            let leases = threads.into_iter().map(|thread| thread.join());
            leases
                .map(|leases| leases.expect("no bound is exceeded"))
                .collect()
        });
        assert_eq!(pool.state.in_flight(), 16_000, "{kind:?}");
        drop(leases);
        assert_eq!(pool.state.in_flight(), 0);
    }
}

/// Takes a lease while others do, and none is given back; every other one for the same key.
fn concurrently(pool: &Pool, seed: u64, n: u64) -> Lease {
    let key = if n.is_multiple_of(2) {
        12345
    } else {
        seed << 32 | n
    };
    let new = lease(pool, Some(key));
    let load = new.endpoint().state.in_flight();
    // The total is that of a moment later, when it can only have grown.
    let total = pool.state.in_flight();
    let most = bound(total, new.endpoint().weight, 5);
    assert!(load <= most + 1, "{load} of {total}");
    new
}

#[test]
fn no_bound_is_exceeded_by_more_than_one_while_requests_end_as_others_begin() {
    const THREADS: u32 = 8;
    const HELD: u32 = 50;
    for kind in kinds(MaxLoad::new(1.25)) {
        let pool = late(&kind);
        let all_hold =
            |_| -> VecDeque<Lease> { (0..HELD).map(|_| lease(&pool, Some(12345))).collect() };
        let held: Vec<_> = (0..THREADS).map(all_hold).collect();
        // One begins when another has ended: so never more are running than now.
        let goes_on = |seed: u64, mut leases: VecDeque<Lease>| {
            let mut highest = 0.0_f64;
            for n in 0..10_000 {
                leases.pop_front();
                let key = if n % 8 == 0 { seed << 32 | n } else { 12345 };
                let new = lease(&pool, Some(key));
                let (load, weight) = (new.endpoint().state.in_flight(), new.endpoint().weight);
                let most = bound(THREADS * HELD, weight, 5);
                assert!(load <= most + 1, "{kind:?}: {load}, not {most}");
                highest = highest.max(f64::from(load) / f64::from(most));
                leases.push_back(new);
            }
            (highest, leases)
        };
        std::thread::scope(|scope| {
            let goes_on = &goes_on;
            let held = (0..).zip(held);
            let threads: Vec<_> = held
                .map(|(seed, leases)| scope.spawn(move || goes_on(seed, leases)))
                .collect();
            let ends = threads.into_iter().map(|thread| thread.join());
            let ends: Vec<_> = ends.map(|end| end.expect("within the bound")).collect();
            // It is the bound that has held them back.
            let reached = ends.iter().filter(|(highest, _)| *highest >= 0.95);
            assert!(reached.count() > 0, "{kind:?}");
        });
        assert_eq!(pool.state.in_flight(), 0, "{kind:?}");
    }
}
