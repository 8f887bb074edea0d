//! Which addresses may come in?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Spanned;

/// Who may come in, by the client's own address.
///
/// `deny` goes before `allow`; with `allow` nobody else comes in. Files have one address or network a line, and remarks
/// behind a `#`; they are relative to the file that names them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IpFilter {
    /// Addresses and networks (CIDR) that alone may come in, as `[10.0.0.0/8, "2001:db8::/32"]`. Default: everyone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Spanned<String>>,
    /// Files of such. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_files: Vec<Spanned<String>>,
    /// Addresses and networks (CIDR) that may not come in. Default: nobody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Spanned<String>>,
    /// Files of such. Default: none.
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
