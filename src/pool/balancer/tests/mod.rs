//! What must hold for every balancer? Each row of [`kinds`] goes through the same contract.

mod chance;
mod simulation;
mod slow_start;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Balancer, MaxLoad, Rule, build};
use crate::config::pool::BalancerKind;
use crate::pool::address::parse;
use crate::pool::discovery::{Resolved, Rules, Source, Spot};
use crate::pool::{Ask, Ending, Endpoint, Keepalive, Lease, Protocol, Timeouts, Tried};
use crate::state::State;
use crate::telemetry::Metrics;

/// Every balancer there is: each kind that a configuration may name, so that none is left out.
fn kinds() -> Vec<Rule> {
    let schema = schemars::schema_for!(BalancerKind).to_value();
    let words = schema["oneOf"].as_array().expect("a list of kinds");
    let kinds = words.iter().map(|word| word["const"].clone());
    kinds
        .flat_map(|kind| rules(serde_json::from_value(kind).expect("a kind")))
        .collect()
}

/// The rules there are of one kind.
fn rules(kind: BalancerKind) -> Vec<Rule> {
    let bounds = [None, MaxLoad::new(1.25)];
    match kind {
        BalancerKind::RoundRobin => vec![Rule::RoundRobin],
        BalancerKind::Random => vec![Rule::Random],
        BalancerKind::LeastRequests => [false, true]
            .map(|all| Rule::LeastRequests { all })
            .to_vec(),
        BalancerKind::PeakEwma => vec![PEAK_EWMA],
        BalancerKind::RingHash => bounds
            .map(|max_load| Rule::RingHash {
                points: 160,
                max_load,
            })
            .to_vec(),
        BalancerKind::Maglev => bounds
            .map(|max_load| Rule::Maglev {
                table_size: 65_537,
                max_load,
            })
            .to_vec(),
    }
}

#[test]
fn every_kind_goes_through_the_contract() {
    assert_eq!(kinds().len(), 9, "{:?}", kinds());
}

const PEAK_EWMA: Rule = Rule::PeakEwma {
    decay: Duration::from_secs(10),
};

/// Endpoints with these weights, that are chosen by this rule.
pub(super) fn endpoints(rule: &Rule, weights: &[u16]) -> Arc<[Arc<Endpoint>]> {
    starting_slowly(rule, weights, None)
}

/// The same, with a slow start.
fn starting_slowly(
    rule: &Rule,
    weights: &[u16],
    slow_start: Option<Duration>,
) -> Arc<[Arc<Endpoint>]> {
    let spots = weights.iter().zip(1..);
    let spots: Vec<_> = spots
        .map(|(weight, port)| (format!("127.0.0.1:{port}"), *weight))
        .collect();
    made(rule, &spots, slow_start)
}

/// Endpoints with these addresses and weights.
pub(super) fn endpoints_at(spots: &[(impl AsRef<str>, u16)]) -> Arc<[Arc<Endpoint>]> {
    made(&Rule::RoundRobin, spots, None)
}

fn made(
    rule: &Rule,
    spots: &[(impl AsRef<str>, u16)],
    slow_start: Option<Duration>,
) -> Arc<[Arc<Endpoint>]> {
    let state = State::new(Arc::new(
        Metrics::new().expect("every metric is registered once"),
    ));
    let second = Duration::from_secs(1);
    let source = Source {
        pool: Arc::from("p"),
        balancer: *rule,
        protocol: Protocol::Http1,
        tls: None,
        tls_name: None,
        timeouts: Timeouts {
            connect: second,
            first_byte: second,
            read: second,
            write: second,
            total: None,
        },
        memory: Arc::default(),
        rules: Arc::new(Rules {
            slow_start,
            ..Rules::default()
        }),
        keepalive: Keepalive {
            idle: None,
            connections: 0,
        },
        endpoints: spots
            .iter()
            .map(|(address, weight)| Spot {
                address: parse(address.as_ref()).expect("an address"),
                weight: *weight,
                priority: 0,
                max_requests: None,
            })
            .collect(),
    };
    let members = source.members(&Resolved::new(), &state);
    members.endpoints.iter().cloned().collect()
}

pub(super) fn ask(tried: &Tried) -> Ask<'_> {
    ask_at(tried, Instant::now())
}

