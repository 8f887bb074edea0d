//! Which pages of other origins may use a route?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Spanned, Timespan};

/// Which pages of other origins may use a route (the CORS protocol of the Fetch standard). Preflights are answered with
/// 204, and the endpoint's own CORS fields are replaced. A page of another origin learns nothing of the answers, but the
/// request is not refused: that is for policies that ask who the client is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// `https://app.example`, `https://*.example.com` (one or more labels in front), with a port where it is not the
    /// scheme's own; `null`; `*` for every origin.
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
    /// Whether requests may carry cookies and HTTP authentication. Not with `*`. Default: false.
    #[serde(default)]
    pub allow_credentials: bool,
}
