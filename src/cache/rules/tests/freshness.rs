//! How long are answers fresh?

use super::exchange::*;

#[test]
fn rfc9111_4_2_fresh_is_what_is_younger_than_its_lifetime() {
    let hour = saying("max-age=3600");
    assert!(hour.is_fresh(0) && hour.is_fresh(3599));
    assert!(!hour.is_fresh(3600), "not less than its age");
}

#[test]
fn rfc9111_4_2_1_s_maxage_counts_before_max_age_and_that_before_expires() {
    for said in [
        "max-age=1, s-maxage=60",
        "s-maxage=60, max-age=1",
        "max-age=3600, s-maxage=60",
    ] {
        assert_eq!(saying(said).terms().lifetime, secs(60), "{said}");
    }
    let lines = saying("max-age=3600").and("cache-control", "s-maxage=60");
    assert_eq!(lines.terms().lifetime, secs(60));
    let past = saying("max-age=3600").and("expires", &date_at(-7200));
    assert_eq!(past.terms().lifetime, secs(3600));
    let bad = saying("max-age=3600").and("expires", "0");
    assert_eq!(bad.terms().lifetime, secs(3600));
    let zero = saying("max-age=0").and("expires", &date_at(3600));
    assert_eq!(zero.refusal(), Some(Refusal::Stale));
    let shared = saying("max-age=0, s-maxage=3600").and("expires", &date_at(-10));
    assert!(shared.is_fresh(60));
}

#[test]
fn rfc9111_4_2_1_the_first_of_two_counts() {
    for (said, fresh) in [
        ("max-age=1800, max-age=1", true),
        ("max-age=1, max-age=1800", false),
    ] {
        assert_eq!(saying(said).is_fresh(60), fresh, "{said}");
    }
    let lines = saying("max-age=1800").and("cache-control", "max-age=1");
    assert!(lines.is_fresh(60));
    let expires = answer(&[("expires", &date_at(60)), ("expires", &date_at(3600))]);
    assert_eq!(expires.terms().lifetime, secs(60));
}

#[test]
fn rfc9111_4_2_1_what_can_t_be_read_is_stale() {
    for said in [
        "max-age=-3600",
        "max-age",
        "max-age=",
        "max-age=\"\"",
        "max-age='3600'",
        "max-age =3600",
        "max-age= 3600",
        "max-age=3600.0",
        "max-age=3600s",
        "max-age=a3600",
        "max-age=3600;x",
        "max-age=3600 x",
        "max-age=\"3600",
        "s-maxage=x, max-age=3600",
    ] {
        let exchange = saying(said).and("expires", &date_at(3600));
        assert_eq!(exchange.refusal(), Some(Refusal::Stale), "{said}");
    }
}

#[test]
fn rfc9111_5_2_directives_are_read_as_written() {
    for said in [
        "MaX-aGe=3600",
        "max-age=\"3600\"",
        "max-age=\"36\\00\"",
        "max-age=003600",
        "foobar, max-age=3600",
        ",, ,max-age=3600\t,",
        "a=\"b, max-age=1\", max-age=3600",
        "a=\"b\\\", max-age=1\", max-age=3600",
        "max-age=3600, a=\"max-age=1\"",
        "=5, max-age=3600",
        "max-age=3600 , public",
    ] {
        assert_eq!(saying(said).terms().lifetime, secs(3600), "{said}");
    }
    let hidden = saying("extension=\"max-age=3600\", max-age=1");
    assert_eq!(hidden.terms().lifetime, secs(1));
}

#[test]
fn rfc9111_1_2_2_seconds_without_end_are_very_many() {
    for seconds in ["2147483648", "2147483649", "99999999999", &"9".repeat(400)] {
        let terms = saying(&format!("max-age={seconds}")).terms();
        assert_eq!(terms.lifetime, secs(1 << 31), "{seconds}");
    }
    let less = saying("max-age=2147483647").terms();
    assert_eq!(less.lifetime, secs(2_147_483_647));
}

