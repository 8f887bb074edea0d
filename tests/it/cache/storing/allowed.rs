//! What may be stored, by what the endpoint, the client and the operator say?

use super::*;

const IN_2050: (&str, &str) = ("Expires", "Thu, 18 Aug 2050 02:01:18 GMT");
const ONCE: (&str, &str) = ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");

/// The lines of a request, the fields of its answer, and whether that is stored.
type Case<'c> = (&'c [&'c str], &'c [(&'c str, &'c str)], bool);

/// An answer with these fields to requests with these lines is stored, or not.
async fn stores(settings: &str, cases: &[Case<'_>]) {
    let origin = origin().await;
    let (_portcullis, mut raw) = caching(&origin, settings).await;
    for (index, (lines, fields, may_be)) in cases.iter().enumerate() {
        let path = format!("/{index}");
        origin.script(&path, [with(fields)]);
        if *may_be {
            let hit = stored(&mut raw, &path, lines).await;
            assert_eq!(hit.text(), "made once");
            assert_eq!(origin.count(&path), 1, "{fields:?}");
        } else {
            let what = format!("{lines:?} {fields:?}");
            is_never_stored(&origin, &mut raw, &path, lines, &what).await;
        }
    }
}

#[tokio::test]
async fn rfc9111_3_what_the_endpoint_says_decides() {
    let cases: &[Case] = &[
        (&[], &[HOUR], true),
        (&[], &[IN_2050], true),
        (&[], &[ONCE], true),
        (
            &[],
            &[
                ("Cache-Control", "max-age=0"),
                ("Cache-Control", "s-maxage=60"),
            ],
            true,
        ),
        (&[], &[], false),
        (&[], &[("ETag", "\"a\"")], false),
        (&[], &[HOUR, ("Cache-Control", "No-Store")], false),
        (&[], &[IN_2050, ("Cache-Control", "private")], false),
        (&[], &[HOUR, ("Cache-Control", "private=\"vary\"")], false),
        (
            &[],
            &[("Cache-Control", "a=\"b, private, max-age=3600")],
            false,
        ),
        (
            &[],
            &[("Cache-Control", "a=\"private, no-store\", max-age=3600")],
            true,
        ),
        (&[], &[HOUR, ("Vary", "Accept, *")], false),
        (
            &[],
            &[HOUR, ("Cache-Control", "no-store, must-understand")],
            true,
        ),
        (&[], &[("Cache-Control", "max-age=3600, no-cache")], false),
        (&[], &[("Cache-Control", "max-age=-5"), IN_2050], false),
        (&[], &[("Cache-Control", "max-age='5'"), IN_2050], false),
        (&[], &[("Expires", "0")], false),
        (&[], &[HOUR, COOKIE], true),
        (&[], &[ONCE, COOKIE], false),
    ];
    stores("", cases).await;
}

#[tokio::test]
async fn rfc9111_3_what_the_client_says_decides_too() {
    let cases: &[Case] = &[
        (&["Cache-Control: no-store"], &[HOUR], false),
        (&["Cookie: a=b"], &[HOUR], true),
        (&["Authorization: Basic YTpi"], &[HOUR], false),
        (
            &["Authorization: Basic YTpi"],
            &[HOUR, ("Cache-Control", "public")],
            true,
        ),
        (
            &["Authorization: Basic YTpi"],
            &[HOUR, ("Cache-Control", "must-revalidate")],
            true,
        ),
        (
            &["Authorization: Basic YTpi"],
            &[("Cache-Control", "s-maxage=60")],
            true,
        ),
    ];
    stores("", cases).await;
}

#[tokio::test]
async fn rfc9213_2_2_what_is_said_to_this_cache_counts_alone() {
    let no_store = ("Cache-Control", "no-store");
    let cases: &[Case] = &[
        (&[], &[("CDN-Cache-Control", "max-age=60"), no_store], true),
        (
            &[],
            &[("CDN-Cache-Control", "max-age=60, &&"), no_store],
            false,
        ),
        (&[], &[("CDN-Cache-Control", "max-age=\"60\""), HOUR], false),
        (
            &[],
            &[("CDN-Cache-Control", "no-store"), HOUR, IN_2050],
            false,
        ),
        (&[], &[("CDN-Cache-Control", ""), HOUR], true),
        (
            &[],
            &[
                ("Portcullis-Cache-Control", "max-age=60"),
                ("CDN-Cache-Control", "no-store"),
            ],
            true,
        ),
        (
            &[],
            &[
                ("Portcullis-Cache-Control", "private"),
                ("CDN-Cache-Control", "max-age=60"),
            ],
            false,
        ),
    ];
    stores("", cases).await;
}

#[tokio::test]
async fn with_the_strict_switch_no_answer_that_sets_cookies_is_stored() {
    let cases: &[Case] = &[
        (&[], &[HOUR, COOKIE], false),
        (
            &[],
            &[("Cache-Control", "public, s-maxage=60"), COOKIE],
            false,
        ),
        (&[], &[HOUR], true),
    ];
    stores("set_cookie: refuse", cases).await;
}

#[tokio::test]
async fn an_operator_that_overrides_decides_alone_and_shares_nothing_that_is_somebody_s() {
    let cases: &[Case] = &[
        (
            &[],
            &[("Cache-Control", "no-store, private"), ("Expires", "0")],
            true,
        ),
        (&[], &[("CDN-Cache-Control", "no-store")], true),
        (&[], &[("Cache-Control", "max-age=3600"), COOKIE], false),
        (
            &["Authorization: Basic YTpi"],
            &[("Cache-Control", "public, s-maxage=60")],
            false,
        ),
        (&["Cache-Control: no-store"], &[], false),
        (&[], &[("Vary", "*")], false),
    ];
    stores("origin_headers: override, default_ttl: {2xx: 1m}", cases).await;
}

#[tokio::test]
async fn rfc9111_3_every_final_status_may_be_stored_if_the_endpoint_says_so() {
    let origin = origin().await;
    let (_portcullis, mut raw) = caching(&origin, "").await;
    for status in [
        200, 203, 204, 299, 301, 302, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599,
    ] {
        let (says, silent) = (format!("/{status}"), format!("/{status}/silent"));
        let answer = Scripted::new(status).field("Location", "/elsewhere");
        origin.script(&says, [answer.clone().field(HOUR.0, HOUR.1)]);
        origin.script(&silent, [answer]);
        let hit = stored(&mut raw, &says, &[]).await;
        assert_eq!(
            (hit.status, hit.header("location")),
            (status, Some("/elsewhere"))
        );
        assert_eq!(origin.count(&says), 1, "{status}");
        is_never_stored(&origin, &mut raw, &silent, &[], &silent).await;
    }
    for status in [206, 428, 429, 431, 511] {
        let path = format!("/{status}");
        let partial = ("Content-Range", "bytes 0-3/9");
        origin.script(
            &path,
            [Scripted::new(status)
                .field(HOUR.0, HOUR.1)
                .field(partial.0, partial.1)
                .body("made")],
        );
        for count in 1..=2 {
            let answer = ask(&mut raw, &format!("GET {path}"), &[]).await;
            assert!(!cache_status(&answer).contains("; hit"), "{answer:?}");
            assert_eq!(origin.count(&path), count, "{status}");
        }
    }
}
