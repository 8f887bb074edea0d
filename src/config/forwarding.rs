//! Whom does Portcullis believe about the client, and what does it tell the endpoints?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Spanned;

/// Which fields about the client are believed and sent on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Forwarding {
    /// Addresses or networks (CIDR) of proxies in front of Portcullis; `unix` stands for peers on Unix sockets. Their
    /// `X-Forwarded-For` and `-Proto` are believed, and all their `X-Forwarded-*`, `Forwarded` and `X-Request-ID` are
    /// passed on and continued; from anyone else they are replaced. Default: none.
    pub trusted_proxies: Vec<Spanned<String>>,
    /// Whether `Forwarded` (RFC 7239) is sent beside `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`. Not where a
    /// trusted proxy sent only `X-Forwarded-*`, which a `Forwarded` that begins here would contradict. Default: true.
    pub forwarded: bool,
    /// Whether `Via` (RFC 9110 §7.6.3) is added to requests and responses. Default: true.
    pub via: bool,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            forwarded: true,
            via: true,
        }
    }
}
