//! How is a request given the id by which it is found in every log?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Spanned;

/// The id by which a request is found in every log on its way.
///
/// It goes to the endpoint and into the access log. One that is made here is a UUID of version 7 (RFC 9562), which
/// sorts by time. What is left out is as with `{}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RequestId {
    /// The field that carries it to the endpoint, and back in Portcullis' own errors. Default: X-Request-ID.
    pub header: Spanned<String>,
    /// Whose id is taken over, if it has 1 to 128 of the characters A-Z a-z 0-9 . _ ~ + / = -. Default: trusted.
    pub accept: AcceptId,
    /// Whether the client gets it in every answer, not only in Portcullis' own errors. Default: false.
    pub answer: bool,
}

impl Default for RequestId {
    fn default() -> Self {
        Self {
            header: Spanned::new("X-Request-ID".to_owned()),
            accept: AcceptId::default(),
            answer: false,
        }
    }
}

/// Whose id is taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AcceptId {
    /// Those of `forwarding.trusted_proxies`.
    #[default]
    Trusted,
    /// Those of every client.
    Always,
    /// Nobody's.
    Never,
}
