//! Which answers are stored?

use super::exchange::*;

const HOUR: &str = "max-age=3600";

#[test]
fn rfc9111_3_what_says_how_long_it_is_fresh_is_stored() {
    assert_eq!(saying(HOUR).terms().lifetime, secs(3600));
    assert_eq!(saying("s-maxage=3600").terms().lifetime, secs(3600));
    let expires = answer(&[("expires", &date_at(3600)), ("date", &date_at(0))]);
    assert_eq!(expires.terms().lifetime, secs(3600));
}

#[test]
fn rfc9111_3_only_methods_that_are_understood_are_stored() {
    assert_eq!(saying(HOUR).method(Method::HEAD).refusal(), None);
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        assert_eq!(saying(HOUR).method(method).refusal(), Some(Refusal::Method));
    }
}

#[test]
fn rfc9111_3_any_final_status_with_explicit_freshness_is_stored() {
    for status in [
        200, 201, 203, 204, 299, 301, 302, 303, 307, 308, 400, 403, 404, 410, 499, 500, 502, 503,
        504, 599,
    ] {
        assert_eq!(saying(HOUR).status(status).refusal(), None, "{status}");
    }
}

#[test]
fn rfc9111_3_interim_and_partial_answers_are_not_stored() {
    for status in [100, 101, 103, 206, 304, 600, 999] {
        let refusal = saying(HOUR).status(status).keep();
        assert_eq!(refusal, Err(Refusal::Status), "{status}");
    }
}

#[test]
fn rfc6585_answers_about_one_client_are_not_stored() {
    for status in [428, 429, 431] {
        assert_eq!(saying(HOUR).status(status).refusal(), Some(Refusal::Status));
    }
    assert_eq!(saying(HOUR).status(511).refusal(), Some(Refusal::Failure));
}

#[test]
fn rfc9111_3_no_store_of_either_side_forbids() {
    for said in [
        "no-store",
        "max-age=3600, no-store",
        "No-StOrE, max-age=3600",
        "no-store=1, max-age=60",
    ] {
        assert_eq!(saying(said).refusal(), Some(Refusal::NoStore), "{said}");
    }
    let asked = saying(HOUR).asked(&[("cache-control", "no-store")]);
    assert_eq!(asked.refusal(), Some(Refusal::RequestNoStore));
    let expires = saying("no-store").and("expires", &date_at(3600));
    assert_eq!(expires.refusal(), Some(Refusal::NoStore));
}

#[test]
fn rfc9111_5_2_2_3_must_understand_lifts_no_store_where_the_status_is_understood() {
    let said = "max-age=3600, no-store, must-understand";
    assert_eq!(saying(said).refusal(), None);
    assert_eq!(saying(said).status(404).refusal(), None);
    assert_eq!(saying(said).status(299).refusal(), Some(Refusal::Status));
    assert_eq!(saying(said).status(599).refusal(), Some(Refusal::Failure));
    let without = "max-age=3600, must-understand";
    assert_eq!(saying(without).refusal(), None);
    assert_eq!(saying(without).status(299).refusal(), Some(Refusal::Status));
}

#[test]
fn rfc9111_5_2_2_7_what_is_private_is_not_stored() {
    for said in [
        "private, max-age=3600",
        "max-age=3600, PRIVATE",
        "public, s-maxage=3600, private",
        "max-age=3600, private=",
        "max-age=3600, private=\"\"",
        "max-age=3600, private=\"a b\"",
        "max-age=3600, private=\"set-cookie",
        "max-age=3600, private x",
        "max-age=3600, foo=\"bar, private",
    ] {
        assert_eq!(saying(said).refusal(), Some(Refusal::Private), "{said}");
    }
}

#[test]
fn rfc9111_5_2_2_7_private_with_names_leaves_out_those_fields() {
    let exchange = saying("max-age=3600, private=\"X-User, set-cookie\"")
        .and("x-user", "1")
        .and("set-cookie", "a=b")
        .and("x-other", "2");
    exchange.terms();
    let stored = stored_fields(&exchange.answered);
    let mut names: Vec<_> = stored.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "x-other"]);
    let unshared = unshared_fields(&exchange.answered);
    assert_eq!(unshared, fields(&[("x-user", "1"), ("set-cookie", "a=b")]));
}

#[test]
fn rfc9111_5_2_2_4_no_cache_with_names_leaves_out_those_fields_and_may_be_used() {
    let exchange = saying("no-cache=\"A, b\"")
        .and("cache-control", HOUR)
        .and("a", "1")
        .and("c", "3");
    assert!(exchange.is_fresh(60));
    let stored = stored_fields(&exchange.answered);
    assert!(!stored.contains_key("a") && stored.contains_key("c"));
    let token = saying("max-age=3600, no-cache=a").and("a", "1");
    assert!(token.is_fresh(60) && !stored_fields(&token.answered).contains_key("a"));
}

