//! How does what is written about caching become rules and settings?

use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderName, StatusCode};

use super::networks::networks;
use super::reporter::Reporter;
use crate::cache::key::{KeyRule, NamePattern, Names, QueryRule};
use crate::cache::rule::{Bypass, Rule};
use crate::cache::rules::{DefaultTtl, Origin, Settings, Statuses};
use crate::cache::{CacheSettings, DiskSettings};
use crate::config::cache::Cache as Written;
use crate::config::route::cache::{CacheQuery, OriginHeaders, RouteCache, SetCookie};
use crate::config::{Config, Diagnostics, Route, Spanned};

/// The settings of the process's cache.
pub(super) fn compile(written: &Written, _diagnostics: &mut Diagnostics) -> CacheSettings {
    CacheSettings {
        memory: written.memory.as_u64(),
        disk: written.disk.as_ref().map(|disk| DiskSettings {
            path: PathBuf::from(&disk.path.value),
            size: disk.size.as_u64(),
        }),
    }
}

/// What a route does with its cache.
pub(super) fn of_route(
    route: &Route,
    config: &Config,
    reporter: &mut Reporter<'_>,
) -> Option<Rule> {
    let written = &route.cache.as_ref()?.value;
    let rule = Rule {
        space: Arc::from(written.space.as_ref().unwrap_or(&route.name).as_str()),
        key: key(written, reporter),
        settings: settings(written),
        bypass: bypass(&written.bypass, reporter),
        max_object: match &written.max_object {
            Some(size) => size.as_u64(),
            None => config.cache.max_object().as_u64(),
        },
        collapse: written.collapse.as_duration(),
        purgers: networks("cache.purge_from", &written.purge_from, reporter),
    };
    written.enabled.then_some(rule)
}

fn key(written: &RouteCache, reporter: &mut Reporter<'_>) -> KeyRule {
    let key = &written.key;
    let mut headers = Vec::new();
    for (index, name) in key.headers.iter().enumerate() {
        match HeaderName::try_from(name.as_str()) {
            Ok(name) => headers.push(name),
            Err(_) => {
                let key = format!("cache.key.headers[{index}]");
                let message = format!(
                    "`{}` is not the name of a header field",
                    name.escape_debug()
                );
                reporter.error(&key, name, message, None);
            }
        }
    }
    headers.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    headers.dedup();
    let mut cookies: Vec<Box<str>> = key
        .cookies
        .iter()
        .map(|name| name.as_str().into())
        .collect();
    cookies.sort_unstable();
    cookies.dedup();
    let names = |written: &[Spanned<String>]| {
        let patterns = written.iter().map(|name| match name.strip_suffix('*') {
            Some(start) => NamePattern::Prefix(start.into()),
            None => NamePattern::Name(name.as_str().into()),
        });
        Names::new(patterns.collect())
    };
    KeyRule {
        scheme: key.scheme,
        host: key.host.value,
        query: match &key.query.value {
            CacheQuery::All => QueryRule::All,
            CacheQuery::None => QueryRule::None,
            CacheQuery::Allow(written) => QueryRule::Allow(names(written)),
            CacheQuery::Deny(written) => QueryRule::Deny(names(written)),
        },
        sort_query: key.sort_query,
        headers: headers.into(),
        cookies: cookies.into(),
    }
}

fn bypass(written: &[Spanned<String>], reporter: &mut Reporter<'_>) -> Box<[Bypass]> {
    let mut words = Vec::new();
    for (index, word) in written.iter().enumerate() {
        match Bypass::parse(word) {
            Ok(word) => words.push(word),
            Err(error) => {
                let key = format!("cache.bypass[{index}]");
                let hint = "write `header.NAME`, `cookie.NAME` or `query.NAME`";
                reporter.error(&key, word, error.to_string(), Some(hint));
            }
        }
    }
    words.into()
}

fn settings(written: &RouteCache) -> Settings {
    let mut times = Vec::new();
    for (word, time) in &written.default_ttl {
        let statuses = match word.strip_suffix("xx") {
            Some(class) => class.parse().ok().map(Statuses::Class),
            None => StatusCode::from_bytes(word.as_bytes())
                .ok()
                .map(Statuses::One),
        };
        if let Some(statuses) = statuses {
            times.push((statuses, time.as_duration()));
        }
    }
    Settings {
        origin: match written.origin_headers.value {
            OriginHeaders::Respect => Origin::Respect,
            OriginHeaders::Override => Origin::Override,
        },
        default_ttl: DefaultTtl::new(times),
        max_ttl: written.max_ttl.as_ref().map(|time| time.as_duration()),
        while_revalidate: written.stale_while_revalidate.as_duration(),
        if_error: written.stale_if_error.as_duration(),
        refuse_cookies: written.set_cookie == SetCookie::Refuse,
    }
}
