//! How does what is written about caching become rules and settings?

mod directory;
mod key;
mod settings;
mod spaces;
mod times;
mod users;

use std::sync::Arc;

use super::networks::networks;
use super::reporter::Reporter;
use crate::admission::NetworkSet;
use crate::cache::rule::{Bypass, Rule};
use crate::config::route::cache::{OriginHeaders, RouteCache};
use crate::config::{ByteSize, Config, Route, Spanned};
pub(super) use settings::{check_used, compile};
pub(super) use spaces::Spaces;

/// What a route does with its cache.
pub(super) fn of_route(
    route: &Route,
    config: &Config,
    reporter: &mut Reporter<'_>,
) -> Option<Rule> {
    let written = &route.cache.as_ref()?.value;
    let rule = Rule {
        space: space(route, written, reporter),
        key: key::compile(route, written, config, reporter),
        settings: times::compile(route, written, reporter),
        bypass: bypass(&written.bypass, reporter),
        max_object: max_object(written, config, reporter),
        collapse: times::collapse(&written.collapse, reporter),
        purgers: purgers(&written.purge_from, reporter),
    };
    if !written.enabled {
        return None;
    }
    users::keyed(route, &written.key.headers, reporter);
    users::check(route, written.origin_headers.value, reporter);
    Some(rule)
}

fn space(route: &Route, written: &RouteCache, reporter: &mut Reporter<'_>) -> Arc<str> {
    let Some(space) = &written.space else {
        return Arc::from(route.name.as_str());
    };
    if space.is_empty() {
        let hint = "leave it out for a space of the route's own";
        reporter.error("cache.space", space, "the name is empty", Some(hint));
    }
    Arc::from(space.as_str())
}

fn bypass(written: &[Spanned<String>], reporter: &mut Reporter<'_>) -> Box<[Bypass]> {
    let mut words: Vec<Bypass> = Vec::new();
    for (index, word) in written.iter().enumerate() {
        let key = format!("cache.bypass[{index}]");
        match Bypass::parse(word) {
            Ok(Bypass::Header(http::header::HOST)) => {
                let message = "every request has it, and none would be answered from the cache";
                reporter.error(&key, word, message, Some("write `enabled: false`"));
            }
            Ok(parsed) if words.contains(&parsed) => {
                let message = format!("`{}` stands here twice", word.escape_debug());
                reporter.warning(&key, word, message, None);
            }
            Ok(parsed) => words.push(parsed),
            Err(error) => {
                let hint = "write `header.NAME`, `cookie.NAME` or `query.NAME`";
                reporter.error(&key, word, error.to_string(), Some(hint));
            }
        }
    }
    words.into()
}

fn max_object(written: &RouteCache, config: &Config, reporter: &mut Reporter<'_>) -> u64 {
    let Some(size) = &written.max_object else {
        return config.cache.max_object().as_u64();
    };
    let room = config.cache.room();
    if size.as_u64() == 0 {
        let hint = "leave it out, or write `enabled: false` to store nothing";
        reporter.error(
            "cache.max_object",
            size,
            "nothing is that small",
            Some(hint),
        );
    } else if size.value > room {
        let (message, hint) = match &config.cache.disk {
            Some(_) => (
                format!(
                    "is more than half of the cache's disk, {room}, which is the most for one object"
                ),
                format!(
                    "write less, or raise `cache.disk.size` to {}",
                    ByteSize::bytes(size.as_u64().saturating_mul(2))
                ),
            ),
            None => (
                format!(
                    "is more than an eighth of the cache's memory, {room}, which is the most for one object"
                ),
                format!(
                    "write less, raise `cache.memory` to {}, or give the cache a disk",
                    ByteSize::bytes(size.as_u64().saturating_mul(8))
                ),
            ),
        };
        reporter.error("cache.max_object", size, message, Some(&hint));
    }
    size.as_u64()
}

fn purgers(written: &[Spanned<String>], reporter: &mut Reporter<'_>) -> NetworkSet {
    const KEY: &str = "cache.purge_from";
    let networks = networks(KEY, written, reporter);
    let everyone = |network: &&Spanned<String>| network.ends_with("/0");
    if let Some(network) = written.iter().find(everyone) {
        let message = "everyone may purge, and so bring all requests to the endpoints";
        reporter.warning(
            KEY,
            network,
            message,
            Some("name the few addresses that need to"),
        );
    }
    networks
}

/// Whether what the endpoint says about caching counts for nothing.
fn overrides(written: &RouteCache) -> bool {
    written.origin_headers.value == OriginHeaders::Override
}
