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
    /// Files of such, one a line and what is behind a `#` for the reader, relative to the file that names them. Default:
    /// none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_files: Vec<Spanned<String>>,
    /// Addresses and networks that may not; they go before `allow`. Default: nobody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Spanned<String>>,
    /// Files of such, as `allow_files`. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny_files: Vec<Spanned<String>>,
}

impl IpFilter {
    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        let lists = [&self.allow, &self.allow_files, &self.deny, &self.deny_files];
        lists.iter().all(|list| list.is_empty())
    }
}
