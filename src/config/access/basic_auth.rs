//! Which users may come in, with which passwords?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Spanned;

/// Users and passwords.
///
/// Users are in a `file`, in `users`, or in both. Passwords are tried beside the proxy's threads, on half as many as
/// there are cores, 8 at most. Right ones are remembered for 5 minutes, unless the hash changes. 8 of one client (an
/// IPv4 address, or a /64 of IPv6) wait, 128 of all; more get 503 (`auth_unavailable`). Use it over TLS only. Of a
/// password bcrypt reads the first 72 bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BasicAuth {
    /// A file of lines `user:hash`, as `htpasswd -nB -C 12 USER` makes them: bcrypt (cost up to 15) or Argon2 (up to
    /// 128 MiB, and 1 GiB in all passes). Relative to the file it is named in. A change of the file is a reload
    /// (`runtime.watch`). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Spanned<String>>,
    /// More of them: name and hash; one of Argon2 has commas and needs quotation marks. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, Spanned<String>>,
    /// What browsers may show when they ask for a password. Default: restricted.
    pub realm: Spanned<String>,
    /// Whether the endpoint gets user and password as well (`Authorization`). Default: false.
    pub forward: bool,
    /// A header field in which the endpoint gets the user's name, whatever the client sends in it. Default: none.
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
