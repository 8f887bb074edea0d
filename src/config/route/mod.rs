//! Which requests get which policies and which pool?

pub mod cache;
pub mod compress;
pub mod priority;
pub mod request_id;
pub mod security_headers;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::{ApiKey, BasicAuth, Cors, ForwardAuth, IpFilter, Jwt, RateLimit};
use super::pool::RouteRetries;
use super::{ByteSize, Spanned, Timespan};
pub use cache::RouteCache;
pub use compress::Compress;
pub use priority::RoutePriority;
pub use request_id::RequestId;
pub use security_headers::RouteSecurityHeaders;

/// Which requests get which policies and which pool.
///
/// Among the routes that match, the most specific wins, wherever it stands: exact host > longer wildcard > shorter
/// wildcard > any host; then exact path > regex (the longer pattern first) > longer prefix; then a method > none; then
/// more headers; then more query parameters; then the order in the file (the precedence of the Kubernetes Gateway API).
/// A request that none of the routes of the most specific host takes is offered to the routes of the less specific
/// ones.
///
/// Paths are normalised once, before they are matched, and forwarded as they were matched: `//` becomes `/`, `/./` and
/// `/../` are resolved, escapes of unreserved characters (%41, %2e) are decoded, others are written in capitals. What
/// could be read in two ways is refused with 400: %2F, %5C, %00, a backslash, `..` above the root, `..;`, escapes that
/// are none.
///
/// A route ends at exactly one of `pool`, `redirect` and `respond`. Its other keys, but for `name`, `listeners` and
/// `match`, are policies: each does one thing to its requests or answers, and one that is left out does nothing.
///
/// Policies that may refuse a request are asked in this order, wherever they stand, and the first that refuses ends it:
/// - `ip_filter` and `rate_limits` of the listener;
/// - `https_redirect`; `max_header`, `max_fields`, `max_body`;
/// - `ip_filter`, `cors` and `rate_limits` of the route;
/// - the limits of `overload`;
/// - `api_key`, `basic_auth`, `jwt`, `forward_auth`, and those `rate_limits` of the route whose key has a claim;
/// - `rate_limits` of the pool.
///
/// So limits of the route count guessed keys and passwords as well, those of the pool only requests that may come in;
/// preflights of CORS count on the listener but not on the route; and a limit whose key is `header.X-Api-Key` takes the
/// field as it was sent, before anyone knows whether the key in it is good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// A name for logs and metrics.
    pub name: Spanned<String>,
    /// The listeners it is for. Default: none, which stands for all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<Spanned<String>>,
    /// Which requests it is for; all that is given must hold. Default: every request.
    #[serde(default)]
    pub r#match: Match,
    /// Whether requests over plain HTTP get 308 to the same address over HTTPS. Default: false.
    #[serde(default)]
    pub https_redirect: bool,
    /// The largest request body, in bytes (413 beyond), instead of the listener's; 0 for no limit. Default: the
    /// listener's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body: Option<ByteSize>,
    /// The largest request header, in bytes (431 beyond): the target and all fields. It may be at most the largest
    /// `limits.header` of its listeners. Default: the listener's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_header: Option<Spanned<ByteSize>>,
    /// The most fields of a request's header (431 beyond): at most the largest `limits.fields` of its listeners.
    /// Default: the listener's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fields: Option<Spanned<u16>>,
    /// The id by which a request is found in every log on its way. Default: as with `{}`.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub request_id: Option<RequestId>,
    /// Which clients may come in, as on a listener; anyone else gets 403. Default: all.
    #[serde(default, skip_serializing_if = "IpFilter::is_empty")]
    pub ip_filter: IpFilter,
    /// Which pages of other origins may use the route (CORS, Fetch standard). Default: not said here, and the
    /// endpoint's word holds.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub cors: Option<Spanned<Cors>>,
    /// How many requests may come: token buckets, exact: over any time t no key gets more than rate × t + burst. What
    /// is too much gets 429, with Retry-After. Default: no limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate_limits: Vec<RateLimit>,
    /// Which programs may come in, by a key that they send; any other gets 401 (`WWW-Authenticate: Key`). Default: all.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub api_key: Option<Spanned<ApiKey>>,
    /// Which users may come in, by their passwords (HTTP Basic, RFC 7617); anyone else gets 401. Default: all.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub basic_auth: Option<Spanned<BasicAuth>>,
    /// Requests must bring a signed token (JSON Web Token, RFC 7519) that has not expired; anyone else gets 401.
    /// Default: none is asked for.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub jwt: Option<Spanned<Jwt>>,
    /// A service is asked whether the request may go on, after the policies that cost less. Default: none is.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub forward_auth: Option<Spanned<ForwardAuth>>,
    /// Which requests go first when the pool, or the process, can't serve all at once: a word, or what a field of the
    /// request says, as on the route `stored`. Default: normal.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub priority: Option<Spanned<RoutePriority>>,
    /// Which answers are stored, and who gets them again (RFC 9111). Default: none is.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub cache: Option<Spanned<RouteCache>>,
    /// What the endpoint sees instead of the request's path, query or host. Default: nothing else.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub rewrite: Option<Spanned<Rewrite>>,
    /// Changes to the fields of the request before it goes to the endpoint. Default: none.
    #[serde(default, skip_serializing_if = "HeaderEdits::is_empty")]
    pub request_headers: HeaderEdits,
    /// Changes to the fields of every answer of this route, Portcullis' own included. Default: none.
    #[serde(default, skip_serializing_if = "HeaderEdits::is_empty")]
    pub response_headers: HeaderEdits,
    /// Fields that tell browsers to be careful with every answer of this route: `true` for what suits nearly every
    /// site, which is the first three as they stand here; `false` for none of them; or a mapping that says more.
    /// Default: none.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub security_headers: Option<Spanned<RouteSecurityHeaders>>,
    /// Which answers are compressed for clients that can read that (`Accept-Encoding`). Default: none.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub compress: Option<Spanned<Compress>>,
    /// Times for this route instead of the pool's. Default: the pool's.
    #[serde(default, skip_serializing_if = "RouteTimeouts::is_empty")]
    pub timeouts: RouteTimeouts,
    /// Retries for this route instead of the pool's. Default: the pool's.
    #[serde(default, skip_serializing_if = "RouteRetries::is_empty")]
    pub retries: RouteRetries,
    /// The pool that the request goes to. Default: none.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub pool: Option<Spanned<String>>,
    /// The request is answered with a redirect. What is not given stays as the client sent it. Default: none.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub redirect: Option<Spanned<Redirect>>,
    /// The request is answered with a fixed response. Default: none.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub respond: Option<Spanned<Respond>>,
}

