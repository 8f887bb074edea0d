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

/// Which requests get which policies and which pool. Exactly one of `pool`, `redirect` and `respond` says where a
/// request ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// A name for logs and metrics.
    pub name: Spanned<String>,
    /// The listeners it is for. Default: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<Spanned<String>>,
    /// Which requests; all that is given must hold. Default: every request.
    #[serde(default)]
    pub r#match: Match,
    /// Policy: requests over plain HTTP get 308 to the same address over HTTPS. Default: false.
    #[serde(default)]
    pub https_redirect: bool,
    /// Policy: the largest request body, instead of the listener's limit; 0 for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body: Option<ByteSize>,
    /// Policy: the largest request header in bytes, less than its listeners' `limits.header` (431 beyond): the target and all
    /// fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_header: Option<Spanned<ByteSize>>,
    /// Policy: the most fields of a request's header, fewer than its listeners' `limits.fields` (431 beyond).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fields: Option<Spanned<u16>>,
    /// Policy: the id by which a request is found in every log. Default: as with `{}`.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub request_id: Option<RequestId>,
    /// Policy: which clients may come in, by address; anyone else gets 403. Default: all.
    #[serde(default, skip_serializing_if = "IpFilter::is_empty")]
    pub ip_filter: IpFilter,
    /// Policy: which pages of other origins may use the route (CORS). Default: not said here, and the endpoint's word holds.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub cors: Option<Spanned<Cors>>,
    /// Policy: how many requests may come; several limits are asked in their order. Default: no limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate_limits: Vec<RateLimit>,
    /// Policy: which programs may come in, by a key that they send; any other gets 401. Default: all.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub api_key: Option<Spanned<ApiKey>>,
    /// Policy: which users may come in, by their passwords; anyone else gets 401. Default: all.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub basic_auth: Option<Spanned<BasicAuth>>,
    /// Policy: requests must bring a signed token (JWT); anyone else gets 401. Default: none is asked for.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub jwt: Option<Spanned<Jwt>>,
    /// Policy: a service is asked whether the request may go on. It is asked after the policies that cost less.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub forward_auth: Option<Spanned<ForwardAuth>>,
    /// Policy: which requests go first when the pool can't serve all at once: `low`, `normal`, `high`, or
    /// `{ header: X-Priority, default: normal }` for what the request says itself. Default: normal.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub priority: Option<Spanned<RoutePriority>>,
    /// Policy: which answers are stored, and who gets them again. Default: none is.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub cache: Option<Spanned<RouteCache>>,
    /// Policy: what the endpoint sees instead of the request's path, query or host.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub rewrite: Option<Spanned<Rewrite>>,
    /// Policy: changes to the fields of the request before it goes to the endpoint.
    #[serde(default, skip_serializing_if = "HeaderEdits::is_empty")]
    pub request_headers: HeaderEdits,
    /// Policy: changes to the fields of every response of this route, Portcullis' own answers included.
    #[serde(default, skip_serializing_if = "HeaderEdits::is_empty")]
    pub response_headers: HeaderEdits,
    /// Policy: fields that tell browsers to be careful with every response of this route: `true`, or a mapping that says
    /// more. Default: none.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub security_headers: Option<Spanned<RouteSecurityHeaders>>,
    /// Policy: which answers are compressed for clients that can read that, and how. Default: none.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub compress: Option<Spanned<Compress>>,
    /// Policy: times for this route instead of the pool's.
    #[serde(default, skip_serializing_if = "RouteTimeouts::is_empty")]
    pub timeouts: RouteTimeouts,
    /// Policy: retries for this route instead of the pool's.
    #[serde(default, skip_serializing_if = "RouteRetries::is_empty")]
    pub retries: RouteRetries,
    /// The request goes to this pool.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub pool: Option<Spanned<String>>,
    /// The request is answered with a redirect.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub redirect: Option<Spanned<Redirect>>,
    /// The request is answered with a fixed response.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub respond: Option<Spanned<Respond>>,
}

/// Which requests a route is for. When several routes match, the most specific wins: exact host, longer wildcard, any
/// host; then exact path, regex, longest prefix; then a method; then more headers; then more queries; then the order
/// in the configuration (the precedence of the Kubernetes Gateway API).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// Host names: `example.com`, `*.example.com` (one or more labels in front) or `*`. Default: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Spanned<String>>,
    /// Paths, of which one must match. Default: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<Spanned<PathMatch>>,
    /// Methods, of which one must match. Default: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Spanned<String>>,
    /// Header fields that must all match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Spanned<FieldMatch>>,
    /// Query parameters that must all match.
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
    /// The field's or parameter's name.
    pub name: String,
    /// Its value must be this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// Its whole value must match this regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// It must be there, whatever its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
}

/// Changes to header fields, applied in this order: remove, set, add.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HeaderEdits {
    /// Fields that are taken away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Spanned<String>>,
    /// Fields that get this one value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Spanned<String>>,
    /// Fields that get one more value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, Spanned<String>>,
}

impl HeaderEdits {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// What the endpoint sees instead of the request's path, query or host. At most one of `path`, `prefix` and `regex`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rewrite {
    /// The whole path becomes this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the route's matched prefix becomes; the rest of the path stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The first match of a pattern in the path becomes `replacement`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<RegexRewrite>,
    /// The host becomes this; it goes before the pool's `host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// A rewrite by pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegexRewrite {
    /// The regular expression.
    pub pattern: String,
    /// What its match becomes; `$1` or `${name}` stand for its groups (write `$${name}` in YAML, where `${…}` is the
    /// environment).
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
    /// 301, 302, 303, 307 or 308. Default: 302.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `http` or `https`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port; left out of the address where it is the scheme's own. Default: the client's port if the scheme stays,
    /// else the new scheme's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The whole path; with it, the query goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the route's matched prefix becomes; the rest of the path and the query stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// A fixed response.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Respond {
    /// 200 to 599. Default: 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The body.
    pub body: String,
    /// Its `Content-Type`. Default: text/plain; charset=utf-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// Times for one route instead of its pool's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteTimeouts {
    /// From the sent request to the response's header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<Spanned<Timespan>>,
    /// Between two pieces of the response's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Spanned<Timespan>>,
    /// The whole request; 0s for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Spanned<Timespan>>,
}

impl RouteTimeouts {
    /// Whether the pool's times hold.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
