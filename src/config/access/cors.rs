//! Which pages of other origins may use a route?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Spanned, Timespan};

/// Which pages of other origins may use a route (the CORS protocol of the Fetch standard).
///
/// Preflights get 204 and what is allowed; answers to pages of an origin that is not allowed have no CORS fields, and
/// the endpoint's own are replaced. The request itself is not refused: what keeps clients out is a policy that asks who
/// they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Scheme, host and port where it is not the scheme's own; `https://*.example.com` for one or more labels in front;
    /// `null` (files, sandboxed frames); `*` for every origin.
    pub allow_origins: Vec<Spanned<String>>,
    /// Methods beside GET, HEAD and POST, which need no leave; `*` for all. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_methods: Vec<Spanned<String>>,
    /// Fields that requests may carry beside those that need no leave; `*` for all but `Authorization`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_headers: Vec<Spanned<String>>,
    /// Fields of the answer that the page may read beside those that need no leave; `*` for all. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<Spanned<String>>,
    /// How long browsers keep what a preflight said. Default: not said, and then they keep it for 5 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Spanned<Timespan>>,
    /// Whether requests may carry cookies and HTTP authentication; then nothing above can be `*`. Default: false.
    #[serde(default)]
    pub allow_credentials: bool,
}
