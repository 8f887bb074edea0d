//! Does a purge concern what it should, and nothing else?

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::table::MOST;
use super::*;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn purges() -> Purges {
    Purges::new(at(1000))
}

fn marks(purges: &Purges, url: &str, tags: &[&str]) -> Marks {
    Marks {
        since: purges.now(),
        url: url.into(),
        tags: tags.iter().map(|name| tag(name)).collect(),
    }
}

fn url(url: &str) -> What {
    What::Url(url.to_owned())
}

fn prefix(prefix: &str) -> What {
    What::Prefix(prefix.to_owned())
}

fn tagged(name: &str) -> What {
    What::Tag(name.to_owned())
}

#[test]
fn a_purge_concerns_what_was_fetched_or_begun_before_and_not_what_came_after() {
    let purges = purges();
    let before = marks(&purges, "a/", &[]);
    assert_eq!(purges.of(&before), Purged::No);
    let seq = purges.add(&url("a/"), Mode::Hard, at(1001));
    let after = marks(&purges, "a/", &[]);
    assert!(seq > before.since && after.since >= seq);
    assert_eq!(purges.of(&before), Purged::Gone);
    assert_eq!(purges.of(&after), Purged::No);
    purges.add(&url("a/"), Mode::Hard, at(1002));
    assert_eq!(purges.of(&after), Purged::Gone);
}

#[test]
fn each_kind_finds_its_own() {
    for (what, concerned) in [
        (What::All, "1111"),
        (url("a/x"), "1000"),
        (url("a/"), "0000"),
        (prefix("a/x"), "1100"),
        (prefix("a/x*"), "1100"),
        (prefix("a/x/"), "0100"),
        (prefix("a"), "1110"),
        (prefix("https://A"), "1110"),
        (prefix(""), "1111"),
        (tagged("one"), "1001"),
        (tagged("ONE"), "1001"),
        (tagged("on"), "0000"),
    ] {
        let purges = purges();
        let objects = [
            marks(&purges, "a/x", &["one"]),
            marks(&purges, "a/x/y?q", &["two", "three"]),
            marks(&purges, "a/y", &[]),
            marks(&purges, "b/x", &["two", "one"]),
        ];
        purges.add(&what, Mode::Hard, at(1001));
        let found: String = objects
            .iter()
            .map(|marks| match purges.of(marks) {
                Purged::No => '0',
                _ => '1',
            })
            .collect();
        assert_eq!(found, concerned, "{what:?}");
    }
}

#[test]
fn a_soft_purge_says_since_when_and_a_hard_one_is_harder() {
    let purges = purges();
    let object = marks(&purges, "a/", &["t"]);
    purges.add(&tagged("t"), Mode::Soft, at(2000));
    assert_eq!(purges.of(&object), Purged::Softly(at(2000)));
    // Saying it again does not make it less stale.
    purges.add(&url("a/"), Mode::Soft, at(3000));
    assert_eq!(purges.of(&object), Purged::Softly(at(2000)));
    purges.add(&url("a/"), Mode::Hard, at(4000));
    assert_eq!(purges.of(&object), Purged::Gone);
}

#[test]
fn what_is_fetched_between_two_soft_purges_is_stale_since_the_second() {
    let purges = purges();
    purges.add(&url("a/"), Mode::Soft, at(2000));
    let object = marks(&purges, "a/", &[]);
    assert_eq!(purges.of(&object), Purged::No);
    purges.add(&url("a/"), Mode::Soft, at(3000));
    assert_eq!(purges.of(&object), Purged::Softly(at(3000)));
}

#[test]
fn hard_purges_are_forgotten_once_nothing_is_left_of_them_and_soft_ones_are_not() {
    let purges = purges();
    let object = marks(&purges, "a/", &[]);
    purges.add(&url("a/"), Mode::Soft, at(1001));
    let hard = purges.add(&url("b/"), Mode::Hard, at(1002));
    purges.forget(hard);
    assert_eq!(purges.len(), 1);
    assert_eq!(purges.of(&object), Purged::Softly(at(1001)));
    let newer = purges.add(&url("c/"), Mode::Hard, at(1003));
    purges.forget(hard);
    assert_eq!(purges.len(), 2);
    purges.forget(newer);
    assert_eq!(purges.len(), 1);
    assert_eq!(purges.now(), newer);
}