#[test]
fn what_a_response_can_t_be_without_is_private_as_a_whole() {
    for name in [
        "Vary",
        "Content-Type",
        "content-encoding",
        "Content-Length",
        "Cache-Control",
    ] {
        let private = format!("max-age=3600, private=\"{name}, x-user\"");
        assert_eq!(saying(&private).refusal(), Some(Refusal::Private), "{name}");
        let no_cache = format!("max-age=3600, no-cache=\"x-user, {name}\"");
        assert_eq!(
            saying(&no_cache).refusal(),
            Some(Refusal::NoCache),
            "{name}"
        );
    }
}

#[test]
fn rfc9111_3_5_answers_to_the_authorized_are_stored_only_if_they_are_for_everyone() {
    let asked = |said: &str| saying(said).asked(&[("authorization", "Basic x")]);
    assert_eq!(asked(HOUR).refusal(), Some(Refusal::Authorization));
    assert_eq!(
        asked("max-age=3600, proxy-revalidate").refusal(),
        Some(Refusal::Authorization)
    );
    for said in [
        "max-age=3600, public",
        "max-age=3600, must-revalidate",
        "s-maxage=3600",
    ] {
        assert_eq!(asked(said).refusal(), None, "{said}");
    }
}

#[test]
fn answers_to_whom_our_own_policies_know_are_stored_like_those_to_the_authorized() {
    let mut exchange = saying(HOUR);
    exchange.identified = true;
    assert_eq!(exchange.refusal(), Some(Refusal::Authorization));
    let mut exchange = saying("public, max-age=3600");
    exchange.identified = true;
    assert_eq!(exchange.refusal(), None);
}

#[test]
fn rfc9111_4_1_what_varies_on_all_is_not_stored() {
    for vary in ["*", "accept, *", " * "] {
        let exchange = saying(HOUR).and("vary", vary);
        assert_eq!(exchange.refusal(), Some(Refusal::VaryAny), "{vary}");
    }
    let lines = saying(HOUR).and("vary", "accept").and("vary", "*");
    assert_eq!(lines.refusal(), Some(Refusal::VaryAny));
    assert_eq!(saying(HOUR).and("vary", "accept, x-*").refusal(), None);
}

#[test]
fn rfc9111_7_3_cookies_are_stored_only_where_the_endpoint_says_how_long() {
    let cookie = |exchange: Exchange| exchange.and("set-cookie", "a=b");
    assert_eq!(cookie(saying(HOUR)).refusal(), None);
    let strict = cookie(saying(HOUR)).set(|settings| settings.refuse_cookies = true);
    assert_eq!(strict.refusal(), Some(Refusal::SetCookie));
    let old = cookie(answer(&[("last-modified", &date_at(-36_000))]));
    assert_eq!(old.refusal(), Some(Refusal::SetCookie));
    let default = cookie(answer(&[])).set(for_a_minute);
    assert_eq!(default.refusal(), Some(Refusal::SetCookie));
}

#[test]
fn rfc9111_3_what_says_nothing_is_not_stored() {
    assert_eq!(answer(&[]).refusal(), Some(Refusal::NoFreshness));
    assert_eq!(saying("public").refusal(), Some(Refusal::NoFreshness));
    let tagged = answer(&[("etag", "\"a\"")]);
    assert_eq!(tagged.refusal(), Some(Refusal::NoFreshness));
    let windows = |settings: &mut Settings| settings.if_error = secs(600);
    assert_eq!(tagged.set(windows).refusal(), Some(Refusal::NoFreshness));
}

#[test]
fn what_is_to_be_asked_about_is_stored_if_there_is_something_to_ask_by() {
    for said in [
        "no-cache",
        "max-age=3600, no-cache",
        "max-age=0",
        "max-age=0, must-revalidate",
    ] {
        assert!(saying(said).keep().is_err(), "{said}");
        assert_eq!(
            saying(said).and("etag", "\"a\"").used("", 0),
            Use::Validate,
            "{said}"
        );
        let modified = saying(said).and("last-modified", &date_at(-60));
        assert_eq!(modified.used("", 0), Use::Validate, "{said}");
    }
    let terms = saying("max-age=3600, no-cache")
        .and("etag", "\"a\"")
        .terms();
    assert!(!terms.is_fresh(None, at(0)) && terms.ttl(at(0)) == 0);
    let hour = saying(HOUR).terms();
    assert!(hour.is_fresh(None, at(3599)) && !hour.is_fresh(None, at(3600)));
    assert!(!hour.is_fresh(Some(at(0)), at(0)), "purged softly");
    assert_eq!(saying("no-cache").refusal(), Some(Refusal::NoCache));
    assert_eq!(saying("max-age=0").refusal(), Some(Refusal::Stale));
    let bad = saying("no-cache").and("last-modified", "yesterday");
    assert_eq!(bad.refusal(), Some(Refusal::NoCache));
}

