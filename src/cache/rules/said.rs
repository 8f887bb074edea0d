//! What does an endpoint say about storing its answer?

use std::time::Duration;

use http::HeaderMap;
use http::header::CACHE_CONTROL;

use super::directives::{Argument, Directive, directives};
use super::field_names::FieldNames;
use super::targeted;

/// What the directives of a response say (RFC 9111 §5.2.2, RFC 5861, RFC 8246).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub public: bool,
    /// The whole response is for one user.
    pub private: bool,
    pub no_store: bool,
    /// The whole response is to be asked about.
    pub no_cache: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
    pub immutable: bool,
    pub max_age: Option<Duration>,
    pub s_maxage: Option<Duration>,
    pub while_revalidate: Option<Duration>,
    pub if_error: Option<Duration>,
    /// Whether it was said to this cache in a field of its own, in which case `Expires` does not count (RFC 9213 §2.2).
    pub targeted: bool,
}

impl Said {
    /// What the fields of a response say.
    pub fn read(fields: &HeaderMap) -> Self {
        let mut said = Self::default();
        said.targeted = targeted::read(fields, |directive| said.add(directive));
        if !said.targeted {
            for line in fields.get_all(CACHE_CONTROL) {
                directives(line.as_bytes()).for_each(|directive| said.add(&directive));
            }
        }
        said
    }

    /// Takes in one directive. What forbids counts with whatever argument; how long it is fresh is none at all if that
    /// can't be read, and what stands first if it is said twice (§4.2.1).
    pub fn add(&mut self, directive: &Directive) {
        let lifetime = || Some(directive.seconds().unwrap_or_default());
        if directive.is("max-age") {
            self.max_age = self.max_age.or_else(lifetime);
        } else if directive.is("s-maxage") {
            self.s_maxage = self.s_maxage.or_else(lifetime);
        } else if directive.is("no-store") {
            self.no_store = true;
        } else if directive.is("no-cache") {
            self.no_cache |= is_of_all(directive);
        } else if directive.is("private") {
            self.private |= is_of_all(directive);
        } else if directive.is("public") {
            self.public |= directive.argument != Argument::Malformed;
        } else if directive.is("must-revalidate") {
            self.must_revalidate = true;
        } else if directive.is("proxy-revalidate") {
            self.proxy_revalidate = true;
        } else if directive.is("must-understand") {
            self.must_understand = true;
        } else if directive.is("immutable") {
            self.immutable = true;
        } else if directive.is("stale-while-revalidate") {
            self.while_revalidate = self.while_revalidate.or(directive.seconds());
        } else if directive.is("stale-if-error") {
            self.if_error = self.if_error.or(directive.seconds());
        }
    }

    /// How long it is fresh (§4.2.1), if a directive says so.
    pub fn lifetime(&self) -> Option<Duration> {
        self.s_maxage.or(self.max_age)
    }

    /// Whether it must not be used once it is stale. `s-maxage` means that too (§5.2.2.10).
    pub const fn is_strict(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some()
    }

    /// Whether it may be shared though the request came with credentials (§3.5).
    pub const fn is_for_everyone(&self) -> bool {
        self.public || self.must_revalidate || self.s_maxage.is_some()
    }
}

/// Whether `no-cache` or `private` is said of the whole response, not of some of its fields (§5.2.2.4, §5.2.2.7).
fn is_of_all(directive: &Directive) -> bool {
    FieldNames::of(directive).is_none()
}
