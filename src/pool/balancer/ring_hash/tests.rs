//! Is the ring the one that others have?

use std::net::SocketAddr;

use pingora_ketama::{Bucket, Continuum};
use proptest::prelude::*;

use super::*;
use crate::pool::Tried;
use crate::pool::balancer::consistent::tests::{ask, keys};
use crate::pool::balancer::tests::endpoints_at;
use crate::pool::key::Digest;

fn home(ring: &RingHash, endpoints: &[Arc<Endpoint>], key: u64) -> Arc<str> {
    let index = ring.pick(endpoints, &ask(Some(key), &Tried::default()));
    Arc::clone(&endpoints[index.expect("all are available")].name)
}

/// The endpoint of each of `key-0`, `key-1` … by number, as nginx 1.22.1 chose it: `hash $arg_k consistent`, and these
/// endpoints as they are written below.
const NGINX: &str = "432142322212312321341223334213112322122222334233433212322221";

#[test]
fn each_key_has_the_endpoint_that_nginx_gives_it() {
    let names = [
        "127.0.0.1:1",
        "127.0.0.1:2",
        "[::1]:3",
        "unix:/run/app.sock",
    ];
    let weights = [1, 2, 1, 1];
    let spots: Vec<(&str, u16)> = names.into_iter().zip(weights).collect();
    let endpoints = endpoints_at(&spots);
    let ring = RingHash::new(160, None, &endpoints);
    for (key, number) in (0..).zip(NGINX.chars()) {
        let hash = Digest::Crc32.of(format!("key-{key}").as_bytes());
        let wanted = names[number.to_digit(10).expect("a digit") as usize - 1];
        assert_eq!(&*home(&ring, &endpoints, hash), wanted, "key-{key}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn each_key_has_the_endpoint_that_ketama_gives_it(
        spots in proptest::collection::btree_map((any::<[u8; 4]>(), any::<u16>()), 1_u16..4, 1..12),
        keys in proptest::collection::vec("[a-z0-9.:]{1,40}", 50),
    ) {
        let spots: Vec<(SocketAddr, u16)> =
            spots.into_iter().map(|(at, weight)| (at.into(), weight)).collect();
        let buckets: Vec<Bucket> =
            spots.iter().map(|(at, weight)| Bucket::new(*at, u32::from(*weight))).collect();
        let ketama = Continuum::new(&buckets);
        let written: Vec<(String, u16)> =
            spots.iter().map(|(at, weight)| (at.to_string(), *weight)).collect();
        let endpoints = endpoints_at(&written);
        let ring = RingHash::new(160, None, &endpoints);
        for key in &keys {
            let wanted = ketama.node(key.as_bytes()).expect("an endpoint").to_string();
            let hash = Digest::Crc32.of(key.as_bytes());
            prop_assert_eq!(&*home(&ring, &endpoints, hash), wanted.as_str());
        }
    }
}

#[test]
fn shares_are_those_of_the_weights_within_a_quarter() {
    let spots: Vec<(String, u16)> = (1..=10)
        .map(|n| (format!("10.0.0.{n}:80"), if n > 8 { 3 } else { 1 }))
        .collect();
    let endpoints = endpoints_at(&spots);
    let ring = RingHash::new(160, None, &endpoints);
    let mut picks = [0_u32; 10];
    let keys = keys(Digest::Crc32, 50_000);
    for key in &keys {
        let tried = Tried::default();
        let index = ring.pick(&endpoints, &ask(Some(*key), &tried));
        picks[index.expect("all are available")] += 1;
    }
    for (count, (name, weight)) in picks.iter().zip(&spots) {
        let fair = keys.len() as f64 * f64::from(*weight) / 14.0;
        let share = f64::from(*count) / fair;
        assert!(
            (0.75..1.25).contains(&share),
            "{name} has {share} of its share"
        );
    }
}

#[test]
fn a_ring_of_many_heavy_endpoints_is_bounded_and_keeps_the_shares() {
    let spots: Vec<(String, u16)> = (0..200)
        .map(|n| (format!("10.0.0.{n}:80"), if n < 100 { 1000 } else { 500 }))
        .collect();
    let endpoints = endpoints_at(&spots);
    let ring = ring(160, 50_000, &endpoints);
    assert!((25_000..=50_000).contains(&ring.len()), "{}", ring.len());
    let heavy = ring.iter().filter(|point| point.index < 100).count();
    let share = heavy as f64 / ring.len() as f64;
    assert!((0.65..0.69).contains(&share), "{share}");
    assert!(
        super::ring(1, 10, &endpoints).len() >= 199,
        "at least one point each"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_point_of_a_hash_is_the_first_that_is_not_below(
        points in 1_u32..40,
        count in 1_u16..20,
        hashes in proptest::collection::vec(any::<u32>(), 50),
    ) {
        let spots: Vec<(String, u16)> = (0..count).map(|n| (format!("10.0.0.{n}:80"), 1)).collect();
        let ring = RingHash::new(points, None, &endpoints_at(&spots));
        let edges = ring.ring.iter().flat_map(|point| {
            [point.hash.wrapping_sub(1), point.hash, point.hash.wrapping_add(1)]
        });
        for hash in hashes.into_iter().chain(edges).chain([0, u32::MAX]) {
            let wanted = ring.ring.partition_point(|point| point.hash < hash);
            prop_assert_eq!(ring.first_from(hash), wanted);
        }
    }
}

#[test]
fn one_address_given_twice_is_at_one_place() {
    let twice = endpoints_at(&[("10.0.0.1:80", 1), ("10.0.0.2:80", 1), ("10.0.0.1:80", 1)]);
    let once = endpoints_at(&[("10.0.0.1:80", 1), ("10.0.0.2:80", 1)]);
    let rings = [&twice, &once].map(|endpoints| RingHash::new(160, None, endpoints));
    for key in keys(Digest::Crc32, 100) {
        assert_eq!(home(&rings[0], &twice, key), home(&rings[1], &once, key));
    }
}