#[test]
fn what_comes_stale_is_stored_if_it_may_be_used_stale() {
    assert_eq!(
        saying("max-age=0, stale-while-revalidate=60").refusal(),
        None
    );
    assert_eq!(saying("max-age=0, stale-if-error=60").refusal(), None);
    let strict = saying("s-maxage=0, stale-if-error=60");
    assert_eq!(strict.refusal(), Some(Refusal::Stale));
    let old = saying("max-age=600, stale-if-error=60").and("age", "700");
    assert_eq!(old.refusal(), Some(Refusal::Stale));
}

#[test]
fn rfc9111_3_1_what_belongs_to_a_connection_is_not_stored() {
    let stored = stored_fields(&fields(&[
        ("connection", "a, b, close"),
        ("a", "1"),
        ("b", "2"),
        ("c", "3"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authentication-info", "x"),
        ("proxy-connection", "close"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "x"),
        ("age", "5"),
        ("etag", "\"a\""),
        ("test-header", "1"),
        ("test-header", "2"),
    ]));
    let mut lines: Vec<_> = stored
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    lines.sort_unstable();
    let expected: [(&str, &[u8]); 4] = [
        ("c", b"3"),
        ("etag", b"\"a\""),
        ("test-header", b"1"),
        ("test-header", b"2"),
    ];
    assert_eq!(lines, expected);
    let private = saying("private=\"te, a, b\"")
        .and("connection", "a")
        .and("a", "1");
    let private = private.and("te", "trailers").and("b", "1").and("b", "2");
    let unshared = unshared_fields(&private.answered);
    assert_eq!(unshared, fields(&[("b", "1"), ("b", "2")]));
    assert!(unshared_fields(&stored).is_empty());
}

/// Every 200 is fresh for a minute if it does not say.
fn for_a_minute(settings: &mut Settings) {
    settings.default_ttl = DefaultTtl::new([(Statuses::One(StatusCode::OK), secs(60))]);
}

#[test]
fn an_operator_that_overrides_counts_alone() {
    let ours = |exchange: Exchange| {
        exchange.set(|settings| {
            for_a_minute(settings);
            settings.origin = Origin::Override;
        })
    };
    for said in [
        "no-store",
        "private, max-age=5",
        "no-cache",
        "s-maxage=1",
        "max-age=86400, must-revalidate",
    ] {
        let exchange = ours(
            saying(said)
                .and("expires", &date_at(-60))
                .and("cdn-cache-control", "no-store"),
        );
        let terms = exchange.terms();
        assert!(exchange.is_fresh(59) && !exchange.is_fresh(60), "{said}");
        assert!(!terms.strict && !terms.validate, "{said}");
    }
    let other = ours(answer(&[("last-modified", &date_at(-86_400))]).status(404));
    assert_eq!(
        other.refusal(),
        Some(Refusal::NoFreshness),
        "no guessing either"
    );
}

#[test]
fn an_operator_that_overrides_shares_nothing_that_is_somebody_s() {
    let ours = |exchange: Exchange| {
        exchange.set(|settings| {
            for_a_minute(settings);
            settings.origin = Origin::Override;
        })
    };
    let asked = ours(saying("public, s-maxage=60").asked(&[("authorization", "Basic x")]));
    assert_eq!(asked.refusal(), Some(Refusal::Authorization));
    let cookie = ours(saying(HOUR).and("set-cookie", "a=b"));
    assert_eq!(cookie.refusal(), Some(Refusal::SetCookie));
    let vary = ours(saying(HOUR).and("vary", "*"));
    assert_eq!(vary.refusal(), Some(Refusal::VaryAny));
    let no_store = ours(saying(HOUR).asked(&[("cache-control", "no-store")]));
    assert_eq!(no_store.refusal(), Some(Refusal::RequestNoStore));
}

#[test]
fn a_refusal_lasts_unless_it_is_of_one_request_or_a_failure() {
    for (exchange, lasts) in [
        (saying("no-store"), true),
        (saying("private"), true),
        (saying("no-cache"), true),
        (saying("max-age=0"), true),
        (answer(&[]), true),
        (answer(&[("vary", "*")]), true),
        (saying("no-store").status(500), false),
        (answer(&[]).status(503), false),
        (saying(HOUR).status(206), false),
        (saying(HOUR).asked(&[("cache-control", "no-store")]), false),
        (saying(HOUR).asked(&[("authorization", "x")]), false),
        (
            saying("no-store")
                .status(401)
                .asked(&[("authorization", "x")]),
            false,
        ),
    ] {
        let refusal = exchange.refusal().expect("a refusal");
        assert_eq!(refusal.lasting(), lasts, "{refusal:?}");
    }
}
