//! Which requests of a route mean the same object, as it is written?

use http::HeaderName;
use http::header::{
    AUTHORIZATION, CONNECTION, COOKIE, HOST, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, PROXY_AUTHORIZATION, RANGE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use crate::cache::key::{KeyRule, NamePattern, Names, QueryRule};
use crate::config::route::cache::{CacheKey, CacheQuery, RouteCache};
use crate::config::{Config, Route, Spanned};
use crate::snapshot::reporter::Reporter;

/// With more cookies than this in the key, hardly two clients have the same one.
const MANY_COOKIES: usize = 4;

/// Words in the names of cookies that each client has its own of.
const OF_ONE_CLIENT: [&str; 6] = ["session", "sess", "sid", "token", "auth", "csrf"];

/// Compiles the key; what is wrong with it is reported.
pub(super) fn compile(
    route: &Route,
    written: &RouteCache,
    config: &Config,
    reporter: &mut Reporter<'_>,
) -> KeyRule {
    let key = &written.key;
    let rule = KeyRule {
        scheme: key.scheme,
        host: key.host.value,
        query: query(&key.query, reporter),
        sort_query: key.sort_query,
        headers: headers(&key.headers, reporter),
        cookies: cookies(&key.cookies, reporter),
    };
    let no_query = matches!(key.query.value, CacheQuery::None);
    if key.sort_query && no_query {
        let message = "has no effect without a query";
        let at = key.query.position.clone();
        reporter.warning_at("cache.key.sort_query", at, message, Some("leave it out"));
    }
    host_seen(route, key, config, reporter);
    parameters_matched(route, key, &rule.query, reporter);
    rule
}

fn query(written: &Spanned<CacheQuery>, reporter: &mut Reporter<'_>) -> QueryRule {
    match &written.value {
        CacheQuery::All => QueryRule::All,
        CacheQuery::None => QueryRule::None,
        CacheQuery::Allow(list) => {
            let names = patterns("allow", list, written, "none", reporter);
            QueryRule::Allow(names)
        }
        CacheQuery::Deny(list) => {
            let names = patterns("deny", list, written, "all", reporter);
            QueryRule::Deny(names)
        }
    }
}

/// The names of a list. `if_empty` is the word for a list without any.
fn patterns(
    list: &str,
    written: &[Spanned<String>],
    whole: &Spanned<CacheQuery>,
    if_empty: &str,
    reporter: &mut Reporter<'_>,
) -> Names {
    let key = format!("cache.key.query.{list}");
    if written.is_empty() {
        let hint = format!("write `query: {if_empty}`");
        reporter.error(&key, whole, "the list is empty", Some(&hint));
    }
    let mut patterns: Vec<NamePattern> = Vec::new();
    for (index, name) in written.iter().enumerate() {
        let key = format!("{key}[{index}]");
        let (start, is_prefix) = match name.strip_suffix('*') {
            Some(start) => (start, true),
            None => (name.as_str(), false),
        };
        if let Err((message, hint)) = parameter(start, is_prefix, list) {
            reporter.error(&key, name, message, Some(&hint));
            continue;
        }
        let covered = patterns.iter().any(|pattern| match is_prefix {
            true => matches!(pattern, NamePattern::Prefix(other) if start.starts_with(&**other)),
            false => pattern.is_met_by(start.as_bytes()),
        });
        if covered {
            let message = format!("`{}` is in the list already", name.escape_debug());
            reporter.warning(&key, name, message, None);
        }
        patterns.push(match is_prefix {
            true => NamePattern::Prefix(start.into()),
            false => NamePattern::Name(start.into()),
        });
    }
    Names::new(patterns)
}

/// Whether this can be the name of a parameter, or how names begin.
fn parameter(name: &str, is_prefix: bool, list: &str) -> Result<(), (String, String)> {
    let shown = name.escape_debug();
    if name.is_empty() {
        return Err(match is_prefix {
            true => (
                "`*` is every name".to_owned(),
                match list {
                    "allow" => "write `query: all`".to_owned(),
                    _ => "write `query: none`".to_owned(),
                },
            ),
            false => ("the name is empty".to_owned(), "leave it out".to_owned()),
        });
    }
    if name.contains('*') {
        let message = format!("`{shown}` has a `*` that is not at its end");
        return Err((
            message,
            "write `utm_*` for all names that begin so".to_owned(),
        ));
    }
    if let Some(sign) = name.chars().find(|sign| "&=?#".contains(*sign)) {
        let message = format!("`{shown}` has a `{sign}`, which no name has");
        return Err((
            message,
            "write the name alone, without its value".to_owned(),
        ));
    }
    if name.contains('%') {
        let decoded = crate::route::decoded_parameter(name.as_bytes());
        if decoded != name.as_bytes() {
            let decoded = String::from_utf8_lossy(&decoded);
            let message = format!("`{shown}` is not how names are written here: decoded");
            return Err((message, format!("write `{}`", decoded.escape_debug())));
        }
    }
    Ok(())
}

fn headers(written: &[Spanned<String>], reporter: &mut Reporter<'_>) -> Box<[HeaderName]> {
    let mut names: Vec<HeaderName> = Vec::new();
    for (index, name) in written.iter().enumerate() {
        let key = format!("cache.key.headers[{index}]");
        let shown = name.escape_debug();
        let Ok(parsed) = HeaderName::try_from(name.as_str()) else {
            let message = format!("`{shown}` is not the name of a header field");
            reporter.error(&key, name, message, None);
            continue;
        };
        if let Some((message, hint)) = unfit(&parsed) {
            reporter.error(&key, name, format!("`{shown}` {message}"), Some(hint));
        } else if names.contains(&parsed) {
            reporter.warning(&key, name, format!("`{shown}` stands here twice"), None);
        } else {
            doubtful(&key, name, &parsed, reporter);
            names.push(parsed);
        }
    }
    // Their order does not matter to who writes them.
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.into()
}

/// Why a field can't tell objects apart, and what to write instead.
fn unfit(name: &HeaderName) -> Option<(&'static str, &'static str)> {
    const OF_CONNECTION: [HeaderName; 6] = [
        CONNECTION,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    const OF_QUESTION: [HeaderName; 6] = [
        IF_MATCH,
        IF_MODIFIED_SINCE,
        IF_NONE_MATCH,
        IF_RANGE,
        IF_UNMODIFIED_SINCE,
        RANGE,
    ];
    let others = ["keep-alive", "proxy-connection"];
    if OF_CONNECTION.contains(name) || others.contains(&name.as_str()) {
        return Some(("belongs to the connection", "leave it out"));
    }
    if OF_QUESTION.contains(name) {
        let why =
            "asks for a part, or on a condition: the cache answers that itself, from the whole";
        return Some((why, "leave it out"));
    }
    if *name == HOST {
        return Some((
            "is in the key anyhow",
            "write `host: true`, which is the default",
        ));
    }
    (*name == COOKIE).then_some((
        "is all cookies together",
        "name the ones that count in `cookies`",
    ))
}

/// Warns of fields that each client has its own value of.
fn doubtful(key: &str, name: &Spanned<String>, parsed: &HeaderName, reporter: &mut Reporter<'_>) {
    let (message, hint) = match parsed.as_str() {
        _ if *parsed == AUTHORIZATION => (
            "each user has objects of their own, and their secrets stand in the keys, on disk as well",
            "leave it out: what is not `public` is not stored for anyone else anyhow",
        ),
        "user-agent" => (
            "hardly two clients send the same, so that nearly each has objects of its own",
            "go by what is meant: a field that a policy in front sets, or a cookie",
        ),
        "accept-encoding" | "accept-language" => (
            "clients write the same wish in many ways, and each is an object",
            "leave it out, and let the endpoints name it in `Vary`, whose values are brought into one form",
        ),
        _ => return,
    };
    reporter.warning(key, name, message, Some(hint));
}

fn cookies(written: &[Spanned<String>], reporter: &mut Reporter<'_>) -> Box<[Box<str>]> {
    let mut names: Vec<Box<str>> = Vec::new();
    for (index, name) in written.iter().enumerate() {
        let key = format!("cache.key.cookies[{index}]");
        let shown = name.escape_debug();
        // RFC 6265 §4.1.1: a token, as the name of a field is.
        if HeaderName::try_from(name.as_str()).is_err() {
            let message = format!("`{shown}` is not the name of a cookie");
            reporter.error(&key, name, message, None);
            continue;
        }
        if names.iter().any(|other| **other == *name.value) {
            reporter.warning(&key, name, format!("`{shown}` stands here twice"), None);
            continue;
        }
        let lower = name.to_ascii_lowercase();
        if OF_ONE_CLIENT.iter().any(|word| lower.contains(word)) {
            let message = format!("each client has its own `{shown}`, and so objects of its own");
            let hint = format!(
                "write `bypass: [cookie.{shown}]` if who has it is not to be answered from the cache"
            );
            reporter.warning(&key, name, message, Some(&hint));
        }
        names.push(name.as_str().into());
    }
    if names.len() > MANY_COOKIES
        && let Some(first) = written.first()
    {
        let message = format!(
            "with {} cookies in the key, hardly two clients have an object in common",
            names.len()
        );
        let hint = "name only those that the endpoints answer by";
        reporter.warning("cache.key.cookies", first, message, Some(hint));
    }
    names.sort_unstable();
    names.into()
}

/// Warns where one host's answer, as the endpoint gives it, becomes that of all others.
fn host_seen(route: &Route, key: &CacheKey, config: &Config, reporter: &mut Reporter<'_>) {
    let rewritten = route
        .rewrite
        .as_ref()
        .is_some_and(|rewrite| rewrite.host.is_some());
    if key.host.value || rewritten {
        return;
    }
    let named = route.pool.as_ref();
    let pool = named.and_then(|name| {
        config
            .pools
            .iter()
            .find(|pool| pool.name.value == name.value)
    });
    if pool.is_some_and(|pool| pool.host.value == "keep") {
        let message = "the endpoint is asked with the host that the first client wrote, and all others have its answer";
        let hint = "give the pool a `host`, or the route `rewrite.host`, so that it does not depend on the client";
        reporter.warning("cache.key.host", &key.host, message, Some(hint));
    }
}

/// Warns of parameters that the route is chosen by and the endpoint does not get.
fn parameters_matched(
    route: &Route,
    key: &CacheKey,
    rule: &QueryRule,
    reporter: &mut Reporter<'_>,
) {
    let matched = route.r#match.query.iter();
    if let Some(parameter) = matched
        .map(|field| &field.name)
        .find(|name| !rule.keeps(name.as_bytes()))
    {
        let message = format!(
            "the route is chosen by `{}`, which the endpoint does not get",
            parameter.escape_debug()
        );
        let hint = "keep it in the query if the endpoint goes by it";
        reporter.warning("cache.key.query", &key.query, message, Some(hint));
    }
}
