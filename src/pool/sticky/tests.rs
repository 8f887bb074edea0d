//! Does a client come back to its endpoint, and nobody else's, as endpoints come and go?

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::pool::staged::Stage;
use crate::pool::{Lease, Pool, Tried};

const SECRET: &str = "a secret of more than thirty-two characters";
const BY_HEADER: &str = "sticky: { header: X-Session }";

/// A cookie of an hour that is signed with this secret, with more settings.
fn own(secret: &str, more: &str) -> String {
    format!("sticky: {{ cookie: {{ lifetime: 1h, secret: '{secret}', {more} }} }}")
}

/// What clients are known by, and endpoints at these ports, with these weights and priorities.
fn members(sticky: &str, spots: &[(u16, u16, u8)]) -> (Arc<Sticky>, Arc<Members>) {
    known(&Stage::of(&written(spots), sticky).pool)
}

fn known(pool: &Pool) -> (Arc<Sticky>, Arc<Members>) {
    let sticky = pool.sticky.clone().expect("a sticky pool");
    (sticky, pool.members())
}

fn written(spots: &[(u16, u16, u8)]) -> Vec<String> {
    let spots = spots.iter().map(|(port, weight, priority)| {
        format!("{{ address: '127.0.0.1:{port}', weight: {weight}, priority: {priority} }}")
    });
    spots.collect()
}

fn even(ports: std::ops::RangeInclusive<u16>) -> Vec<(u16, u16, u8)> {
    ports.map(|port| (port, 1, 0)).collect()
}

/// The port that a wish leads to.
fn led(sticky: &Sticky, members: &Members, wish: Wish, tried: &Tried) -> Result<u16, bool> {
    let ask = Ask {
        now: Instant::now(),
        tried,
        key: None,
        fail_open: false,
    };
    match sticky.find(wish, members, &ask) {
        Found::Endpoint(endpoint) => Ok(port(endpoint)),
        Found::Full => Err(true),
        Found::Nowhere => Err(false),
    }
}

fn port(endpoint: &Endpoint) -> u16 {
    let port = endpoint.name.rsplit(':').next().expect("a port");
    port.parse().expect("a number")
}

fn at(members: &Members, wanted: u16) -> &Arc<Endpoint> {
    let found = members.endpoints.iter().find(|one| port(one) == wanted);
    found.expect("an endpoint at this port")
}

fn field(name: HeaderName, value: &str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert(name, HeaderValue::from_str(value).expect("a value"));
    fields
}