#[test]
fn rfc9111_5_3_expires_is_counted_from_the_date() {
    let lifetime = |expires: i64, date: i64| {
        let exchange = answer(&[
            ("expires", &date_at(expires)),
            ("date", &date_at(date)),
            ("etag", "\"\""),
        ]);
        exchange.terms().lifetime
    };
    assert_eq!(lifetime(60, 0), secs(60));
    assert_eq!(lifetime(300, 400), secs(0));
    assert_eq!(lifetime(0, 0), secs(0));
    assert_eq!(lifetime(60, -10), secs(70));
    assert_eq!(lifetime(60, 10), secs(50));
    for date in ["foo", ""] {
        let exchange = answer(&[("expires", &date_at(60)), ("date", date)]);
        assert_eq!(exchange.terms().lifetime, secs(60), "{date:?}");
    }
    let none = answer(&[("expires", &date_at(60))]);
    assert_eq!(none.terms().lifetime, secs(60));
}

#[test]
fn rfc9111_5_3_a_bad_expires_is_in_the_past() {
    let good = "Thu, 18 Aug 2050 02:01:18 GMT";
    assert!(answer(&[("expires", good)]).is_fresh(60));
    for bad in [
        "0",
        "-1",
        "",
        "tomorrow",
        "Thu, 18 Aug 2050 02:01:18 UTC",
        "Thu, 18 Aug 2050 2:01:18 GMT",
    ] {
        let exchange = answer(&[("expires", bad), ("last-modified", &date_at(-86_400))]);
        assert!(!exchange.is_fresh(0), "{bad}");
        assert_eq!(answer(&[("expires", bad)]).refusal(), Some(Refusal::Stale));
    }
}

#[test]
fn rfc9111_4_2_2_a_tenth_of_how_long_it_has_not_changed_is_a_guess() {
    let modified = |ago: i64| answer(&[("last-modified", &date_at(-ago)), ("date", &date_at(0))]);
    assert_eq!(modified(3600).terms().lifetime, secs(360));
    assert_eq!(
        modified(365 * 86_400).terms().lifetime,
        secs(86_400),
        "but no more than a day"
    );
    assert_eq!(modified(0).refusal(), Some(Refusal::NoFreshness));
    assert_eq!(modified(-60).refusal(), Some(Refusal::NoFreshness));
    let bad = answer(&[("last-modified", "long ago")]);
    assert_eq!(bad.refusal(), Some(Refusal::NoFreshness));
}

#[test]
fn rfc9111_4_2_2_nothing_is_guessed_where_something_is_said() {
    let said = saying("max-age=1").and("last-modified", &date_at(-86_400));
    assert_eq!(said.terms().lifetime, secs(1));
    let asked_about = saying("no-cache").and("last-modified", &date_at(-86_400));
    assert_eq!(asked_about.used("", 0), Use::Validate);
}

#[test]
fn rfc9110_15_1_only_some_statuses_are_guessed_for() {
    let modified = |status| answer(&[("last-modified", &date_at(-86_400))]).status(status);
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        assert!(modified(status).is_fresh(60), "{status}");
    }
    for status in [201, 202, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599] {
        assert!(modified(status).keep().is_err(), "{status}");
        let public = modified(status).and("cache-control", "public");
        assert!(public.is_fresh(60), "rfc9111_5_2_2_9: {status}");
    }
}

#[test]
fn rfc9111_5_4_pragma_in_an_answer_means_nothing() {
    assert!(
        saying("max-age=3600")
            .and("pragma", "no-cache")
            .is_fresh(60)
    );
    let guessed = answer(&[("last-modified", &date_at(-86_400)), ("pragma", "no-cache")]);
    assert!(guessed.is_fresh(60));
}

