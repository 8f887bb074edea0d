//! Which answers of a route are stored, and who gets them again?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{ByteSize, Spanned, Timespan};

/// Which answers of a route are stored, and who gets them again.
///
/// `{}` turns it on with the defaults, which are safe for what says itself how long it is fresh. Stored are answers to
/// GET; HEAD is answered from them. What the endpoint says in `Portcullis-Cache-Control`, else in `CDN-Cache-Control`
/// (RFC 9213), counts instead of `Cache-Control` and `Expires`. Tags to purge by are those in `Cache-Tag` (between
/// commas or spaces) and `Surrogate-Key` (between spaces).
///
/// On a route with a cache answers tell in `Cache-Status` (RFC 9211) what became of them, and `cache` in the access log
/// says it in a word:
/// - hit: from the cache;
/// - stale: from the cache, because the client allows it or the endpoint fails;
/// - updating: stale, while it is fetched anew;
/// - revalidated: stored, and the endpoint said that it is still good;
/// - expired: fetched, what was stored was no longer good;
/// - miss: fetched, nothing was stored;
/// - bypass: the cache was not asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteCache {
    /// Whether it is on. Default: true.
    pub enabled: bool,
    /// The name under which answers are kept. Routes of one space have each other's answers, and must have the same
    /// settings here; they should have the same pool, or who asks one gets what the endpoints of another said. Default:
    /// the route's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<Spanned<String>>,
    /// Which requests have the same answer: those of one path that are alike in all of this.
    pub key: CacheKey,
    /// Whether what the endpoint says about caching counts. Default: respect.
    pub origin_headers: Spanned<OriginHeaders>,
    /// How long an answer is fresh where the endpoint does not say, by its status or the class of it, as `{ 200: 5m,
    /// 3xx: 1m }`. A code goes before its class, in which 206, 304, 400, 401, 429 and others that are about one request
    /// or client are not. Default: a tenth of the time since `Last-Modified`, as RFC 9111 allows it, and not more than
    /// a day.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub default_ttl: BTreeMap<String, Spanned<Timespan>>,
    /// How long any answer is fresh at most, as `1d`. Default: as long as the endpoint says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ttl: Option<Spanned<Timespan>>,
    /// For how long after that a stale answer is given at once while it is fetched anew, where the endpoint does not
    /// say it (RFC 5861). `must-revalidate` and the like go before it. Default: 0s.
    pub stale_while_revalidate: Spanned<Timespan>,
    /// For how long a stale answer is given when the endpoint fails, where the endpoint does not say it (RFC 5861).
    /// `must-revalidate` and the like go before it. Default: 0s.
    pub stale_if_error: Spanned<Timespan>,
    /// Requests with any of these, not empty, have no part in the cache, neither answered from it nor stored:
    /// `header.NAME`, `cookie.NAME`, `query.NAME`. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bypass: Vec<Spanned<String>>,
    /// What becomes of answers with `Set-Cookie`. Default: store.
    pub set_cookie: SetCookie,
    /// How large the body of a stored answer may be, in bytes: half of the disk at most, or an eighth of the memory
    /// where there is none. Default: as much as that, but not more than 1GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_object: Option<Spanned<ByteSize>>,
    /// How long a request waits for another's fetch of the same object before it asks an endpoint itself; 0s for not at
    /// all. Default: 5s.
    pub collapse: Spanned<Timespan>,
    /// Addresses and networks (CIDR) of who may send `PURGE`: what a GET would be answered with from the cache is gone
    /// then, in all its variants, or stale with `Soft-Purge: 1`. Default: nobody.
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
    /// Which parameters of the query. The endpoint does not get those that are left out: it could answer by them, and
    /// everyone else would have that answer. Default: all.
    pub query: Spanned<CacheQuery>,
    /// Whether they are brought into the order of their names, for the endpoint as well. Those of one name stay in
    /// theirs. Default: false.
    pub sort_query: bool,
    /// Fields of the request, by all of their values; absent is not empty. For what the endpoint names in `Vary` that
    /// is not needed. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Spanned<String>>,
    /// Cookies, in the same way. Default: none.
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
    /// As the query came, byte by byte.
    #[default]
    All,
    /// None of them.
    None,
    /// A list of names, decoded; `sort_*` stands for all that begin so.
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
    /// It does not: `Cache-Control`, `Expires` and the like count for nothing, `private` and `no-store` among them.
    /// Only for endpoints that say it of everything.
    Override,
}

/// What becomes of answers that set cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SetCookie {
    /// They are stored where the endpoint itself says how long they are fresh, as RFC 9111 has it.
    #[default]
    Store,
    /// They are not stored.
    Refuse,
}
