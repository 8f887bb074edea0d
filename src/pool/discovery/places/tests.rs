//! What do the priorities and weights of SRV records become?

use std::net::IpAddr;

use super::*;

fn service(weight: u16, priority: u8) -> Spot {
    Spot {
        address: WrittenAddress::Service {
            name: "_http._tcp.app.test".to_owned(),
        },
        weight,
        priority,
        max_requests: None,
    }
}

fn instances(records: &[(u16, u16)]) -> Vec<Instance> {
    let numbered = records.iter().zip(1..);
    let instance = |((priority, weight), number): (&(u16, u16), u8)| Instance {
        priority: *priority,
        host: format!("{number}.test"),
        port: 80,
        weight: *weight,
        addresses: vec![IpAddr::from([10, 0, 0, number])],
    };
    numbered.map(instance).collect()
}

/// Priority and weight of each endpoint that the records give.
fn given(written: &Spot, records: &[(u16, u16)]) -> Vec<(u8, u16)> {
    let instances = instances(records);
    let placed = placed(written, &instances);
    placed
        .map(|(_, spot)| (spot.priority, spot.weight))
        .collect()
}

#[test]
fn srv_priorities_become_consecutive_ones_from_the_written_on() {
    let records = [(10, 1), (10, 1), (500, 1), (65_535, 1)];
    assert_eq!(
        given(&service(1, 0), &records),
        [(0, 1), (0, 1), (1, 1), (2, 1)]
    );
    assert_eq!(
        given(&service(1, 7), &records),
        [(7, 1), (7, 1), (8, 1), (9, 1)]
    );
    assert_eq!(given(&service(1, 255), &records), [(255, 1); 4]);
}

#[test]
fn srv_weights_are_times_the_written_one_and_fit() {
    assert_eq!(
        given(&service(1, 0), &[(0, 10), (0, 20)]),
        [(0, 10), (0, 20)]
    );
    assert_eq!(
        given(&service(3, 0), &[(0, 10), (0, 20)]),
        [(0, 30), (0, 60)]
    );
    // Too large: scaled, each priority for itself.
    let large = [(0, 30_000), (0, 60_000), (1, 5)];
    assert_eq!(
        given(&service(1, 0), &large),
        [(0, 500), (0, 1_000), (1, 5)]
    );
    assert_eq!(
        given(&service(1_000, 0), &[(0, 1), (0, 65_535)]),
        [(0, 1), (0, 1_000)]
    );
}

#[test]
fn an_srv_weight_of_nothing_is_the_smallest_there_is() {
    assert_eq!(given(&service(1, 0), &[(0, 0), (0, 5)]), [(0, 1), (0, 5)]);
    assert_eq!(given(&service(4, 0), &[(0, 0), (0, 0)]), [(0, 4), (0, 4)]);
    // What is written goes before it.
    assert_eq!(given(&service(0, 0), &[(0, 0), (0, 5)]), [(0, 0), (0, 0)]);
}

proptest::proptest! {
    #[test]
    fn weights_stay_in_their_bounds_and_in_their_order(
        written in 0..=1_000_u16,
        records in proptest::collection::vec((0..3_u16, proptest::prelude::any::<u16>()), 1..20),
    ) {
        let given = given(&service(written, 0), &records);
        for (one, (record, weight)) in given.iter().zip(&records) {
            assert_eq!(one.1 == 0, written == 0);
            assert!(one.1 <= MOST_WEIGHT);
            for (other, (other_record, other_weight)) in given.iter().zip(&records) {
                if record == other_record && weight <= other_weight {
                    assert!(one.1 <= other.1);
                }
            }
        }
    }
}