fn ask_at(tried: &Tried, now: Instant) -> Ask<'_> {
    Ask {
        now,
        tried,
        key: None,
        fail_open: false,
    }
}

#[test]
fn no_balancer_picks_an_endpoint_that_is_not_available() {
    for kind in kinds() {
        let endpoints = endpoints(&kind, &[1, 5, 1, 3]);
        let balancer = build(&kind, &endpoints);
        endpoints[1].state.set_drained(true);
        for _ in 0..100 {
            let picked = balancer.pick(&endpoints, &ask(&Tried::default()));
            assert!(
                picked.is_some_and(|index| index != 1),
                "{kind:?}: {picked:?}"
            );
        }
    }
}

#[test]
fn no_balancer_picks_an_endpoint_twice_for_one_request_and_none_gives_up_early() {
    for kind in kinds() {
        let endpoints = endpoints(&kind, &[1, 100, 1, 7, 1]);
        let balancer = build(&kind, &endpoints);
        let mut tried = Tried::default();
        for _ in 0..endpoints.len() {
            let index = balancer
                .pick(&endpoints, &ask(&tried))
                .expect("some are left");
            assert!(!tried.contains(&endpoints[index]), "{kind:?}");
            tried.insert(&endpoints[index]);
        }
        assert_eq!(balancer.pick(&endpoints, &ask(&tried)), None, "{kind:?}");
    }
}

#[test]
fn the_only_available_one_of_a_thousand_endpoints_is_found() {
    for kind in kinds() {
        let endpoints = endpoints(&kind, &[1; 1000]);
        let balancer = build(&kind, &endpoints);
        for endpoint in endpoints
            .iter()
            .filter(|endpoint| !Arc::ptr_eq(endpoint, &endpoints[777]))
        {
            endpoint.state.set_drained(true);
        }
        assert_eq!(
            balancer.pick(&endpoints, &ask(&Tried::default())),
            Some(777),
            "{kind:?}"
        );
    }
}

#[test]
fn weights_are_kept_within_a_twentieth_and_weight_zero_gets_nothing() {
    for kind in kinds() {
        let weights = [5, 1, 0, 4];
        let endpoints = endpoints(&kind, &weights);
        let balancer = build(&kind, &endpoints);
        let mut picks: HashMap<usize, u32> = HashMap::new();
        for _ in 0..10_000 {
            let index = balancer
                .pick(&endpoints, &ask(&Tried::default()))
                .expect("all are available");
            *picks.entry(index).or_default() += 1;
        }
        for (index, weight) in weights.iter().enumerate() {
            let share = f64::from(picks.get(&index).copied().unwrap_or_default()) / 10_000.0;
            assert!(
                (share - f64::from(*weight) / 10.0).abs() < 0.05,
                "{kind:?}: endpoint {index} has {share}"
            );
        }
    }
}

#[test]
fn weights_are_kept_while_requests_run() {
    for kind in kinds() {
        let weights = [5, 1, 4];
        let endpoints = endpoints(&kind, &weights);
        let balancer = build(&kind, &endpoints);
        let mut picks = [0; 3];
        let mut running = VecDeque::new();
        let mut now = Instant::now();
        for _ in 0..10_000 {
            now += Duration::from_millis(1);
            let index = balancer
                .pick(&endpoints, &ask_at(&Tried::default(), now))
                .expect("all are available");
            picks[index] += 1;
            running.extend(Lease::take(&endpoints[index], u32::MAX, now));
            if running.len() > 20 {
                let mut lease = running.pop_front().expect("some run");
                lease.settle(Ending::Answered(200), now);
            }
        }
        for (picks, weight) in picks.into_iter().zip(weights) {
            let share = f64::from(picks) / 10_000.0;
            assert!(
                (share - f64::from(weight) / 10.0).abs() < 0.05,
                "{kind:?}: weight {weight} has {share}"
            );
        }
    }
}

#[test]
fn a_lease_is_counted_while_it_lives_and_given_back_by_drop() {
    let endpoints = endpoints(&Rule::RoundRobin, &[1]);
    let lease =
        Lease::take(&endpoints[0], u32::MAX, Instant::now()).expect("nothing keeps it back");
    assert_eq!(endpoints[0].state.in_flight(), 1);
    drop(lease);
    assert_eq!(endpoints[0].state.in_flight(), 0);
}
