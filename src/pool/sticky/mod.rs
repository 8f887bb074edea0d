//! Which endpoint does a client come back to?
//!
//! | What it is known by | How the endpoint is found | What is remembered here |
//! |---|---|---|
//! | a [cookie](OwnCookie) of Portcullis | it is named in it, and signed ([`token`]) | nothing |
//! | a cookie of the application, a header field | by a hash of the value ([`marks`]) | nothing |
//!
//! The balancer is asked for all others, and when that endpoint can't be used.

pub mod cookie;
pub mod marks;
pub mod secret;
pub mod token;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use xxhash_rust::xxh3::xxh3_64;

use super::{Ask, Endpoint, Members, Refusal};
use crate::route::cookie::values;
use cookie::SetCookie;

pub use marks::{Mark, Marks};
pub use secret::{ProcessSecret, Secret};
pub use token::Signer;

/// What a pool's clients are known by.
pub enum Sticky {
    /// A cookie of Portcullis.
    Own(Box<OwnCookie>),
    /// A cookie of the application, by this name.
    AppCookie(String),
    /// A header field.
    Header(HeaderName),
}

/// A cookie that Portcullis sets.
pub struct OwnCookie {
    /// How it is set.
    pub set: SetCookie,
    /// How its value is made and read.
    pub signer: Signer,
    /// How long browsers keep it; `None` until they are closed.
    pub lifetime: Option<Duration>,
    /// Whether clients that are at a drained endpoint stay there.
    pub follow_drained: bool,
}

/// What a request says about where its client was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// At the endpoint with this mark.
    Endpoint {
        /// The mark.
        mark: u64,
        /// Whether the client needs another cookie for it: this one is old, or signed with a former secret.
        renew: bool,
    },
    /// Wherever requests with this hash go.
    Hash(u64),
}

/// Where a wish leads.
#[derive(Debug)]
pub enum Found<'m> {
    /// To an endpoint that may be used.
    Endpoint(&'m Arc<Endpoint>),
    /// To an endpoint that serves as many requests as it may: this one goes elsewhere, and the client stays its client.
    Full,
    /// Nowhere.
    Nowhere,
}

/// How many cookies of one name are looked at: browsers send as many as there are paths and domains for it, attackers
/// as many as fit into a header.
const COOKIES: usize = 4;

impl Sticky {
    /// What the fields of a request say about where its client was.
    pub fn wish(&self, fields: &HeaderMap, now: SystemTime) -> Option<Wish> {
        match self {
            Self::Own(own) => values(fields, &own.set.name)
                .take(COOKIES)
                .find_map(|value| own.read(value, now)),
            Self::AppCookie(name) => hash(values(fields, name).next()?),
            Self::Header(name) => hash(fields.get(name)?.as_bytes()),
        }
    }

    /// What the endpoint of this name is known by.
    pub fn mark(&self, endpoint: &str) -> Mark {
        match self {
            Self::Own(own) => own.signer.mark(endpoint),
            // Not secret: all processes with these endpoints are to agree.
            Self::AppCookie(_) | Self::Header(_) => Mark {
                value: xxh3_64(endpoint.as_bytes()),
                former: None,
            },
        }
    }

    /// Where the wish leads among these endpoints.
    pub fn find<'m>(&self, wish: Wish, members: &'m Members, ask: &Ask<'_>) -> Found<'m> {
        let (endpoints, marks) = (&members.endpoints, &members.marks);
        match wish {
            Wish::Endpoint { mark, .. } => match marks.named(mark, endpoints) {
                Some(endpoint) => self.state_of(endpoint, ask),
                None => Found::Nowhere,
            },
            Wish::Hash(hash) => marks
                .highest(hash, endpoints, |endpoint| ask.allows(endpoint))
                .map_or(Found::Nowhere, Found::Endpoint),
        }
    }

    fn state_of<'m>(&self, endpoint: &'m Arc<Endpoint>, ask: &Ask<'_>) -> Found<'m> {
        if endpoint.weight == 0 || ask.tried.contains(endpoint) {
            return Found::Nowhere;
        }
        let refusal = match self {
            Self::Own(own) if own.follow_drained => endpoint.fault(ask.now, ask.fail_open),
            _ => endpoint.refusal(ask.now, ask.fail_open),
        };
        match refusal {
            None => Found::Endpoint(endpoint),
            Some(Refusal::Full) => Found::Full,
            Some(_) => Found::Nowhere,
        }
    }

    /// The cookie of Portcullis, if that is what clients are known by.
    pub fn own(&self) -> Option<&OwnCookie> {
        match self {
            Self::Own(own) => Some(own),
            Self::AppCookie(_) | Self::Header(_) => None,
        }
    }
}

/// How many seconds the clocks of several processes behind one name may differ.
const SKEW: u64 = 300;

impl OwnCookie {
    /// Reads a cookie's value. One that was not made here, or not for this pool, says nothing.
    fn read(&self, value: &[u8], now: SystemTime) -> Option<Wish> {
        let opened = self.signer.open(value)?;
        // Browsers have forgotten it by then; who has not keeps it for no good.
        let age = seconds(now).saturating_sub(opened.issued);
        if self
            .lifetime
            .is_some_and(|lifetime| age > lifetime.as_secs().saturating_add(SKEW))
        {
            return None;
        }
        let half = self.lifetime.map(|lifetime| lifetime.as_secs() / 2);
        // From a clock that was ahead it is no better than an old one.
        let old = half.is_some_and(|half| seconds(now).abs_diff(opened.issued) > half);
        Some(Wish::Endpoint {
            mark: opened.mark,
            renew: old || opened.former,
        })
    }

    /// The field `Set-Cookie` that an answer of this endpoint needs, if the request came with this wish; `tls` if the
    /// client speaks it.
    pub fn renewed(
        &self,
        endpoint: &Endpoint,
        wish: Option<Wish>,
        tls: bool,
        now: SystemTime,
    ) -> Option<HeaderValue> {
        let known = endpoint.mark?;
        if let Some(Wish::Endpoint { mark, renew: false }) = wish
            && mark == known.value
        {
            return None;
        }
        let token = self.signer.seal(known.value, seconds(now));
        self.set.value(&token, tls)
    }
}

/// A value that is not there, or empty, says nothing.
fn hash(value: &[u8]) -> Option<Wish> {
    (!value.is_empty()).then(|| Wish::Hash(xxh3_64(value)))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests;
