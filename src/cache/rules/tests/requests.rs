//! What do requests get of what is stored?

use super::exchange::*;

#[test]
fn rfc9111_5_2_1_1_nothing_older_than_max_age() {
    let hour = saying("max-age=3600");
    assert_eq!(hour.used("max-age=60", 60), Use::Fresh);
    assert_eq!(hour.used("max-age=60", 61), Use::Validate);
    assert_eq!(hour.used("max-age=0", 0), Use::Validate);
    let aged = hour.and("age", "1800");
    assert_eq!(aged.used("max-age=600", 0), Use::Validate);
    assert_eq!(aged.used("max-age=1800", 0), Use::Fresh);
}

#[test]
fn rfc9111_5_2_1_2_max_stale_takes_what_is_stale() {
    let short = saying("max-age=60");
    assert_eq!(short.used("", 61), Use::Validate);
    assert_eq!(short.used("max-stale=10", 70), Use::Stale);
    assert_eq!(short.used("max-stale=10", 71), Use::Validate);
    assert_eq!(short.used("max-stale", 1_000_000), Use::Stale);
    assert_eq!(short.used("max-stale=10", 30), Use::Fresh);
    assert_eq!(short.used("max-stale=x", 61), Use::Validate);
    assert_eq!(short.used("max-age=70, max-stale", 70), Use::Stale);
    assert_eq!(short.used("max-age=70, max-stale", 71), Use::Validate);
}

#[test]
fn rfc9111_5_2_1_3_min_fresh_takes_what_stays_fresh() {
    let aged = saying("max-age=1500").and("age", "1000");
    assert_eq!(aged.used("min-fresh=500", 0), Use::Fresh);
    assert_eq!(aged.used("min-fresh=501", 0), Use::Validate);
    assert_eq!(aged.used("min-fresh=500", 1), Use::Validate);
    assert_eq!(aged.used("min-fresh=1, max-stale", 600), Use::Validate);
}

#[test]
fn rfc9111_5_2_1_4_no_cache_asks() {
    let hour = saying("max-age=3600");
    assert_eq!(hour.used("no-cache", 0), Use::Validate);
    assert_eq!(hour.used("foo, NO-CACHE", 0), Use::Validate);
    assert_eq!(hour.used("no-cache=\"x\", max-stale", 0), Use::Validate);
    assert_eq!(hour.used("foo=\"no-cache\"", 0), Use::Fresh);
}

#[test]
fn rfc9111_5_2_1_5_no_store_and_only_if_cached_are_read() {
    assert!(wishing("no-store").no_store);
    assert!(wishing("Only-If-Cached, max-stale=5").only_if_cached);
    assert_eq!(
        saying("max-age=3600").used("no-store", 0),
        Use::Fresh,
        "what is stored may be used"
    );
}

#[test]
fn rfc9111_5_4_pragma_counts_where_there_is_no_cache_control() {
    let read = |lines: &[(&'static str, &str)]| Wishes::read(&fields(lines));
    assert!(read(&[("pragma", "no-cache")]).no_cache);
    assert!(read(&[("pragma", "x=1, No-Cache")]).no_cache);
    assert!(!read(&[("pragma", "unknown")]).no_cache);
    assert!(!read(&[("pragma", "no-cache"), ("cache-control", "max-age=60")]).no_cache);
    assert_eq!(read(&[]), Wishes::default());
}

#[test]
fn the_narrower_of_two_wishes_counts() {
    let wishes = wishing("max-age=5, max-age=3, min-fresh=1, min-fresh=2, max-stale, max-stale=7");
    assert_eq!(wishes.max_age, Some(secs(3)));
    assert_eq!(wishes.min_fresh, Some(secs(2)));
    assert_eq!(wishes.max_stale, Some(secs(7)));
    assert_eq!(wishing("max-age=5").max_stale, None);
    let lines = fields(&[
        ("cache-control", "max-age=5"),
        ("cache-control", "no-store"),
    ]);
    let wishes = Wishes::read(&lines);
    assert_eq!((wishes.max_age, wishes.no_store), (Some(secs(5)), true));
}

#[test]
fn a_wish_that_can_t_be_read_is_none() {
    for wish in [
        "max-age=x",
        "max-age",
        "max-age=-1",
        "max-age= 5",
        "min-fresh",
        "min-fresh=1.5",
        "stale-if-error",
    ] {
        assert_eq!(wishing(wish), Wishes::default(), "{wish}");
    }
    assert_eq!(
        wishing("max-age=99999999999999999999").max_age,
        Some(secs(1 << 31))
    );
}

#[test]
fn rfc8246_2_what_is_immutable_is_not_asked_about_because_a_client_reloads() {
    let immutable = saying("max-age=3600, immutable");
    assert_eq!(immutable.used("max-age=0", 60), Use::Fresh);
    assert_eq!(
        immutable.used("no-cache", 60),
        Use::Validate,
        "that is a signal"
    );
    assert_eq!(
        immutable.used("max-age=0", 3600),
        Use::Validate,
        "no longer fresh"
    );
    assert_eq!(immutable.used("max-age=0, max-stale", 3600), Use::Validate);
}