/// The request that a client sends which got this cookie.
fn with_cookie(set: &HeaderValue) -> HeaderMap {
    let set = set.to_str().expect("ASCII");
    field(COOKIE, set.split(';').next().expect("a pair"))
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

#[test]
fn the_cookie_of_an_endpoint_leads_back_to_it_and_is_not_set_again() {
    let (sticky, members) = members(&own(SECRET, ""), &even(1..=20));
    let own = sticky.own().expect("a cookie");
    let none = Tried::default();
    for endpoint in &members.endpoints {
        let set = own.renewed(endpoint, None, true, now()).expect("a cookie");
        assert!(!set.to_str().expect("ASCII").contains("127.0.0.1"));
        let wish = sticky.wish(&with_cookie(&set), now()).expect("it is read");
        assert_eq!(led(&sticky, &members, wish, &none), Ok(port(endpoint)));
        assert_eq!(own.renewed(endpoint, Some(wish), true, now()), None);
        // From another endpoint the answer names that one.
        let other = at(&members, port(endpoint) % 20 + 1);
        assert!(own.renewed(other, Some(wish), true, now()).is_some());
    }
}

#[test]
fn a_cookie_is_renewed_when_half_of_its_life_is_over_or_its_clock_was_ahead() {
    let (sticky, members) = members(&own(SECRET, ""), &even(1..=2));
    let own = sticky.own().expect("a cookie");
    let endpoint = &members.endpoints[0];
    let set = own.renewed(endpoint, None, true, now()).expect("a cookie");
    for (later, renews) in [(0, false), (1800, false), (1801, true), (3900, true)] {
        for when in [
            now() + Duration::from_secs(later),
            now() - Duration::from_secs(later),
        ] {
            let wish = sticky.wish(&with_cookie(&set), when).expect("it is read");
            let renewed = own.renewed(endpoint, Some(wish), true, when);
            assert_eq!(renewed.is_some(), renews, "{later}");
            // However old, it still says where the client was.
            assert_eq!(led(&sticky, &members, wish, &Tried::default()), Ok(1));
        }
    }
    // After its life, and what clocks may differ by, it is not one any more.
    let late = now() + Duration::from_secs(3901);
    assert!(sticky.wish(&with_cookie(&set), late).is_none());
}

#[test]
fn after_another_secret_the_former_cookie_leads_to_the_same_endpoint_and_is_renewed() {
    const NEW: &str = "another secret of more than 32 characters.";
    let (before, old) = members(&own(SECRET, ""), &even(1..=9));
    let set = before
        .own()
        .expect("a cookie")
        .renewed(at(&old, 7), None, true, now());
    let (sticky, members) = members(
        &own(NEW, &format!("previous_secret: '{SECRET}'")),
        &even(1..=9),
    );
    let fields = with_cookie(&set.expect("a cookie"));
    let wish = sticky.wish(&fields, now()).expect("it is read");
    assert_eq!(led(&sticky, &members, wish, &Tried::default()), Ok(7));
    let own = sticky.own().expect("a cookie");
    assert!(
        own.renewed(at(&members, 7), Some(wish), true, now())
            .is_some()
    );
    let (forgotten, _) = self::members(&self::own(NEW, ""), &even(1..=9));
    assert_eq!(forgotten.wish(&fields, now()), None);
}

#[test]
fn of_several_cookies_the_first_good_one_counts_and_only_some_are_looked_at() {
    let (sticky, members) = members(&own(SECRET, ""), &even(1..=9));
    let set = sticky
        .own()
        .expect("a cookie")
        .renewed(at(&members, 3), None, true, now());
    let set = set.expect("a cookie");
    let good = set
        .to_str()
        .expect("ASCII")
        .split(';')
        .next()
        .expect("a pair");
    let forged = format!("portcullis=1{}", "A".repeat(43));
    let wish = |cookies: String| sticky.wish(&field(COOKIE, &cookies), now());
    assert!(wish(format!("portcullis=; {forged}; a=b; {good}")).is_some());
    assert!(
        wish(format!(
            "portcullis=; {}{good}",
            format!("{forged}; ").repeat(3)
        ))
        .is_none()
    );
    assert_eq!(wish(forged), None);
    assert_eq!(wish(format!("portcullis={}", "x".repeat(60_000))), None);
}

#[test]
fn a_client_goes_elsewhere_while_its_endpoint_can_t_be_used_and_full_is_told_apart() {
    const FOLLOWS: &str = "follow_drained: true";
    let limited = |sticky: &str| format!("{sticky}, limits: {{ endpoint_requests: 1 }}");
    let mut stage = Stage::of(&written(&even(1..=3)), &limited(&own(SECRET, "")));
    let (sticky, members) = known(&stage.pool);
    let endpoint = at(&members, 2);
    let mark = endpoint.mark.expect("a mark").value;
    let wish = Wish::Endpoint { mark, renew: false };
    let none = Tried::default();
    assert_eq!(led(&sticky, &members, wish, &none), Ok(2));
    let lease = Lease::take(endpoint, u32::MAX, Instant::now()).expect("a lease");
    assert_eq!(led(&sticky, &members, wish, &none), Err(true));
    drop(lease);
    assert_eq!(led(&sticky, &members, wish, &none), Ok(2));
    let mut tried = Tried::default();
    tried.insert(endpoint);
    assert_eq!(led(&sticky, &members, wish, &tried), Err(false));
    endpoint.state.set_drained(true);
    assert_eq!(led(&sticky, &members, wish, &none), Err(false));
    // Those that may follow do; but not to a place without room.
    stage.reload_to(&written(&even(1..=3)), &limited(&own(SECRET, FOLLOWS)));
    let (sticky, members) = known(&stage.pool);
    assert_eq!(led(&sticky, &members, wish, &none), Ok(2));
    let lease = Lease::take(at(&members, 2), u32::MAX, Instant::now()).expect("a lease");
    assert_eq!(led(&sticky, &members, wish, &none), Err(true));
    drop(lease);
    let gone = Wish::Endpoint {
        mark: mark ^ 1,
        renew: false,
    };
    assert_eq!(led(&sticky, &members, gone, &none), Err(false));
    stage.reload_to(&written(&[(1, 1, 0), (2, 0, 0)]), &own(SECRET, FOLLOWS));
    let (sticky, members) = known(&stage.pool);
    assert_eq!(led(&sticky, &members, wish, &none), Err(false), "weight 0");
}

fn values() -> impl Iterator<Item = Wish> {
    (0..20_000).filter_map(|number| hash(format!("session-{number}").as_bytes()))
}

/// Where each value goes.
fn spread(sticky: &Sticky, members: &Members) -> Vec<u16> {
    let none = Tried::default();
    values()
        .map(|wish| led(sticky, members, wish, &none).expect("an endpoint"))
        .collect()
}

fn counted(ports: &[u16]) -> HashMap<u16, usize> {
    let mut counts = HashMap::new();
    for port in ports {
        *counts.entry(*port).or_default() += 1;
    }
    counts
}

#[test]
fn values_are_spread_by_weight_and_never_to_weight_0_nor_to_a_later_priority() {
    let spots = [
        (1, 1, 0),
        (2, 1, 0),
        (3, 2, 0),
        (4, 6, 0),
        (5, 0, 0),
        (6, 9, 1),
    ];
    let (sticky, members) = members(BY_HEADER, &spots);
    let counts = counted(&spread(&sticky, &members));
    assert_eq!(counts.len(), 4, "{counts:?}");
    for (port, weight, _) in &spots[..4] {
        let (found, expected) = (counts[port] as f64, f64::from(*weight) * 2_000.0);
        // Five standard deviations.
        let margin = 5.0 * expected.sqrt();
        assert!(
            (found - expected).abs() < margin,
            "{port}: {found} of {expected}"
        );
    }
    for port in 1..=4 {
        at(&members, port).state.set_drained(true);
    }
    assert_eq!(
        counted(&spread(&sticky, &members)),
        HashMap::from([(6, 20_000)])
    );
}

#[test]
fn only_the_values_of_an_endpoint_that_is_gone_move_and_they_spread_over_the_others() {
    for weights in [[1; 10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] {
        let spots: Vec<(u16, u16, u8)> = (1..=10)
            .zip(weights)
            .map(|(port, weight)| (port, weight, 0))
            .collect();
        let (sticky, all) = members(BY_HEADER, &spots);
        let before = spread(&sticky, &all);
        // Out of the configuration, and drained.
        let (_, fewer) = members(BY_HEADER, &[&spots[..4], &spots[5..]].concat());
        let gone = spread(&sticky, &fewer);
        at(&all, 5).state.set_drained(true);
        assert_eq!(spread(&sticky, &all), gone);
        let moved: Vec<u16> = before
            .iter()
            .zip(&gone)
            .filter(|(before, after)| before != after)
            .inspect(|(before, _)| assert_eq!(**before, 5))
            .map(|(_, after)| *after)
            .collect();
        let share = f64::from(weights[4]) / f64::from(weights.iter().sum::<u16>());
        let expected = 20_000.0 * share;
        assert!(
            (moved.len() as f64 - expected).abs() < 0.1 * expected,
            "{}",
            moved.len()
        );
        assert_eq!(counted(&moved).len(), 9);
        // And they come back.
        at(&all, 5).state.set_drained(false);
        assert_eq!(spread(&sticky, &all), before);
    }
}

#[test]
fn the_order_of_the_configuration_does_not_matter_for_a_value() {
    let (sticky, members) = self::members(BY_HEADER, &even(1..=9));
    let mut turned = even(1..=9);
    turned.reverse();
    let (_, other) = self::members(BY_HEADER, &turned);
    assert_eq!(spread(&sticky, &members), spread(&sticky, &other));
}

#[test]
fn an_application_s_value_is_read_from_its_cookie_or_field_and_an_empty_one_says_nothing() {
    let app = Sticky::AppCookie("JSESSIONID".to_owned());
    let header = Sticky::Header(HeaderName::from_static("x-session"));
    let expected = Some(Wish::Hash(xxh3_64(b"abc")));
    let x_session = HeaderName::from_static("x-session");
    assert_eq!(
        app.wish(&field(COOKIE, "a=1; JSESSIONID=abc; b=2"), now()),
        expected
    );
    assert_eq!(
        header.wish(&field(x_session.clone(), "abc"), now()),
        expected
    );
    assert_eq!(
        app.wish(&field(COOKIE, "jsessionid=abc; JSESSIONID="), now()),
        None
    );
    assert_eq!(header.wish(&field(x_session, ""), now()), None);
    assert_eq!(header.wish(&HeaderMap::new(), now()), None);
}
