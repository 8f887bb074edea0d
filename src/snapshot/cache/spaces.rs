//! Do routes that keep their objects together agree on how?

use std::collections::HashMap;
use std::sync::Arc;

use crate::cache::KeyRule;
use crate::cache::rule::{Bypass, Rule};
use crate::cache::rules::Settings;
use crate::config::Route;
use crate::snapshot::reporter::Reporter;

/// The spaces of the routes so far, each with the route that is the first to use it.
#[derive(Default)]
pub(in crate::snapshot) struct Spaces<'r>(HashMap<Arc<str>, (&'r Route, Rule)>);

impl<'r> Spaces<'r> {
    /// Takes note of a route's rule. If an earlier route has the space and another rule, that is reported: each would answer
    /// with what the other stored.
    pub(in crate::snapshot) fn add(
        &mut self,
        route: &'r Route,
        rule: &Rule,
        reporter: &mut Reporter<'_>,
    ) {
        let Some((first, of_first)) = self.0.get(&rule.space) else {
            self.0
                .insert(Arc::clone(&rule.space), (route, rule.clone()));
            return;
        };
        let differing = differing(of_first, rule);
        if differing.is_empty() {
            return;
        }
        let keys: Vec<String> = differing.iter().map(|key| format!("`{key}`")).collect();
        let message = format!(
            "the route `{}` has the same space `{}` and another {}",
            first.name.escape_debug(),
            rule.space.escape_debug(),
            keys.join(", ")
        );
        let cache = route.cache.as_ref();
        let space = cache.and_then(|cache| cache.space.as_ref());
        let at = space.and_then(|space| space.position.clone());
        let at = at.or_else(|| cache.and_then(|cache| cache.position.clone()));
        let hint = "give both the same, as with an anchor (`cache: &name` and `cache: *name`), or this one a space of its own";
        reporter.error_at("cache.space", at, message, Some(hint));
    }
}

/// The keys in which two rules are not the same.
fn differing(one: &Rule, other: &Rule) -> Vec<&'static str> {
    // Taken apart, so that a new key can't be forgotten.
    let Rule {
        space: _,
        key:
            KeyRule {
                scheme,
                host,
                query,
                sort_query,
                headers,
                cookies,
            },
        settings:
            Settings {
                origin,
                default_ttl,
                max_ttl,
                while_revalidate,
                if_error,
                refuse_cookies,
            },
        bypass,
        max_object,
        collapse,
        purgers,
    } = one;
    [
        ("key.scheme", *scheme == other.key.scheme),
        ("key.host", *host == other.key.host),
        ("key.query", *query == other.key.query),
        ("key.sort_query", *sort_query == other.key.sort_query),
        ("key.headers", *headers == other.key.headers),
        ("key.cookies", *cookies == other.key.cookies),
        ("origin_headers", *origin == other.settings.origin),
        ("default_ttl", *default_ttl == other.settings.default_ttl),
        ("max_ttl", *max_ttl == other.settings.max_ttl),
        (
            "stale_while_revalidate",
            *while_revalidate == other.settings.while_revalidate,
        ),
        ("stale_if_error", *if_error == other.settings.if_error),
        ("bypass", are_the_same(bypass, &other.bypass)),
        (
            "set_cookie",
            *refuse_cookies == other.settings.refuse_cookies,
        ),
        ("max_object", *max_object == other.max_object),
        ("collapse", *collapse == other.collapse),
        ("purge_from", *purgers == other.purgers),
    ]
    .into_iter()
    .filter_map(|(key, is_same)| (!is_same).then_some(key))
    .collect()
}

/// Whether the same words stand in both, in whatever order; each stands once.
fn are_the_same(one: &[Bypass], other: &[Bypass]) -> bool {
    one.len() == other.len() && one.iter().all(|word| other.contains(word))
}
