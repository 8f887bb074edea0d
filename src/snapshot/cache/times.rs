//! How long is what is stored fresh, used stale and waited for?

use std::time::Duration;

use http::StatusCode;

use super::overrides;
use crate::cache::rules::{DefaultTtl, Origin, Settings, Statuses};
use crate::config::route::cache::{RouteCache, SetCookie};
use crate::config::units::StatusRange;
use crate::config::{Route, Spanned, Timespan};
use crate::snapshot::reporter::Reporter;

/// Nothing is fresh or used stale for longer.
const LONGEST: Timespan = Timespan::days(365);
/// Nobody waits longer than that for another's fetch.
const LONGEST_WAIT: Timespan = Timespan::minutes(10);

/// Statuses whose answers are not for anyone else, and why.
const NOT_SHARED: [(u16, &str); 17] = [
    (206, "is about a part"),
    (304, "is about what somebody has already"),
    (401, "is about who asks"),
    (407, "is about who asks"),
    (408, "is about how one request came"),
    (412, "is about the conditions of one request"),
    (413, "is about the body of one request"),
    (416, "is about the range of one request"),
    (417, "is about the expectation of one request"),
    (421, "is about one connection"),
    (425, "is about how one request came"),
    (426, "is about one connection"),
    (428, "is about the conditions of one request"),
    (429, "is about one client"),
    (431, "is about the header of one request"),
    (505, "is about the version of one request"),
    (511, "is about one client"),
];

/// What is kept, and how long; what is wrong with it is reported.
pub(super) fn compile(
    route: &Route,
    written: &RouteCache,
    reporter: &mut Reporter<'_>,
) -> Settings {
    let default_ttl = default_ttl(written, reporter);
    let times = [
        ("max_ttl", written.max_ttl.as_ref()),
        (
            "stale_while_revalidate",
            Some(&written.stale_while_revalidate),
        ),
        ("stale_if_error", Some(&written.stale_if_error)),
    ];
    for (key, time) in times {
        if let Some(time) = time {
            at_most_a_year(&format!("cache.{key}"), time, reporter);
        }
    }
    if let Some(most) = &written.max_ttl
        && most.is_zero()
    {
        let message = "nothing is ever fresh: the endpoint is asked about each answer each time";
        let hint = "leave it out, or write `enabled: false`";
        reporter.warning("cache.max_ttl", most, message, Some(hint));
    }
    if overrides(written) && written.default_ttl.is_empty() {
        let at = written.origin_headers.position.clone();
        let at = at.or_else(|| {
            route
                .cache
                .as_ref()
                .and_then(|cache| cache.position.clone())
        });
        let message =
            "nothing says how long answers are fresh, so only some with `Last-Modified` are stored";
        let hint = "say it in `default_ttl`, as `{ 200: 5m }`";
        reporter.warning_at("cache.origin_headers", at, message, Some(hint));
    }
    Settings {
        origin: match overrides(written) {
            true => Origin::Override,
            false => Origin::Respect,
        },
        default_ttl,
        max_ttl: written.max_ttl.as_ref().map(|time| time.as_duration()),
        while_revalidate: written.stale_while_revalidate.as_duration(),
        if_error: written.stale_if_error.as_duration(),
        refuse_cookies: written.set_cookie == SetCookie::Refuse,
    }
}

/// How long a request waits for another's fetch.
pub(super) fn collapse(written: &Spanned<Timespan>, reporter: &mut Reporter<'_>) -> Duration {
    if written.value > LONGEST_WAIT {
        let message = format!("`{}` is longer than anybody waits", written.value);
        let hint =
            "write a few seconds: after them a request goes to an endpoint itself; 10m is the most";
        reporter.error("cache.collapse", written, message, Some(hint));
    }
    written.as_duration()
}

fn at_most_a_year(key: &str, time: &Spanned<Timespan>, reporter: &mut Reporter<'_>) {
    if time.value > LONGEST {
        let message = format!("`{}` is more than a year", time.value);
        reporter.error(key, time, message, Some("write 365d at most"));
    }
}

