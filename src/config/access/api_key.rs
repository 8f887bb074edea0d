//! Which programs may come in, with which keys?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Spanned;

/// Keys of programs.
///
/// Keys are in a `file`, in `keys`, or in both; given is only their SHA-256. That does for keys that are random, with
/// 128 bits or more, and for nothing that somebody has thought of: it is found by trying. Make keys with `openssl rand
/// -base64 32`: one in hexadecimal digits, put here by mistake, could not be told from a hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApiKey {
    /// Where a request has its key: `header.NAME` or `query.NAME`. In a query it is seen by others, in histories and in
    /// their logs, which `check` warns of; it is not shown in the access log. Default: header.X-Api-Key.
    pub from: Spanned<String>,
    /// The keys. Names and hashes must be different from each other. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Spanned<NamedKey>>,
    /// A file of more of them, in lines `name:sha256`, relative to the file it is named in. A change of the file is a
    /// reload (`runtime.watch`). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Spanned<String>>,
    /// Whether the endpoint gets the key as well; else it is taken out of the field or the query. One in the query is
    /// then not in a redirect of the route either, and the service of `forward_auth` is not told it. Default: false.
    pub forward: bool,
    /// A header field in which the endpoint gets the key's name, whatever the client sends in it. Default: none.
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
