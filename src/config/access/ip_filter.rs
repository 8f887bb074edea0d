//! Which addresses may come in?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Spanned;

/// Who may come in, by the client's own address. Anyone else gets 403.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IpFilter {
    /// Addresses and networks (CIDR) that alone may come in. Default: everyone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Spanned<String>>,
    /// Addresses and networks that may not; they go before `allow`. Default: nobody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Spanned<String>>,
}

impl IpFilter {
    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }
}
