//! What must hold for every consistent balancer?

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Consistent;
use crate::config::load::load_str;
use crate::config::{Config, Diagnostics};
use crate::pool::balancer::tests::{endpoints, endpoints_at};
use crate::pool::balancer::{Balancer, MaxLoad, Rule, build};
use crate::pool::key::Digest;
use crate::pool::{Ask, Endpoint, Lease, Members, Pool, Tried, Wanted};
use crate::snapshot;
use crate::state::State;
use crate::telemetry::Metrics;

fn kinds(max_load: Option<MaxLoad>) -> [Rule; 2] {
    let (points, table_size) = (160, 65_537);
    let ring = Rule::RingHash { points, max_load };
    let maglev = Rule::Maglev {
        table_size,
        max_load,
    };
    [ring, maglev]
}

/// Keys as requests have them.
pub(in crate::pool::balancer) fn keys(digest: Digest, count: u32) -> Vec<u64> {
    (0..count)
        .map(|n| digest.of(format!("key-{n}").as_bytes()))
        .collect()
}

fn keys_for(rule: &Rule, count: u32) -> Vec<u64> {
    let ring = matches!(rule, Rule::RingHash { .. });
    keys(if ring { Digest::Crc32 } else { Digest::Xxh3 }, count)
}

pub(in crate::pool::balancer) fn ask(key: Option<u64>, tried: &Tried) -> Ask<'_> {
    Ask {
        now: Instant::now(),
        tried,
        key,
        fail_open: false,
    }
}

/// The name of the endpoint of each key.
fn homes(balancer: &dyn Balancer, endpoints: &[Arc<Endpoint>], keys: &[u64]) -> Vec<Arc<str>> {
    let tried = Tried::default();
    let pick = |key: &u64| balancer.pick(endpoints, &ask(Some(*key), &tried));
    keys.iter()
        .map(|key| Arc::clone(&endpoints[pick(key).expect("all are available")].name))
        .collect()
}

fn homes_among(rule: &Rule, endpoints: &[Arc<Endpoint>], keys: &[u64]) -> Vec<Arc<str>> {
    homes(&*build(rule, endpoints), endpoints, keys)
}

fn addresses(count: u16) -> Vec<(String, u16)> {
    (1..=count).map(|n| (format!("10.0.0.{n}:80"), 1)).collect()
}

#[test]
fn a_key_stays_where_it_is_however_the_endpoints_are_ordered() {
    for rule in kinds(None) {
        let keys = keys_for(&rule, 2_000);
        let mut spots = addresses(20);
        spots[7].1 = 3;
        let before = homes_among(&rule, &endpoints_at(&spots), &keys);
        spots.reverse();
        spots.swap(3, 11);
        assert_eq!(
            before,
            homes_among(&rule, &endpoints_at(&spots), &keys),
            "{rule:?}"
        );
    }
}

#[test]
fn a_removed_endpoint_gives_its_keys_away_and_gets_exactly_these_back() {
    for rule in kinds(None) {
        let keys = keys_for(&rule, 50_000);
        let all = addresses(20);
        let before = homes_among(&rule, &endpoints_at(&all), &keys);
        for removed in [0, 9, 19] {
            let mut fewer = all.clone();
            let (gone, _) = fewer.remove(removed);
            let after = homes_among(&rule, &endpoints_at(&fewer), &keys);
            let pairs = || before.iter().zip(&after);
            let had = before.iter().filter(|name| ***name == gone).count();
            let moved = pairs().filter(|(old, new)| old != new).count();
            assert!(pairs().all(|(_, new)| **new != *gone));
            if matches!(rule, Rule::RingHash { .. }) {
                assert_eq!(moved, had, "only the keys of the one that is gone move");
            } else {
                // Some of others move as well: with a table of 65,537 places for 20, less than a tenth as many.
                assert!(moved < had + had / 10, "{moved} moved, {gone} had {had}");
            }
            let share = had as f64 / keys.len() as f64;
            assert!(
                (0.037..0.063).contains(&share),
                "{rule:?}: {gone} had {share}"
            );
        }
        let again = homes_among(&rule, &endpoints_at(&all), &keys);
        assert_eq!(before, again, "{rule:?}");
    }
}