#[test]
fn what_is_under_way_keeps_the_purges_after_it_from_being_forgotten() {
    let purges = purges();
    let first = purges.begin();
    let again = purges.begin();
    let before = purges.add(&url("a/"), Mode::Hard, at(1001));
    let second = purges.begin();
    let after = purges.add(&url("b/"), Mode::Hard, at(1002));
    let mut object = marks(&purges, "a/", &[]);
    object.since = first.since();
    purges.forget(after);
    assert_eq!((purges.len(), purges.of(&object)), (2, Purged::Gone));
    drop(first);
    purges.forget(after);
    assert_eq!(purges.len(), 2, "there is another of the same time");
    drop(again);
    assert_eq!(second.since(), before);
    purges.forget(after);
    assert_eq!(purges.len(), 1);
    drop(second);
    purges.forget(after);
    assert!(purges.is_empty());
}

#[test]
fn too_many_purges_err_on_the_safe_side_and_let_newer_objects_be() {
    let purges = purges();
    let old = marks(&purges, "other/", &[]);
    for number in 0..MOST {
        purges.add(&url(&format!("a/{number}")), Mode::Hard, at(1001));
        assert_eq!(purges.of(&old), Purged::No);
    }
    let late = marks(&purges, "a/0", &[]);
    let of_late = url("a/0");
    purges.add(&of_late, Mode::Hard, at(1002));
    for number in 0..100 {
        purges.add(&tagged(&format!("{number}")), Mode::Soft, at(1003));
    }
    assert!(purges.len() <= MOST);
    assert_eq!(purges.of(&old), Purged::Gone);
    assert_eq!(purges.of(&late), Purged::Gone);
    assert_eq!(purges.of(&marks(&purges, "a/0", &[])), Purged::No);
}

#[test]
fn long_prefixes_take_bounded_memory_too() {
    let purges = purges();
    let old = marks(&purges, "other/", &[]);
    for number in 0..5000 {
        purges.add(
            &prefix(&format!("a/{number}/{}", "x".repeat(8000))),
            Mode::Hard,
            at(1001),
        );
    }
    assert!(purges.len() < 5000);
    assert_eq!(purges.of(&old), Purged::Gone);
}

#[test]
fn an_object_of_an_unknown_order_is_gone() {
    let purges = purges();
    let mut object = marks(&purges, "a/", &[]);
    object.since = Seq(object.since.0 + 1);
    assert_eq!(purges.of(&object), Purged::Gone);
}

#[test]
fn what_was_saved_is_loaded_and_the_order_goes_on() {
    let purges = purges();
    let object = marks(&purges, "a/x", &["t"]);
    purges.add(&tagged("t"), Mode::Soft, at(1001));
    purges.add(&prefix("b/"), Mode::Hard, at(1002));
    let last = purges.add(&url("c/"), Mode::Hard, at(1003));
    // The clock was set back.
    let loaded = Purges::load(&purges.save(), at(5));
    assert_eq!(loaded.now(), last);
    assert_eq!(loaded.of(&object), Purged::Softly(at(1001)));
    assert_eq!(loaded.len(), 3);
    assert_eq!(loaded.save(), purges.save());
    assert!(Purges::load(&purges.save(), at(9000)).now() > last);
}

#[test]
fn a_torn_file_means_that_all_was_purged() {
    let purges = purges();
    let object = marks(&purges, "a/x", &[]);
    purges.add(&prefix("b/"), Mode::Soft, at(1002));
    let saved = purges.save();
    for end in 0..saved.len() {
        let loaded = Purges::load(&saved[..end], at(1003));
        assert_eq!(loaded.of(&object), Purged::Gone, "{end}");
        assert_eq!(loaded.of(&marks(&loaded, "a/x", &[])), Purged::No);
    }
    for at_byte in 0..saved.len() {
        let mut changed = saved.clone();
        changed[at_byte] ^= 1;
        assert_eq!(Purges::load(&changed, at(1003)).of(&object), Purged::Gone);
    }
}