/// Which requests a route is for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// Host names: `example.com`, `*.example.com` (one or more labels in front) or `*`. Default: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Spanned<String>>,
    /// Paths, of which one must match. Default: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<Spanned<PathMatch>>,
    /// Methods, of which one must match, as `[GET, POST]`. Default: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Spanned<String>>,
    /// Header fields that must all match. Default: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Spanned<FieldMatch>>,
    /// Query parameters that must all match. Default: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<Spanned<FieldMatch>>,
}

/// A path, compared with the request's normalised path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathMatch {
    /// This path and no other.
    Exact(String),
    /// This path and everything below it, by whole segments: `/api` matches `/api/x`, not `/apix`.
    Prefix(String),
    /// A regular expression that must match the whole path.
    Regex(String),
}

/// A header field or a query parameter: one of `exact`, `regex` and `present: true`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldMatch {
    /// The field's or parameter's name. One of the following says what of it is asked for.
    pub name: String,
    /// Its value must be this. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// Its whole value must match this regular expression. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "be.*")]
    pub regex: Option<String>,
    /// It must be there, whatever its value. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
}

/// Changes to header fields.
///
/// Fields are first removed, then set, then added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HeaderEdits {
    /// Fields that are taken away. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Spanned<String>>,
    /// Fields that get this one value. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Spanned<String>>,
    /// Fields that get one more value. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, Spanned<String>>,
}

impl HeaderEdits {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// What the endpoint sees instead of the request's path, query or host.
///
/// At most one of `path`, `prefix` and `regex` can be given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rewrite {
    /// The whole path becomes this. Default: the path stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/index")]
    pub path: Option<String>,
    /// What the route's matched prefix becomes; the rest of the path stays. Default: the path stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The first match of a pattern in the path becomes something else. Default: the path stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<RegexRewrite>,
    /// The host becomes this; it goes before the pool's `host`. Default: what the pool's `host` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// A rewrite by pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegexRewrite {
    /// The regular expression.
    #[schemars(example = "^/u/([0-9]+)")]
    pub pattern: String,
    /// What its match becomes; `$1` or `${name}` stand for its groups (write `$${name}` in YAML, where `${…}` is the
    /// environment).
    #[schemars(example = "/users/$1")]
    pub replacement: String,
}

/// The status code of a redirect that names none.
pub const DEFAULT_REDIRECT: u16 = 302;
/// The status code of a fixed response that names none.
pub const DEFAULT_STATUS: u16 = 200;
/// The `Content-Type` of a fixed response that names none.
pub const DEFAULT_CONTENT_TYPE: &str = "text/plain; charset=utf-8";

/// A redirect. What is not given stays as the client sent it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RouteRedirect")]
#[serde(default, deny_unknown_fields)]
pub struct Redirect {
    /// The status code: 301, 302, 303, 307 or 308. Default: 302.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `http` or `https`. Default: as the client sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The host. Default: as the client sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port; left out of the address where it is the scheme's own. Default: the client's port if the scheme stays,
    /// else the new scheme's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The whole path; with it, the query goes. Default: as the client sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/new")]
    pub path: Option<String>,
    /// What the route's matched prefix becomes; the rest of the path and the query stay. Default: as the client sent
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// A fixed response.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Respond {
    /// The status code: 200 to 599. Default: 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The body. Default: none.
    pub body: String,
    /// Its `Content-Type`. Default: text/plain; charset=utf-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// Times for one route instead of its pool's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteTimeouts {
    /// From the sent request to the response's header (504), as `5s`. Default: the pool's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<Spanned<Timespan>>,
    /// Between two pieces of the response's body, as `30s`. Default: the pool's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Spanned<Timespan>>,
    /// The whole request; 0s for no limit. Default: the pool's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Spanned<Timespan>>,
}

impl RouteTimeouts {
    /// Whether the pool's times hold.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
