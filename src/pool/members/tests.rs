//! Do backups wait until they are needed, and does an endpoint that comes later start slowly?

use std::time::Instant;

use super::*;
use crate::pool::staged::Stage;
use crate::pool::{Lease, Tried};

const SLOWLY: &str = "slow_start: 1s";

/// Endpoints of these priorities, on ports from 1.
fn written(priorities: &[u8]) -> Vec<String> {
    let ports = priorities.iter().zip(1..);
    ports
        .map(|(priority, port)| {
            format!("{{ address: '127.0.0.1:{port}', priority: {priority}, max_requests: 2 }}")
        })
        .collect()
}

fn members(priorities: &[u8]) -> Arc<Members> {
    Stage::of(&written(priorities), SLOWLY).pool.members()
}

/// Which endpoints get some of a hundred requests.
fn asked(members: &Members) -> Vec<usize> {
    let tried = Tried::default();
    let ask = Ask {
        now: Instant::now(),
        tried: &tried,
        key: None,
        fail_open: false,
    };
    let mut asked: Vec<usize> = (0..100)
        .filter_map(|_| {
            let picked = members.pick(&ask)?.0;
            members
                .endpoints
                .iter()
                .position(|one| Arc::ptr_eq(one, picked))
        })
        .collect();
    asked.sort_unstable();
    asked.dedup();
    asked
}

#[test]
fn a_backup_is_asked_when_no_other_is_available_and_only_then() {
    let members = members(&[0, 255, 0]);
    let drained = |index: usize, drained| members.endpoints[index].state.set_drained(drained);
    assert_eq!(asked(&members), [0, 2]);
    drained(0, true);
    assert_eq!(asked(&members), [2], "one of the others is left");
    drained(2, true);
    assert_eq!(asked(&members), [1]);
    drained(0, false);
    assert_eq!(
        asked(&members),
        [0],
        "the others are asked as soon as one is back"
    );
    drained(0, true);
    drained(1, true);
    assert_eq!(asked(&members), [0usize; 0]);
}

#[test]
fn priorities_are_gone_through_from_the_lowest_number() {
    let members = members(&[7, 3, 7, 200]);
    let mut left = Vec::new();
    for (gone, wanted) in [(1, vec![1]), (0, vec![0, 2]), (2, vec![2]), (3, vec![3])] {
        assert_eq!(asked(&members), wanted);
        members.endpoints[gone].state.set_drained(true);
        left.push(gone);
    }
    assert!(asked(&members).is_empty(), "{left:?}");
}

#[test]
fn what_the_others_have_no_room_for_goes_to_the_backup() {
    let members = members(&[0, 255]);
    let take = || {
        Lease::take(&members.endpoints[0], u32::MAX, Instant::now()).expect("nothing keeps it back")
    };
    let first = take();
    assert_eq!(asked(&members), [0]);
    let second = take();
    assert_eq!(asked(&members), [1], "it may have two");
    drop(first);
    assert_eq!(asked(&members), [0]);
    drop(second);
}

#[test]
fn a_tier_that_has_been_tried_makes_room_for_the_next() {
    let members = members(&[0, 0, 1]);
    let mut tried = Tried::default();
    for _ in 0..2 {
        let ask = Ask {
            now: Instant::now(),
            tried: &tried,
            key: None,
            fail_open: false,
        };
        let picked = Arc::clone(members.pick(&ask).expect("some are left").0);
        assert_eq!(picked.priority, 0);
        tried.insert(&picked);
    }
    let ask = Ask {
        now: Instant::now(),
        tried: &tried,
        key: None,
        fail_open: false,
    };
    assert_eq!(members.pick(&ask).map(|(one, _)| one.priority), Some(1));
}

#[test]
fn only_an_endpoint_that_joins_a_pool_in_use_starts_slowly() {
    let mut stage = Stage::of(&written(&[0, 0]), SLOWLY);
    let rises = |members: &Members| -> Vec<bool> {
        let now = Instant::now();
        members
            .endpoints
            .iter()
            .map(|one| one.state.risen_for(now).is_some())
            .collect()
    };
    let first = stage.pool.members();
    assert_eq!(rises(&first), [false, false], "the first of a new pool");

    // As when a name is resolved a moment after the start.
    stage.reload_to(&written(&[0; 3]), SLOWLY);
    let resolved = stage.pool.members();
    assert_eq!(
        rises(&resolved),
        [false; 3],
        "nobody has asked the pool for anything"
    );

    drop(Lease::take(
        &resolved.endpoints[0],
        u32::MAX,
        Instant::now(),
    ));
    let mut four = written(&[0; 4]);
    four[0] = four[0].replace("priority: 0", "weight: 9");
    stage.reload_to(&four, SLOWLY);
    let reloaded = stage.pool.members();
    assert_eq!(reloaded.endpoints[0].weight, 9);
    assert_eq!(rises(&reloaded), [false, false, false, true]);
    let shares = reloaded
        .endpoints
        .iter()
        .map(|one| one.share(Instant::now()) < 1024);
    assert_eq!(shares.collect::<Vec<_>>(), [false, false, false, true]);
    drop((first, resolved, reloaded));

    // One that left, and of which nothing is held any more, joins anew.
    let mut three = four.clone();
    three.remove(1);
    stage.reload_to(&three, SLOWLY);
    stage.reload_to(&four, SLOWLY);
    assert_eq!(rises(&stage.pool.members()), [false, true, false, true]);
}
