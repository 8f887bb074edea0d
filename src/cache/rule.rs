//! What does a route do with its cache?

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::key::KeyRule;
use super::rules::Settings;
use crate::admission::NetworkSet;
use crate::route::{Request, cookie, query_values};

/// What a route's answers are stored under, and on which terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The name under which they are kept; routes of one space have each other's objects, and the same rule.
    pub space: Arc<str>,
    /// Which requests mean the same object.
    pub key: KeyRule,
    /// What is kept, and how long.
    pub settings: Settings,
    /// Which requests have no part in it.
    pub bypass: Box<[Bypass]>,
    /// How many bytes the body of an object may have.
    pub max_object: u64,
    /// How long a request waits for another's fetch of the same object; zero for not at all.
    pub collapse: Duration,
    /// Who may send `PURGE`.
    pub purgers: NetworkSet,
}

impl Rule {
    /// Whether a request has no part in the cache: it is not answered from it, and its answer is not stored.
    pub fn is_bypassed(&self, request: &Request<'_>) -> bool {
        self.bypass.iter().any(|bypass| bypass.of(request))
    }
}

/// A part of a request that keeps it out of the cache where it is there and not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bypass {
    /// A line of this field.
    Header(HeaderName),
    /// A cookie of this name.
    Cookie(Box<str>),
    /// A parameter of the query of this name, decoded.
    Query(Box<str>),
}

impl Bypass {
    /// Reads `header.NAME`, `cookie.NAME` or `query.NAME`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(word: &str) -> Result<Self, InvalidBypass> {
        let bad_name = |what| InvalidBypass::BadName(word.escape_debug().to_string(), what);
        match word.split_once('.') {
            Some(("header", name)) => match HeaderName::try_from(name) {
                Ok(name) => Ok(Self::Header(name)),
                Err(_) => Err(bad_name("header field")),
            },
            // A cookie's name is a token (RFC 6265 §4.1.1), as a field's is.
            Some(("cookie", name)) if HeaderName::try_from(name).is_ok() => {
                Ok(Self::Cookie(name.into()))
            }
            Some(("cookie", _)) => Err(bad_name("cookie")),
            Some(("query", "")) => Err(bad_name("query parameter")),
            Some(("query", name)) => Ok(Self::Query(name.into())),
            _ => Err(InvalidBypass::UnknownWord(word.escape_debug().to_string())),
        }
    }

    /// Whether a request has it. Every line, cookie or parameter of the name counts: the endpoint may go by any of them.
    pub fn of(&self, request: &Request<'_>) -> bool {
        match self {
            Self::Header(name) => {
                let mut lines = request.headers.get_all(name).iter();
                lines.any(|line| !line.is_empty())
            }
            Self::Cookie(name) => {
                cookie::values(request.headers, name).any(|value| !value.is_empty())
            }
            Self::Query(name) => request
                .query
                .is_some_and(|query| query_values(query, name).any(|value| !value.is_empty())),
        }
    }
}

/// Why a text is no [`Bypass`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBypass {
    /// It begins otherwise.
    #[error("`{0}` is not a part of a request")]
    UnknownWord(String),
    /// There is no name, or one that can't be.
    #[error("`{0}` has no name that a {1} can have")]
    BadName(String, &'static str),
}