#[test]
fn on_average_an_endpoint_that_goes_moves_its_share_of_the_keys_and_few_more() {
    const COUNT: u16 = 20;
    // On a ring the mean is 1/N whatever its points, for nothing else moves; a single one has its share only to about
    // 1/√points. In a table some places of others change hands as well, the fewer the larger it is: the mean is within
    // a tenth for 20 with the 65,537 places that are the default, or more. It takes about 100·N² places, see the tests of
    // Maglev. A hundred for each, enough for even shares, are not enough for that: there half as many again move.
    let ring = Rule::RingHash {
        points: 160,
        max_load: None,
    };
    let table = |table_size| Rule::Maglev {
        table_size,
        max_load: None,
    };
    let rules = [
        (ring, 1.001),
        (table(65_537), 1.1),
        (table(655_373), 1.1),
        (table(2_003), 1.6),
    ];
    for (rule, most) in rules {
        let keys = keys_for(&rule, 20_000);
        let all = addresses(COUNT);
        let before = homes_among(&rule, &endpoints_at(&all), &keys);
        let mut moved = 0;
        for removed in 0..all.len() {
            let mut fewer = all.clone();
            fewer.remove(removed);
            let after = homes_among(&rule, &endpoints_at(&fewer), &keys);
            moved += before.iter().zip(&after).filter(|(a, b)| a != b).count();
        }
        let mean = moved as f64 / (keys.len() * all.len()) as f64;
        let times = mean * f64::from(COUNT);
        assert!(
            (0.9..most).contains(&times),
            "{rule:?}: {times} of 1/{COUNT}"
        );
    }
}

#[test]
fn the_keys_of_an_endpoint_that_is_not_available_go_to_others_and_all_others_stay() {
    for rule in kinds(None) {
        let keys = keys_for(&rule, 5_000);
        let endpoints = endpoints(&Rule::RoundRobin, &[1; 10]);
        let balancer = build(&rule, &endpoints);
        let before = homes(&*balancer, &endpoints, &keys);
        endpoints[3].state.set_drained(true);
        let meanwhile = homes(&*balancer, &endpoints, &keys);
        let mut refuges: HashMap<&str, usize> = HashMap::new();
        for (old, new) in before.iter().zip(&meanwhile) {
            if *old == endpoints[3].name {
                *refuges.entry(new).or_default() += 1;
            } else {
                assert_eq!(old, new, "{rule:?}");
            }
        }
        assert!(!refuges.contains_key(&*endpoints[3].name));
        assert!(refuges.len() >= 8, "not all to one neighbour: {refuges:?}");
        endpoints[3].state.set_drained(false);
        assert_eq!(before, homes(&*balancer, &endpoints, &keys), "{rule:?}");
    }
}

#[test]
fn a_second_attempt_goes_where_the_key_would_be_without_the_first_endpoint() {
    for rule in kinds(None) {
        let endpoints = endpoints(&Rule::RoundRobin, &[1; 10]);
        let balancer = build(&rule, &endpoints);
        for key in keys_for(&rule, 200) {
            let mut tried = Tried::default();
            let first = balancer.pick(&endpoints, &ask(Some(key), &tried));
            let first = first.expect("all are available");
            tried.insert(&endpoints[first]);
            let second = balancer.pick(&endpoints, &ask(Some(key), &tried));
            endpoints[first].state.set_drained(true);
            let instead = balancer.pick(&endpoints, &ask(Some(key), &Tried::default()));
            endpoints[first].state.set_drained(false);
            assert_eq!(second, instead, "{rule:?}");
        }
    }
}

#[test]
fn when_nearly_all_are_ill_a_key_still_has_one_endpoint_and_keeps_it() {
    for rule in kinds(None) {
        let keys = keys_for(&rule, 500);
        let endpoints = endpoints(&Rule::RoundRobin, &[1; 300]);
        let balancer = build(&rule, &endpoints);
        for endpoint in &endpoints[3..] {
            endpoint.state.set_drained(true);
        }
        let before = homes(&*balancer, &endpoints, &keys);
        assert_eq!(before, homes(&*balancer, &endpoints, &keys));
        endpoints[0].state.set_drained(true);
        let after = homes(&*balancer, &endpoints, &keys);
        let mut moved = 0;
        for (old, new) in before.iter().zip(&after) {
            if *old == endpoints[0].name {
                moved += 1;
            } else {
                assert_eq!(old, new, "{rule:?}");
            }
        }
        assert!((100..250).contains(&moved), "{moved} of 500");
    }
}

