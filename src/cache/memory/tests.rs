//! Is the memory tier bounded, and does it keep what is asked for?

use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use proptest::prelude::*;

use super::*;
use crate::cache::object::{Body, Chunks, Head, Object, Varies};
use crate::cache::purge::Marks;
use crate::cache::rules::{Terms, Validators};

const MIB: u64 = 1 << 20;

/// An object that says who it is and has so many bytes of body.
fn object(name: u128, bytes: usize) -> Stored {
    let mut fields = HeaderMap::new();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Stored::Object(Arc::new(Object {
        key: name.to_be_bytes().into(),
        head: Head {
            status: StatusCode::OK,
            fields,
            terms: Terms::for_test(SystemTime::UNIX_EPOCH),
            validators: Validators::default(),
            marks: Marks::default(),
        },
        body: Body::Memory(Chunks::new(vec![Bytes::from(vec![0; bytes])])),
    }))
}

fn name(stored: &Stored) -> u128 {
    match stored {
        Stored::Object(object) => u128::from_be_bytes(object.key[..].try_into().expect("16 bytes")),
        _ => panic!("no object"),
    }
}

#[test]
fn what_is_put_is_found_until_it_is_replaced_or_removed() {
    let memory = Memory::new(MIB);
    assert!(memory.get(1).is_none());
    memory.put(1, object(10, 100));
    memory.put(2, Stored::Passes(Instant::now()));
    assert_eq!(name(&memory.get(1).expect("kept")), 10);
    assert!(matches!(memory.get(2), Some(Stored::Passes(_))));
    memory.put(1, object(11, 100));
    assert_eq!(name(&memory.get(1).expect("kept")), 11);
    assert_eq!(memory.len(), 2);
    memory.remove(1);
    memory.remove(1);
    assert!(memory.get(1).is_none());
    memory.remove(2);
    assert_eq!((memory.len(), memory.used()), (0, 0));
    assert!(memory.is_empty());
}

#[test]
fn everything_has_weight() {
    let memory = Memory::new(MIB);
    memory.put(1, Stored::Passes(Instant::now()));
    let passes = memory.used();
    memory.put(
        1,
        Stored::Varies(Arc::new(Varies {
            key: vec![0; 1000].into(),
            names: vec![header::ACCEPT].into(),
            generation: 1,
            marks: Marks::default(),
        })),
    );
    let varies = memory.used();
    assert!(passes > 0 && varies > passes + 1000, "{passes} {varies}");
    memory.put(1, object(1, 5000));
    assert!(memory.used() > 5000 + 200);
}

#[test]
fn a_tier_of_no_bytes_keeps_nothing() {
    let memory = Memory::new(0);
    memory.put(1, Stored::Passes(Instant::now()));
    memory.put(2, object(2, 0));
    assert_eq!((memory.len(), memory.used()), (0, 0));
}

#[test]
fn an_object_too_large_is_not_kept_and_drives_nothing_out() {
    let memory = Memory::new(MIB);
    for key in 0..100 {
        memory.put(key, object(key, 1000));
    }
    memory.put(7, object(1000, 300_000));
    assert!(memory.get(7).is_none(), "the former is not true any more");
    assert_eq!(memory.len(), 99);
    assert_eq!(memory.evicted(), 0);
}

#[test]
fn an_object_of_an_eighth_is_kept_and_leaves_most_of_the_others() {
    let memory = Memory::new(64 * MIB);
    // Asked for once, so that they are not new any more.
    for key in 0..6000 {
        memory.put(key, object(key, 10_000));
        memory.get(key);
    }
    let before = memory.len();
    for key in 10_000..10_050 {
        memory.put(key, object(key, 8 << 20));
    }
    assert!(memory.get(10_049).is_some());
    let left = (0..6000).filter(|key| memory.get(*key).is_some()).count();
    assert!(left * 10 > before * 6, "{left} of {before}");
    assert!(memory.used() <= 64 * MIB);
}

#[test]
fn one_way_through_many_objects_does_not_drive_out_what_is_asked_for() {
    let memory = Memory::new(4 * MIB);
    let ask = |key: u128| {
        if memory.get(key).is_none() {
            memory.put(key, object(key, 4000));
            return false;
        }
        true
    };
    for _ in 0..4 {
        (0..500).for_each(|key| {
            ask(key);
        });
    }
    // Ten times what there is room for, each asked for once.
    (1000..11_000).for_each(|key| {
        ask(key);
    });
    let hits = (0..500).filter(|key| ask(*key)).count();
    assert!(hits > 450, "{hits}");
}

#[test]
fn it_is_resized_in_both_directions() {
    let memory = Memory::new(4 * MIB);
    for key in 0..1000 {
        memory.put(key, object(key, 3000));
    }
    let before = memory.len();
    assert!(before > 900);
    memory.resize(MIB);
    assert!(memory.used() <= MIB && memory.used() > MIB * 9 / 10);
    assert_eq!(memory.evicted() as usize, 1000 - memory.len());
    memory.resize(8 * MIB);
    for key in 0..2000 {
        memory.put(key, object(key, 3000));
    }
    assert!(memory.len() > 1900);
    memory.resize(0);
    assert_eq!((memory.len(), memory.used()), (0, 0));
}