fn default_ttl(written: &RouteCache, reporter: &mut Reporter<'_>) -> DefaultTtl {
    let mut pairs = Vec::new();
    for (name, time) in &written.default_ttl {
        let key = format!("cache.default_ttl.{}", name.escape_debug());
        match statuses(name) {
            Ok(statuses) => {
                at_most_a_year(&key, time, reporter);
                pairs.extend(statuses.into_iter().map(|one| (one, time.as_duration())));
            }
            Err((message, hint)) => reporter.error(&key, time, message, Some(&hint)),
        }
        if name == "400" {
            let message = "what is wrong with one request may not show in the key, and all others would have its answer";
            reporter.warning(&key, time, message, Some("leave it out"));
        }
        if let Some(most) = &written.max_ttl
            && time.value > most.value
        {
            let message = format!("`{}` is over `max_ttl`, {}", time.value, most.value);
            let hint = "write at most that, or raise it";
            reporter.error(&key, time, message, Some(hint));
        }
    }
    DefaultTtl::new(pairs)
}

/// The statuses of a code, or of a class without those that are not shared.
fn statuses(name: &str) -> Result<Vec<Statuses>, (String, String)> {
    const HINT: &str = "write a code as `200`, or a class as `3xx`";
    let not_one = || {
        format!(
            "`{}` is neither a status code nor a class",
            name.escape_debug()
        )
    };
    let interim = || {
        let message = "answers of 1xx are not final, and are not stored".to_owned();
        (message, HINT.to_owned())
    };
    if let Some(class) = StatusRange::class(name) {
        return match name.as_bytes() {
            [b'1', ..] => Err(interim()),
            [_, b'x', b'x'] => Ok(codes(class)),
            _ => Err((not_one(), format!("write `{}`", name.to_ascii_lowercase()))),
        };
    }
    let Ok(range) = name.parse::<StatusRange>() else {
        return Err((not_one(), HINT.to_owned()));
    };
    let (first, last) = (*range.codes().start(), *range.codes().end());
    if first != last {
        let hint = match first / 100 == last / 100 {
            true => format!(
                "write the codes one by one, or all of them as `{}xx`",
                first / 100
            ),
            false => HINT.to_owned(),
        };
        return Err((not_one(), hint));
    }
    match NOT_SHARED.iter().find(|(code, _)| *code == first) {
        _ if first < 200 => Err(interim()),
        Some((code, why)) => Err((
            format!("an answer of {code} {why}, and is not stored"),
            "leave it out".to_owned(),
        )),
        None => Ok(codes(range)),
    }
}

fn codes(range: StatusRange) -> Vec<Statuses> {
    // What one request may be wrong in is not shared unless its code is written.
    let is_class = range.codes().len() > 1;
    let is_of_one = |code: &u16| {
        let listed = NOT_SHARED.iter().any(|(other, _)| other == code);
        listed || is_class && *code == 400
    };
    let codes = range.codes().filter(|code| !is_of_one(code));
    let codes = codes.filter_map(|code| StatusCode::from_u16(code).ok());
    codes.map(Statuses::One).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_all_of_its_codes_that_are_for_everyone() {
        let has = |name: &str, code: u16| {
            let status = StatusCode::from_u16(code).expect("a code");
            statuses(name).expect(name).contains(&Statuses::One(status))
        };
        assert!(has("404", 404) && has("4xx", 404) && has("4xx", 499) && has("2xx", 200));
        assert!(has("400", 400) && !has("4xx", 400) && !has("404", 405));
        for (name, code) in [
            ("2xx", 206),
            ("3xx", 304),
            ("4xx", 401),
            ("4xx", 429),
            ("5xx", 511),
        ] {
            assert!(!has(name, code), "{code}");
            assert!(statuses(&code.to_string()).is_err(), "{code}");
        }
    }

    #[test]
    fn what_is_no_status_gets_a_hint() {
        for (name, hint) in [
            ("3XX", "write `3xx`"),
            (
                "300-399",
                "write the codes one by one, or all of them as `3xx`",
            ),
            ("1xx", "write a code as `200`, or a class as `3xx`"),
            ("100", "write a code as `200`, or a class as `3xx`"),
            ("any", "write a code as `200`, or a class as `3xx`"),
            ("6xx", "write a code as `200`, or a class as `3xx`"),
            ("", "write a code as `200`, or a class as `3xx`"),
        ] {
            assert_eq!(statuses(name).expect_err(name).1, hint, "{name}");
        }
    }
}