#[test]
fn the_operator_s_default_counts_where_the_endpoint_says_nothing() {
    let by_status = [
        (Statuses::Class(4), secs(10)),
        (Statuses::One(StatusCode::NOT_FOUND), secs(30)),
        (Statuses::One(StatusCode::OK), secs(300)),
        (Statuses::One(StatusCode::GONE), secs(0)),
        (Statuses::Class(5), secs(2)),
    ];
    let lifetime = |exchange: Exchange| {
        let ttl = DefaultTtl::new(by_status);
        let kept = exchange.set(|settings| settings.default_ttl = ttl).keep();
        kept.map(|terms| terms.lifetime)
    };
    assert_eq!(lifetime(answer(&[])), Ok(secs(300)));
    assert_eq!(lifetime(answer(&[]).status(404)), Ok(secs(30)));
    assert_eq!(lifetime(answer(&[]).status(403)), Ok(secs(10)));
    assert_eq!(lifetime(answer(&[]).status(503)), Ok(secs(2)));
    assert_eq!(lifetime(answer(&[]).status(302)), Err(Refusal::NoFreshness));
    assert_eq!(lifetime(saying("max-age=7")), Ok(secs(7)));
    assert_eq!(lifetime(saying("no-store")), Err(Refusal::NoStore));
    let old = || answer(&[("last-modified", &date_at(-86_400))]);
    assert_eq!(lifetime(old()), Ok(secs(300)), "it is no guess");
    assert_eq!(
        lifetime(old().status(410)),
        Err(Refusal::NoFreshness),
        "zero is an answer"
    );
    assert_eq!(lifetime(old().status(301)), Ok(secs(8640)));
}

#[test]
fn nothing_is_fresh_for_longer_than_the_operator_lets_it() {
    let most = |settings: &mut Settings| {
        settings.max_ttl = Some(secs(60));
        settings.default_ttl = DefaultTtl::new([(Statuses::Class(2), secs(600))]);
    };
    for exchange in [
        saying("max-age=3600"),
        saying("s-maxage=61"),
        answer(&[]),
        answer(&[("expires", &date_at(90))]),
    ] {
        let exchange = exchange.set(most);
        assert!(exchange.is_fresh(59) && !exchange.is_fresh(60));
    }
    assert!(!saying("max-age=5").set(most).is_fresh(5));
}

#[test]
fn what_the_operator_says_counts_from_when_it_came() {
    let most = |settings: &mut Settings| {
        settings.max_ttl = Some(secs(60));
        settings.default_ttl = DefaultTtl::new([(Statuses::Class(2), secs(30))]);
    };
    let default = answer(&[("age", "1000")]).set(most);
    assert!(default.is_fresh(29) && !default.is_fresh(30));
    assert_eq!(
        default.terms().age(at(5)),
        secs(1005),
        "the age is told as it is"
    );
    let longest = saying("max-age=3600").and("age", "1000").set(most);
    assert!(longest.is_fresh(59) && !longest.is_fresh(60));
}

#[test]
fn rfc9111_4_3_4_what_is_freshened_is_as_old_as_the_304() {
    let nothing = HeaderMap::new();
    let asked = Asked {
        method: &Method::GET,
        fields: &nothing,
        identified: false,
    };
    let not_modified = fields(&[("age", "10"), ("date", &date_at(100))]);
    let answered = Answered {
        status: StatusCode::NOT_MODIFIED,
        fields: &not_modified,
        requested: at(100),
        received: at(100),
    };
    let settings = Settings::default();
    let again =
        |fields: &HeaderMap| freshened(&asked, StatusCode::OK, fields, &answered, &settings);
    let stored = fields(&[("cache-control", "max-age=60"), ("date", &date_at(0))]);
    let terms = again(&stored).expect("terms");
    assert_eq!((terms.age(at(100)), terms.ttl(at(100))), (secs(10), 50));
    let forbidden = fields(&[("cache-control", "no-store")]);
    assert_eq!(again(&forbidden), Err(Refusal::NoStore));
}
