//! Is what is told of the cache a list member of RFC 9211?

use super::*;

#[test]
fn rfc9211_2_1_a_hit_says_for_how_long_it_is_fresh() {
    assert_eq!(CacheStatus::hit(295).value(), "portcullis; hit; ttl=295");
    assert_eq!(CacheStatus::hit(0).value(), "portcullis; hit; ttl=0");
    assert_eq!(CacheStatus::hit(-12).value(), "portcullis; hit; ttl=-12");
}

#[test]
fn rfc9211_2_2_a_request_that_went_on_says_why() {
    for (why, word) in [
        (Forward::Bypass, "bypass"),
        (Forward::Method, "method"),
        (Forward::UriMiss, "uri-miss"),
        (Forward::VaryMiss, "vary-miss"),
        (Forward::Miss, "miss"),
        (Forward::Request, "request"),
        (Forward::Stale, "stale"),
        (Forward::Partial, "partial"),
    ] {
        let value = CacheStatus::forwarded(why).value();
        assert_eq!(value, format!("portcullis; fwd={word}"));
    }
}

#[test]
fn rfc9211_2_everything_that_is_known_is_told_in_one_order() {
    let status = CacheStatus {
        fwd: Some(Forward::Stale),
        // Told of what did not go on only.
        hit: true,
        fwd_status: Some(StatusCode::NOT_MODIFIED),
        ttl: Some(60),
        stored: true,
        collapsed: true,
        detail: Some("set-cookie"),
    };
    assert_eq!(
        status.value(),
        "portcullis; fwd=stale; fwd-status=304; ttl=60; stored; collapsed; detail=set-cookie"
    );
    assert_eq!(CacheStatus::default().value(), "portcullis");
}

#[test]
fn rfc9211_2_8_a_detail_is_a_token_or_a_string() {
    let detailed = |detail| {
        let status = CacheStatus {
            detail: Some(detail),
            ..CacheStatus::default()
        };
        status.value()
    };
    assert_eq!(detailed("a/b:c"), "portcullis; detail=a/b:c");
    assert_eq!(detailed("two words"), "portcullis; detail=\"two words\"");
    assert_eq!(detailed("1st"), "portcullis; detail=\"1st\"");
    assert_eq!(detailed("a\"b\\"), "portcullis; detail=\"a\\\"b\\\\\"");
    assert_eq!(detailed(""), "portcullis; detail=\"\"");
}

#[test]
fn rfc8941_3_3_1_no_number_has_more_than_fifteen_digits() {
    assert_eq!(
        CacheStatus::hit(i64::MAX).value(),
        "portcullis; hit; ttl=999999999999999"
    );
    assert_eq!(
        CacheStatus::hit(i64::MIN).value(),
        "portcullis; hit; ttl=-999999999999999"
    );
}