#[test]
fn a_sweep_takes_what_it_is_told_and_shows_everything() {
    let memory = Memory::new(4 * MIB);
    for key in 0..1000 {
        memory.put(key, object(key, 10));
    }
    let mut shown = 0;
    memory.for_each(|key, stored| {
        assert_eq!(name(stored), key);
        shown += 1;
    });
    assert_eq!(shown, 1000);
    assert_eq!(memory.sweep(|stored| !name(stored).is_multiple_of(4)), 250);
    assert_eq!(memory.len(), 750);
    assert!(memory.get(4).is_none() && memory.get(5).is_some());
    assert_eq!(memory.sweep(|_| false), 750);
    assert_eq!((memory.len(), memory.used()), (0, 0));
    assert_eq!(memory.evicted(), 0, "a sweep is no eviction");
}

#[test]
fn what_is_replaced_or_removed_is_let_go_of_at_once() {
    let memory = Memory::new(MIB);
    let Stored::Object(first) = object(1, 1000) else {
        return;
    };
    let weak = Arc::downgrade(&first);
    memory.put(1, Stored::Object(first));
    memory.put(1, object(2, 1000));
    assert!(weak.upgrade().is_none());
    // And the order they stood in does not grow.
    for _ in 0..10_000 {
        memory.put(1, object(2, 1000));
        memory.remove(2);
        memory.put(2, object(2, 1000));
    }
    assert!(memory.queues().held() < 1000);
}

#[test]
fn many_threads_leave_it_whole() {
    let memory = Memory::new(MIB);
    std::thread::scope(|scope| {
        for thread in 0..4_u128 {
            let memory = &memory;
            scope.spawn(move || {
                for number in 0..3000_u128 {
                    let key = (number * 7 + thread * 13) % 500;
                    match number % 7 {
                        0..3 => memory.put(key, object(key, 2000 + (number as usize % 5000))),
                        3 => memory.remove(key),
                        _ => {
                            if let Some(stored) = memory.get(key) {
                                assert_eq!(name(&stored), key);
                            }
                        }
                    }
                    if number % 1000 == 0 {
                        memory.sweep(|stored| !name(stored).is_multiple_of(3));
                    }
                    assert!(memory.used() <= MIB);
                }
            });
        }
    });
    let mut bytes = 0;
    let mut entries = 0;
    memory.for_each(|_, stored| {
        bytes += weight::of(stored);
        entries += 1;
    });
    assert_eq!((memory.used(), memory.len()), (bytes, entries));
}

#[derive(Clone, Debug)]
enum Act {
    Put(u128, usize),
    Get(u128),
    Remove(u128),
    Resize(u64),
    Sweep(u128),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let key = || 0..40_u128;
    let act = prop_oneof![
        8 => (key(), 0..4000_usize).prop_map(|(key, bytes)| Act::Put(key, bytes)),
        1 => (key(), 0..40_000_usize).prop_map(|(key, bytes)| Act::Put(key, bytes)),
        6 => key().prop_map(Act::Get),
        2 => key().prop_map(Act::Remove),
        1 => (0..60_000_u64).prop_map(Act::Resize),
        1 => (1..5_u128).prop_map(Act::Sweep),
    ];
    prop::collection::vec(act, 1..200)
}

proptest! {
    #[test]
    fn it_keeps_its_bound_and_finds_nothing_but_what_was_put_last(acts in acts()) {
        let memory = Memory::new(30_000);
        let mut limit = 30_000;
        let mut last = std::collections::HashMap::new();
        for (number, act) in acts.into_iter().enumerate() {
            let version = number as u128;
            match act {
                Act::Put(key, bytes) => {
                    memory.put(key, object(version, bytes));
                    last.insert(key, version);
                }
                Act::Get(key) => {
                    if let Some(stored) = memory.get(key) {
                        prop_assert_eq!(Some(&name(&stored)), last.get(&key));
                    }
                }
                Act::Remove(key) => {
                    memory.remove(key);
                    last.remove(&key);
                }
                Act::Resize(bytes) => {
                    limit = bytes;
                    memory.resize(bytes);
                }
                Act::Sweep(divisor) => {
                    memory.sweep(|stored| !name(stored).is_multiple_of(divisor));
                    last.retain(|_, version| *version % divisor != 0);
                }
            }
            let (mut bytes, mut entries) = (0, 0);
            memory.for_each(|_, stored| {
                bytes += weight::of(stored);
                entries += 1;
            });
            prop_assert_eq!((memory.used(), memory.len()), (bytes, entries));
            prop_assert!(bytes <= limit);
        }
    }
}
