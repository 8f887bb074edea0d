//! Which answers of a route are stored, and who gets them again?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{ByteSize, Spanned, Timespan};

/// Which answers of a route are stored, and who gets them again (RFC 9111). `{}` is enough to turn it on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteCache {
    /// Whether it is on. Default: true.
    pub enabled: bool,
    /// The name under which answers are kept. Routes of one space have each other's answers, and must have the same
    /// settings here. Default: the route's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<Spanned<String>>,
    /// Which requests may have the same answer.
    pub key: CacheKey,
    /// What the endpoint says about caching: `respect`, or `override` where its `Cache-Control`, `Expires` and the like
    /// count for nothing. Default: respect.
    pub origin_headers: Spanned<OriginHeaders>,
    /// How long an answer is fresh where the endpoint does not say, by its status: `{ 200: 5m, 404: 10s, 3xx: 1m }`. A code
    /// goes before its class. Default: as RFC 9111 allows where there is a `Last-Modified`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub default_ttl: BTreeMap<String, Spanned<Timespan>>,
    /// How long any answer is fresh at most. Default: as long as the endpoint says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ttl: Option<Spanned<Timespan>>,
    /// How long a stale answer is given while it is fetched anew, where the endpoint does not say (RFC 5861). Default: 0s.
    pub stale_while_revalidate: Spanned<Timespan>,
    /// How long a stale answer is given when the endpoint fails, where the endpoint does not say (RFC 5861). Default: 0s.
    pub stale_if_error: Spanned<Timespan>,
    /// Requests with any of these, not empty, have no part in the cache: `header.NAME`, `cookie.NAME`, `query.NAME`.
    /// Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bypass: Vec<Spanned<String>>,
    /// What becomes of answers with `Set-Cookie`: `store` (only where the endpoint itself says how long they are fresh) or
    /// `refuse`. Default: store.
    pub set_cookie: SetCookie,
    /// How large the body of a stored answer may be. Default: with a disk 1GiB, or half of the disk if that
    /// is less; else an eighth of the memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_object: Option<Spanned<ByteSize>>,
    /// How long a request waits for another one's fetch of the same object; 0s for not at all. Default: 5s.
    pub collapse: Spanned<Timespan>,
    /// Addresses and networks (CIDR) of who may send `PURGE`. Default: nobody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub purge_from: Vec<Spanned<String>>,
}

impl Default for RouteCache {
    fn default() -> Self {
        Self {
            enabled: true,
            space: None,
            key: CacheKey::default(),
            origin_headers: Spanned::default(),
            default_ttl: BTreeMap::new(),
            max_ttl: None,
            stale_while_revalidate: Spanned::default(),
            stale_if_error: Spanned::default(),
            bypass: Vec::new(),
            set_cookie: SetCookie::default(),
            max_object: None,
            collapse: Spanned::new(Timespan::secs(5)),
            purge_from: Vec::new(),
        }
    }
}

/// Which requests may have the same answer: those that are alike in the path and in all of this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CacheKey {
    /// Whether HTTP and HTTPS are told apart. Default: true.
    pub scheme: bool,
    /// Whether hosts, with their ports, are told apart. Default: true.
    pub host: Spanned<bool>,
    /// Which parameters of the query: `all`, `none`, `{ allow: [a, "utm_*"] }` or `{ deny: [...] }`. The endpoint gets no
    /// others. Default: all.
    pub query: Spanned<CacheQuery>,
    /// Whether their order does not matter; the endpoint gets them in the order of their names. Default: false.
    pub sort_query: bool,
    /// Fields of the request. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Spanned<String>>,
    /// Cookies. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cookies: Vec<Spanned<String>>,
}

impl Default for CacheKey {
    fn default() -> Self {
        Self {
            scheme: true,
            host: Spanned::new(true),
            query: Spanned::default(),
            sort_query: false,
            headers: Vec::new(),
            cookies: Vec::new(),
        }
    }
}

/// Which parameters of the query tell answers apart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheQuery {
    /// All.
    #[default]
    All,
    /// None.
    None,
    /// Those of these names, decoded; `utm_*` for all that begin so.
    Allow(Vec<Spanned<String>>),
    /// All but those of these names.
    Deny(Vec<Spanned<String>>),
}

/// Whether what the endpoint says about caching counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OriginHeaders {
    /// It does.
    #[default]
    Respect,
    /// It does not.
    Override,
}

/// What becomes of answers that set cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SetCookie {
    /// They are stored, if the endpoint says how long they are fresh.
    #[default]
    Store,
    /// They are not stored.
    Refuse,
}
