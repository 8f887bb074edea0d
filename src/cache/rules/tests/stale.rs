//! When is what is stale used?

use super::exchange::*;

/// Softly purged at the one time, and used by a client without wishes at the other.
fn purged(exchange: &Exchange, purged: i64, later: i64) -> Use {
    usable(
        &exchange.terms(),
        &Wishes::default(),
        Some(at(purged)),
        at(later),
    )
}

/// Whether it is used so many seconds later when the endpoint fails.
fn on_error(exchange: &Exchange, wishes: &str, later: i64) -> bool {
    usable_on_error(&exchange.terms(), &wishing(wishes), None, at(later))
}

/// What must not be used stale, in every way to say so.
const STRICT: [&str; 4] = [
    "max-age=60, must-revalidate",
    "max-age=60, proxy-revalidate",
    "s-maxage=60",
    "max-age=60, must-revalidate=x, public",
];

#[test]
fn rfc9111_4_2_4_stale_is_not_used_unless_someone_allows_it() {
    let short = saying("max-age=60").and("etag", "\"a\"");
    assert_eq!(short.used("", 60), Use::Validate);
    assert!(!on_error(&short, "", 60));
}

#[test]
fn rfc9111_5_2_2_2_what_is_strict_is_never_used_stale() {
    for said in STRICT {
        let said = format!("{said}, stale-while-revalidate=600, stale-if-error=600");
        let strict = saying(&said).set(|settings| {
            settings.while_revalidate = secs(600);
            settings.if_error = secs(600);
        });
        assert_eq!(strict.used("max-stale", 59), Use::Fresh, "{said}");
        assert_eq!(strict.used("max-stale", 60), Use::Validate, "{said}");
        assert!(
            !on_error(&strict, "max-stale, stale-if-error=600", 60),
            "{said}"
        );
        assert!(on_error(&strict, "max-age=1", 59), "fresh as it is: {said}");
    }
}

#[test]
fn rfc9111_5_2_2_4_no_cache_is_never_used_unasked() {
    let asked_about = saying("no-cache, max-age=60, stale-if-error=60, stale-while-revalidate=60")
        .and("etag", "\"a\"");
    for later in [0, 61] {
        assert_eq!(asked_about.used("max-stale", later), Use::Validate);
        assert!(!on_error(
            &asked_about,
            "max-stale, stale-if-error=60",
            later
        ));
    }
}

#[test]
fn rfc5861_3_stale_while_it_is_revalidated_for_as_long_as_is_said() {
    let short = saying("max-age=60, stale-while-revalidate=30");
    assert_eq!(short.used("", 59), Use::Fresh);
    assert_eq!(short.used("", 60), Use::WhileRevalidating);
    assert_eq!(short.used("", 89), Use::WhileRevalidating);
    assert_eq!(short.used("", 90), Use::Validate);
    assert_eq!(short.used("max-stale=40", 70), Use::WhileRevalidating);
    assert_eq!(short.used("max-stale=40", 95), Use::Stale);
    for better in ["max-age=100", "min-fresh=1", "no-cache"] {
        assert_eq!(short.used(better, 60), Use::Validate, "{better}");
    }
}

#[test]
fn rfc5861_4_stale_on_error_for_as_long_as_either_side_says() {
    let short = saying("max-age=60, stale-if-error=30");
    assert!(on_error(&short, "", 89) && !on_error(&short, "", 90));
    assert!(
        on_error(&short, "stale-if-error=40", 100) && !on_error(&short, "stale-if-error=40", 101)
    );
    assert!(
        on_error(&short, "stale-if-error=1", 89),
        "the endpoint allows it"
    );
    assert!(on_error(&short, "max-stale=40", 100));
    assert!(!on_error(&short, "no-cache", 61));
    assert_eq!(
        short.used("stale-if-error=40", 61),
        Use::Validate,
        "only on error"
    );
}

#[test]
fn what_is_fresh_is_used_on_error_unless_the_client_insists() {
    let hour = saying("max-age=3600");
    assert!(on_error(&hour, "max-age=0", 60));
    assert!(on_error(&hour, "min-fresh=3600", 60));
    assert!(!on_error(&hour, "no-cache", 60));
}

#[test]
fn the_operator_s_windows_count_where_the_endpoint_says_none() {
    let ours = |said: &str| {
        saying(said).set(|settings| {
            settings.while_revalidate = secs(10);
            settings.if_error = secs(20);
        })
    };
    let silent = ours("max-age=60");
    assert_eq!(silent.used("", 69), Use::WhileRevalidating);
    assert_eq!(silent.used("", 70), Use::Validate);
    assert!(on_error(&silent, "", 79) && !on_error(&silent, "", 80));
    let never = ours("max-age=60, stale-while-revalidate=0, stale-if-error=0");
    assert_eq!(never.used("", 60), Use::Validate);
    assert!(!on_error(&never, "", 60));
    let unreadable = ours("max-age=60, stale-while-revalidate, stale-if-error=x");
    assert_eq!(unreadable.used("", 69), Use::WhileRevalidating);
    assert!(on_error(&unreadable, "", 79));
}

#[test]
fn what_is_purged_softly_is_stale_from_then_on() {
    let hour = saying("max-age=3600, stale-while-revalidate=30");
    assert_eq!(purged(&hour, 100, 100), Use::WhileRevalidating);
    assert_eq!(purged(&hour, 100, 129), Use::WhileRevalidating);
    assert_eq!(purged(&hour, 100, 130), Use::Validate);
    assert_eq!(purged(&saying("max-age=3600"), 100, 100), Use::Validate);
    assert_eq!(
        purged(
            &saying("s-maxage=3600, stale-while-revalidate=30"),
            100,
            100
        ),
        Use::Validate
    );
    let wishes = wishing("max-stale=10");
    let terms = saying("max-age=3600").terms();
    assert_eq!(usable(&terms, &wishes, Some(at(100)), at(110)), Use::Stale);
    assert_eq!(
        usable(&terms, &wishes, Some(at(100)), at(111)),
        Use::Validate
    );
}

#[test]
fn a_soft_purge_of_what_is_stale_makes_it_no_younger() {
    let short = saying("max-age=60, stale-while-revalidate=30, stale-if-error=30");
    assert_eq!(purged(&short, 80, 89), Use::WhileRevalidating);
    assert_eq!(purged(&short, 80, 90), Use::Validate);
    let error =
        |later| usable_on_error(&short.terms(), &Wishes::default(), Some(at(50)), at(later));
    assert!(error(79) && !error(80), "counted from the purge");
}
