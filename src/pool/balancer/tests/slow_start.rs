//! Does the share of an endpoint that has just come grow, and is it never left alone?

use super::*;
use crate::pool::endpoint::WHOLE;

const WINDOW: Duration = Duration::from_secs(100);

/// A consistent balancer lets the keys come over one after the other, which its own tests show.
fn knows_slow_start(rule: &Rule) -> bool {
    matches!(
        rule,
        Rule::RoundRobin | Rule::Random | Rule::LeastRequests { .. } | Rule::PeakEwma { .. }
    )
}

fn rules() -> impl Iterator<Item = Rule> {
    kinds().into_iter().filter(knows_slow_start)
}

/// How many of a thousand picks each endpoint gets, at this time.
fn picks(balancer: &dyn Balancer, endpoints: &[Arc<Endpoint>], now: Instant) -> Vec<u32> {
    let mut picks = vec![0; endpoints.len()];
    for _ in 0..1000 {
        let index = balancer.pick(endpoints, &ask_at(&Tried::default(), now));
        picks[index.expect("all are available")] += 1;
    }
    picks
}

#[test]
fn a_share_grows_evenly_from_a_tenth_and_then_is_whole() {
    let endpoints = starting_slowly(&Rule::RoundRobin, &[1, 1], Some(WINDOW));
    let (rising, old) = (&endpoints[0], &endpoints[1]);
    let now = Instant::now();
    rising.state.rises(now);
    let share = |part: f64| rising.share(now + WINDOW.mul_f64(part));
    assert_eq!(share(0.0), 102);
    assert_eq!(share(0.25), 332);
    assert_eq!(share(0.5), 563);
    assert!(
        (WHOLE - 2..WHOLE).contains(&share(0.999)),
        "{}",
        share(0.999)
    );
    assert_eq!([share(1.0), share(9.0), old.share(now)], [WHOLE; 3]);
    let at_once = endpoints_without();
    at_once.state.rises(now);
    assert_eq!(at_once.share(now), WHOLE);
}

fn endpoints_without() -> Arc<Endpoint> {
    Arc::clone(&endpoints(&Rule::RoundRobin, &[1])[0])
}

#[test]
fn every_balancer_lets_the_share_grow_and_spreads_the_rest_evenly() {
    for rule in rules() {
        let endpoints = starting_slowly(&rule, &[1, 1, 1], Some(WINDOW));
        let balancer = build(&rule, &endpoints);
        let now = Instant::now();
        endpoints[1].state.rises(now);
        let mut before = 0;
        for (part, wanted) in [(0.0, 47), (0.3, 156), (0.6, 242), (1.0, 333)] {
            let picks = picks(&*balancer, &endpoints, now + WINDOW.mul_f64(part));
            assert!(picks[1] > before, "{rule:?} at {part}: {picks:?}");
            assert!(
                picks[1].abs_diff(wanted) < 60,
                "{rule:?} at {part}: {picks:?}"
            );
            assert!(
                picks[0].abs_diff(picks[2]) < 120,
                "{rule:?} at {part}: {picks:?}"
            );
            before = picks[1];
        }
    }
}

#[test]
fn those_that_have_all_just_come_share_by_weight() {
    for rule in rules() {
        let endpoints = starting_slowly(&rule, &[3, 1], Some(WINDOW));
        let balancer = build(&rule, &endpoints);
        let now = Instant::now();
        endpoints.iter().for_each(|one| one.state.rises(now));
        let picks = picks(&*balancer, &endpoints, now);
        assert!(picks[0].abs_diff(750) < 60, "{rule:?}: {picks:?}");
    }
}

#[test]
fn one_that_has_just_come_serves_alone_when_the_others_are_gone() {
    for rule in rules() {
        let endpoints = starting_slowly(&rule, &[1; 50], Some(WINDOW));
        let balancer = build(&rule, &endpoints);
        let now = Instant::now();
        endpoints[7].state.rises(now);
        for other in endpoints
            .iter()
            .filter(|one| !Arc::ptr_eq(one, &endpoints[7]))
        {
            other.state.set_drained(true);
        }
        assert_eq!(picks(&*balancer, &endpoints, now)[7], 1000, "{rule:?}");
    }
}
