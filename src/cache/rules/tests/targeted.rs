//! What counts of what is said to this cache in particular?

use super::exchange::*;

/// An answer with this `CDN-Cache-Control`.
fn cdn(said: &str) -> Exchange {
    answer(&[("cdn-cache-control", said)])
}

#[test]
fn rfc9213_2_2_a_targeted_field_counts_instead_of_cache_control_and_expires() {
    for (said, lifetime) in [
        ("max-age=3600", 3600),
        ("max-age=600, foobar", 600),
        ("s-maxage=5, max-age=7", 5),
    ] {
        let exchange = cdn(said)
            .and("cache-control", "no-store, max-age=1")
            .and("expires", "0");
        assert_eq!(exchange.terms().lifetime, secs(lifetime), "{said}");
    }
    let short = cdn("max-age=1").and("cache-control", "max-age=3600");
    assert_eq!(short.terms().lifetime, secs(1));
    for (said, refusal) in [
        ("no-store", Refusal::NoStore),
        ("private", Refusal::Private),
        ("no-cache", Refusal::NoCache),
        ("max-age=0", Refusal::Stale),
        ("foobar", Refusal::NoFreshness),
    ] {
        let exchange = cdn(said)
            .and("cache-control", "max-age=3600")
            .and("expires", &date_at(3600));
        assert_eq!(exchange.refusal(), Some(refusal), "{said}");
    }
}

#[test]
fn rfc9213_2_2_the_nearer_target_counts() {
    let exchange = cdn("max-age=3600").and("portcullis-cache-control", "max-age=5");
    assert_eq!(exchange.terms().lifetime, secs(5));
    let empty = cdn("max-age=3600").and("portcullis-cache-control", " ");
    assert_eq!(empty.terms().lifetime, secs(3600));
    let bad = cdn("max-age=3600").and("portcullis-cache-control", "max-age=5,");
    assert_eq!(bad.terms().lifetime, secs(3600));
}

#[test]
fn rfc9213_2_1_what_is_no_dictionary_does_not_count() {
    for bad in [
        "",
        "max-age=10000, &&&&&",
        "max-age=10000,",
        ", max-age=10000",
        "max-age =100",
        "max-age= 100",
        "MaX-aGe=3600",
        "max-age=100 public",
        "max-age=\"100",
        "max-age=100a",
        "max-age=1.",
        "max-age=1234567890123456",
        "public;",
        "a=?2, max-age=5",
        "a=(1 2, max-age=5",
        "a=:x, max-age=5",
        "a=\"\u{e9}\", max-age=5",
        "a=\"\\x\", max-age=5",
        "a=@1.5, max-age=5",
        "a=%\"%zz\", max-age=5",
        "a=%\"%ff\", max-age=5",
    ] {
        let exchange = cdn(bad).and("cache-control", "max-age=60");
        assert_eq!(exchange.terms().lifetime, secs(60), "{bad}");
    }
}

#[test]
fn rfc9651_3_2_everything_that_may_stand_in_a_dictionary_is_read_over() {
    for said in [
        "a=1.5, b=\"x, \\\"y\", c=tok:en/, d=:YQ==:, e=?1, f=?0, max-age=60",
        "max-age=60;p;q=1 ,  x=(1 \"a\";b c);d=2,\ty=()",
        "*a.b-c_1, g=@1659578233, h=%\"f%c3%bc\", i=-5, max-age=60",
        "max-age=5, max-age=60",
        "  max-age=60  ",
    ] {
        assert_eq!(cdn(said).terms().lifetime, secs(60), "{said}");
    }
    let lines = cdn("public")
        .and("cdn-cache-control", "")
        .and("cdn-cache-control", "max-age=60");
    assert_eq!(lines.terms().lifetime, secs(60));
}

#[test]
fn rfc9213_2_1_a_directive_of_the_wrong_type_allows_nothing() {
    for said in [
        "max-age=\"10000\"",
        "max-age=60.5",
        "max-age",
        "max-age=-1",
        "max-age=token",
        "max-age=(60)",
    ] {
        let exchange = cdn(said).and("cache-control", "max-age=60");
        assert_eq!(exchange.refusal(), Some(Refusal::Stale), "{said}");
    }
    let public = cdn("max-age=60, public=?0").asked(&[("authorization", "x")]);
    assert_eq!(public.refusal(), Some(Refusal::Authorization));
    assert_eq!(
        cdn("max-age=60, private=token").refusal(),
        Some(Refusal::Private)
    );
}

#[test]
fn rfc9213_2_1_fields_are_named_in_strings() {
    let exchange = cdn("max-age=60, private=\"x-user\"").and("x-user", "1");
    exchange.terms();
    assert!(!stored_fields(&exchange.answered).contains_key("x-user"));
}

#[test]
fn rfc9213_2_2_a_targeted_field_may_allow_stale() {
    let exchange = cdn("max-age=60, stale-while-revalidate=30").and("cache-control", "s-maxage=5");
    assert_eq!(exchange.used("", 61), Use::WhileRevalidating);
}