#[derive(Clone, Debug)]
enum Event {
    Purge(What, Mode),
    Fetch { url: String, tags: Vec<String> },
    Restart,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let url = || "[ab]{0,1}/[ab]{0,3}";
    let mode = || prop_oneof![Just(Mode::Hard), Just(Mode::Soft)];
    let what = prop_oneof![
        1 => Just(What::All),
        6 => url().prop_map(What::Url),
        6 => url().prop_map(What::Prefix),
        6 => "[tT][123]".prop_map(What::Tag),
    ];
    let event = prop_oneof![
        6 => (what, mode()).prop_map(|(what, mode)| Event::Purge(what, mode)),
        10 => (url(), prop::collection::vec("[tT][123]", 0..3))
            .prop_map(|(url, tags)| Event::Fetch { url, tags }),
        1 => Just(Event::Restart),
    ];
    prop::collection::vec(event, 1..60)
}

/// Whether this purge concerns such an object, as a reader of the manual would say.
fn concerns(what: &What, url: &str, tags: &[String]) -> bool {
    match what {
        What::All => true,
        What::Url(of) => url == of,
        What::Prefix(of) => url.starts_with(of.as_str()),
        What::Tag(of) => tags.iter().any(|tag| tag.eq_ignore_ascii_case(of)),
    }
}

proptest! {
    #[test]
    fn every_object_is_as_purged_as_a_list_of_all_purges_says(events in events()) {
        let mut purges = purges();
        let mut objects: Vec<(Marks, Vec<String>, usize)> = Vec::new();
        let mut log: Vec<(What, Mode, SystemTime)> = Vec::new();
        for (step, event) in events.into_iter().enumerate() {
            // The clock may stand still.
            let now = at(2000 + step as u64 / 2);
            match event {
                Event::Purge(what, mode) => {
                    purges.add(&what, mode, now);
                    log.push((what, mode, now));
                }
                Event::Fetch { url, tags } => {
                    let names: Vec<&str> = tags.iter().map(String::as_str).collect();
                    objects.push((marks(&purges, &url, &names), tags, log.len()));
                }
                Event::Restart => purges = Purges::load(&purges.save(), now),
            }
            for (marks, tags, since) in &objects {
                let mut hits = log[*since..].iter().filter(|(what, ..)| concerns(what, &marks.url, tags));
                let gone = hits.clone().any(|(_, mode, _)| *mode == Mode::Hard);
                let first = hits.next();
                match (purges.of(marks), first) {
                    (Purged::Gone, _) => prop_assert!(gone),
                    (Purged::No, None) => {}
                    (Purged::Softly(at), Some((.., first))) => {
                        prop_assert!(!gone);
                        // Of very many soft purges of one thing the oldest are one, as old as the first.
                        prop_assert!(at <= *first);
                        let few = log.iter().filter(|(_, mode, _)| *mode == Mode::Soft).count() <= 4;
                        prop_assert!(!few || at == *first);
                    }
                    other => prop_assert!(false, "{other:?} for {marks:?}"),
                }
            }
        }
    }

    #[test]
    fn no_bytes_whatever_break_loading(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let loaded = Purges::load(&bytes, at(1));
        prop_assert_eq!(loaded.len(), 1);
    }

    #[test]
    fn no_content_with_a_right_sum_breaks_loading(
        records in prop::collection::vec((0_u8..5, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
    ) {
        let mut bytes = b"portcullis purges 1\n".to_vec();
        bytes.extend(u64::MAX.to_le_bytes());
        for (kind, content) in records {
            bytes.push(kind);
            bytes.extend(content);
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        let loaded = Purges::load(&bytes, at(1));
        prop_assert!(loaded.len() < 100);
    }
}
