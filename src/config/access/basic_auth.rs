//! Which users may come in, with which passwords?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Spanned;

/// Users and passwords (HTTP Basic, RFC 7617). Anyone else gets 401. Users are in a `file`, in `users`, or in both.
/// Of one client, an IPv4 address or an IPv6 network of 64 bits, 8 passwords wait to be tried, and 128 of all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BasicAuth {
    /// A file of lines `user:hash`, as `htpasswd -nB -C 12 USER` makes them: bcrypt (cost up to 15) or Argon2 (up to
    /// 128 MiB of memory). Relative to the file it is named in. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Spanned<String>>,
    /// Users by name, with the hashes of their passwords. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, Spanned<String>>,
    /// What browsers may show when they ask for a password. Default: restricted.
    pub realm: Spanned<String>,
    /// Whether the endpoint gets user and password as well (`Authorization`). Default: false.
    pub forward: bool,
    /// A header field in which the endpoint gets the user's name. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_header: Option<Spanned<String>>,
}

impl Default for BasicAuth {
    fn default() -> Self {
        Self {
            file: None,
            users: BTreeMap::new(),
            realm: Spanned::new("restricted".to_owned()),
            forward: false,
            user_header: None,
        }
    }
}

impl BasicAuth {
    /// Replaces what only its owner may see.
    pub(in crate::config) fn mask(&mut self, mask: &str) {
        for hash in self.users.values_mut() {
            mask.clone_into(&mut hash.value);
        }
    }
}