#[test]
fn a_request_without_a_key_goes_anywhere() {
    for rule in kinds(None) {
        let endpoints = endpoints(&Rule::RoundRobin, &[1; 4]);
        let balancer = build(&rule, &endpoints);
        let mut picks = [0; 4];
        for _ in 0..4_000 {
            let index = balancer.pick(&endpoints, &ask(None, &Tried::default()));
            picks[index.expect("all are available")] += 1;
        }
        assert!(
            picks.iter().all(|count| (700..1_300).contains(count)),
            "{picks:?}"
        );
    }
}

/// A pool with this balancer and so many endpoints of weight 1, and one of weight 2.
fn pool(balancer: &str, endpoints: u16) -> Arc<Pool> {
    let mut yaml = format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         pools: [{{name: p, balancer: {balancer}, endpoints: [{{address: '10.0.0.1:80', weight: 2}}"
    );
    for n in 0..endpoints {
        write!(yaml, ", '10.0.1.{n}:80'").expect("memory");
    }
    yaml += "]}]\n";
    let mut diagnostics = Diagnostics::default();
    let loaded = load_str("test.yaml", &yaml, &|_| None, &mut diagnostics).expect("YAML");
    let config = Config::read(&loaded.root, &mut diagnostics);
    let metrics = Metrics::new().expect("every metric is registered once");
    let state = State::new(Arc::new(metrics));
    let compiled = snapshot::compile(&config, &state, &Default::default(), SystemTime::now());
    let snapshot = compiled.snapshot.expect("a configuration without errors");
    Arc::clone(&snapshot.pools[0])
}

fn lease(pool: &Pool, key: Option<u64>) -> Lease {
    let tried = Tried::default();
    let wanted = Wanted {
        key,
        ..Wanted::new(&tried)
    };
    pool.try_lease(&wanted, Instant::now())
        .expect("none is refused because of the bound")
}

/// `⌈1.25 × in flight × weight ÷ total weight⌉`
fn bound(in_flight: u32, weight: u16, total: u32) -> u32 {
    (in_flight * 5 * u32::from(weight)).div_ceil(4 * total)
}

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

#[test]
fn an_endpoint_in_its_slow_start_gets_its_keys_one_after_the_other() {
    for rule in kinds(None) {
        let keys = keys_for(&rule, 4_000);
        let mut endpoints: Vec<Arc<Endpoint>> = endpoints(&Rule::RoundRobin, &[1; 4]).to_vec();
        for endpoint in &mut endpoints {
            let endpoint = Arc::get_mut(endpoint).expect("nobody else has it");
            endpoint.slow_start = Some(Duration::from_secs(100));
        }
        let balancer = build(&rule, &endpoints);
        let start = Instant::now();
        let tried = Tried::default();
        let at = |now: Instant| -> Vec<bool> {
            let mine = |key: &u64| {
                let ask = Ask {
                    now,
                    ..ask(Some(*key), &tried)
                };
                balancer.pick(&endpoints, &ask) == Some(0)
            };
            keys.iter().map(mine).collect()
        };
        let whole = at(start);
        let share = |mine: &[bool]| {
            let count = |mine: &[bool]| mine.iter().filter(|mine| **mine).count();
            count(mine) as f64 / count(&whole) as f64
        };
        endpoints[0].state.rises(start);
        let mut before = vec![false; keys.len()];
        for (seconds, wanted) in [(0, 0.1), (25, 0.32), (50, 0.55), (75, 0.77), (100, 1.0)] {
            let now = at(start + Duration::from_secs(seconds));
            assert!(
                (share(&now) - wanted).abs() < 0.08,
                "{rule:?}: {}",
                share(&now)
            );
            for (had, has) in before.iter().zip(&now) {
                assert!(!had || *has, "what has come over stays");
            }
            before = now;
        }
        assert_eq!(before, whole);
        // Where all have just started, each has all of its keys: there is nobody else.
        for endpoint in &endpoints {
            endpoint.state.rises(start);
        }
        assert!(share(&at(start)) > 0.8);
    }
}
