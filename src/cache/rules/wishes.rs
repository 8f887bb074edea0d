//! What does a request wish of a cache?

use std::time::Duration;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, PRAGMA};

use super::directives::directives;

/// What a request's `Cache-Control` says (RFC 9111 §5.2.1), or its `Pragma` where there is none (§5.4).
///
/// Where a directive stands twice, the narrower one counts; one with an argument it can't have does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The answer must not be stored.
    pub no_store: bool,
    /// Nothing stored is to be used without asking.
    pub no_cache: bool,
    /// Nothing is to be fetched.
    pub only_if_cached: bool,
    /// Nothing older is to be used, and unless [`max_stale`](Self::max_stale) is there, nothing stale.
    pub max_age: Option<Duration>,
    /// Nothing is to be used that does not stay fresh for so long.
    pub min_fresh: Option<Duration>,
    /// What has not been stale for longer may be used.
    pub max_stale: Option<Duration>,
    /// What has not been stale for longer may be used if no other can be had (RFC 5861 §4).
    pub if_error: Option<Duration>,
}

impl Wishes {
    /// What the fields of a request wish.
    pub fn read(fields: &HeaderMap) -> Self {
        let mut wishes = Self::default();
        let mut lines = fields.get_all(CACHE_CONTROL).iter().peekable();
        if lines.peek().is_some() {
            lines.for_each(|line| wishes.add(line.as_bytes()));
        } else if let Some(pragma) = fields.get(PRAGMA) {
            wishes.no_cache =
                directives(pragma.as_bytes()).any(|directive| directive.is("no-cache"));
        }
        wishes
    }

    fn add(&mut self, line: &[u8]) {
        for directive in directives(line) {
            let narrow = |so_far: &mut Option<Duration>, wished: Option<Duration>| {
                *so_far = match (*so_far, wished) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
            };
            if directive.is("no-store") {
                self.no_store = true;
            } else if directive.is("no-cache") {
                self.no_cache = true;
            } else if directive.is("only-if-cached") {
                self.only_if_cached = true;
            } else if directive.is("max-age") {
                narrow(&mut self.max_age, directive.seconds());
            } else if directive.is("min-fresh") {
                self.min_fresh = self.min_fresh.max(directive.seconds());
            } else if directive.is("max-stale") {
                let any = directive.has_none().then_some(Duration::MAX);
                narrow(&mut self.max_stale, any.or(directive.seconds()));
            } else if directive.is("stale-if-error") {
                narrow(&mut self.if_error, directive.seconds());
            }
        }
    }
}
