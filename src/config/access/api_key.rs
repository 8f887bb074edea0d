//! Which programs may come in, with which keys?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Spanned;

/// Keys of programs. A request without one of them gets 401. Keys are in a `file`, in `keys`, or in both; given are only
/// their hashes. Keys must be random, with at least 128 bits: what people think of is found from such a hash by trying.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApiKey {
    /// Where a request has its key: `header.NAME` or `query.NAME`. Queries stand in histories and in the logs of others:
    /// a header field is better. Default: header.X-Api-Key.
    pub from: Spanned<String>,
    /// The keys. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Spanned<NamedKey>>,
    /// A file of lines `name:sha256`. Relative to the file it is named in. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Spanned<String>>,
    /// Whether the endpoint gets the key as well. If not, one in the query is not in a redirect of the route either, and the
    /// service of `forward_auth` is not told it. Default: false.
    pub forward: bool,
    /// A header field in which the endpoint gets the key's name. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_header: Option<Spanned<String>>,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedKey {
    /// Whose it is; the `user` of the access log.
    pub name: Spanned<String>,
    /// The SHA-256 of the key in hexadecimal digits, as `printf %s KEY | sha256sum | cut -d' ' -f1` shows it.
    pub sha256: Spanned<String>,
}

impl Default for ApiKey {
    fn default() -> Self {
        Self {
            from: Spanned::new("header.X-Api-Key".to_owned()),
            keys: Vec::new(),
            file: None,
            forward: false,
            user_header: None,
        }
    }
}

impl ApiKey {
    /// Replaces what only its owner may see.
    pub(in crate::config) fn mask(&mut self, mask: &str) {
        for key in &mut self.keys {
            mask.clone_into(&mut key.value.sha256.value);
        }
    }
}
