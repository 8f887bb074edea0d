//! How old are answers?

use super::exchange::*;

/// How old an answer with these fields is when it has come.
fn initial(lines: &[(&'static str, &str)]) -> Duration {
    let mut lines = lines.to_vec();
    lines.push(("cache-control", "max-age=99999"));
    answer(&lines).and("etag", "\"\"").terms().initial_age
}

#[test]
fn rfc9111_4_2_3_age_counts_time_upstream() {
    assert_eq!(initial(&[("age", "30")]), secs(30));
    let old = answer(&[
        ("cache-control", "max-age=3600"),
        ("age", "7200"),
        ("date", &date_at(0)),
    ]);
    assert_eq!(old.refusal(), Some(Refusal::Stale));
}

#[test]
fn rfc9111_4_2_3_age_counts_how_long_the_answer_took() {
    let mut exchange = saying("max-age=60").and("age", "30");
    exchange.requested = at(-5);
    assert_eq!(exchange.terms().initial_age, secs(35));
    exchange.requested = at(5);
    assert_eq!(
        exchange.terms().initial_age,
        secs(30),
        "a clock that was set back"
    );
}

#[test]
fn rfc9111_4_2_3_age_counts_from_the_date() {
    assert_eq!(initial(&[("date", &date_at(-7200))]), secs(7200));
    assert_eq!(initial(&[("date", &date_at(-20)), ("age", "25")]), secs(25));
    assert_eq!(initial(&[("date", &date_at(-25)), ("age", "20")]), secs(25));
    assert_eq!(
        initial(&[("date", &date_at(60))]),
        secs(0),
        "a date to come is none"
    );
    assert_eq!(initial(&[("date", "yesterday")]), secs(0));
}

#[test]
fn a_second_s_difference_of_the_date_is_no_age() {
    assert_eq!(initial(&[("date", &date_at(-1))]), secs(0));
    assert_eq!(initial(&[("date", &date_at(-2))]), secs(2));
    assert!(saying("max-age=1").and("date", &date_at(-1)).is_fresh(0));
}

#[test]
fn rfc9111_4_2_3_expires_and_age_agree_whatever_the_endpoint_s_clock() {
    let slow = answer(&[
        ("date", &date_at(-10)),
        ("expires", &date_at(10)),
        ("age", "25"),
    ]);
    assert!(!slow.is_fresh(0));
    let fast = answer(&[
        ("date", &date_at(10)),
        ("expires", &date_at(20)),
        ("age", "15"),
    ]);
    assert!(!fast.is_fresh(0));
}

#[test]
fn rfc9111_4_2_3_age_counts_time_in_the_store() {
    let terms = saying("max-age=60").and("age", "10").terms();
    assert_eq!(terms.age(at(5)), secs(15));
    assert_eq!(terms.age(at(-5)), secs(10), "a clock that was set back");
    let half = now() + Duration::from_millis(500);
    assert_eq!(
        [
            terms.ttl(at(0)),
            terms.ttl(at(49)),
            terms.ttl(at(50)),
            terms.ttl(at(51))
        ],
        [50, 1, 0, -1]
    );
    assert_eq!((terms.ttl(half), terms.ttl(half + secs(50))), (49, -1));
}

#[test]
fn rfc9111_5_1_an_age_that_is_no_number_does_not_count() {
    for age in [
        "abc", "-7200", "7200.0", "+1", "", "7200;a=b", "1e3", "\"5\"",
    ] {
        assert_eq!(initial(&[("age", age)]), secs(0), "{age}");
    }
}

#[test]
fn rfc9111_5_1_the_first_of_several_ages_counts() {
    for (age, seconds) in [
        ("7200, 0", 7200),
        ("0, 7200", 0),
        ("0, 0", 0),
        ("5 ,7", 5),
        ("x, 7", 0),
    ] {
        assert_eq!(initial(&[("age", age)]), secs(seconds), "{age}");
    }
    assert_eq!(initial(&[("age", "7200"), ("age", "0")]), secs(7200));
    assert_eq!(initial(&[("age", "0"), ("age", "7200")]), secs(0));
}

#[test]
fn rfc9111_1_2_2_an_age_without_end_is_very_much() {
    for age in ["2147483648", "2147483649", "99999999999999999999999"] {
        assert_eq!(initial(&[("age", age)]), secs(1 << 31), "{age}");
    }
}
