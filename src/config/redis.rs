//! Which Redis do machines share their rate limits through?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Spanned, Timespan};

/// The Redis that limits with `store: redis` are counted in.
///
/// It is one Redis, or the primary of several; no Redis Cluster. It must have 5.0 or later, and EVALSHA, SCRIPT LOAD,
/// GET, SET and TIME must be allowed. Each worker thread has a connection of its own. No request fails or waits longer
/// than `timeout` because of it: where it is slow or away each machine counts for itself, and
/// `portcullis_shared_limit_reachable` is 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Redis {
    /// `IP:port`, `name:port` (looked up anew for each connection) or `unix:/path`. Default: none, there is no Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Spanned<String>>,
    /// The user. Default: none, which is Redis' default user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<Spanned<String>>,
    /// The user's password, as `${REDIS_PASSWORD}`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Spanned<String>>,
    /// The number of the database. Default: 0.
    pub database: Spanned<u32>,
    /// How long an answer may take: 1ms to 1s. After that the machine decides by what it knows itself. Default: 5ms.
    pub timeout: Spanned<Timespan>,
    /// What the names of all keys in it begin with. Machines with the same prefix share the limits of the same name in
    /// listeners, routes and pools of the same name. Default: `portcullis:`.
    pub prefix: Spanned<String>,
    /// What the clients in the names of keys are hashed with, the same on all machines: at least 32 characters, as made
    /// by `openssl rand -hex 32`. Default: the prefix, which keeps addresses from nobody who can read Redis and tries
    /// them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Spanned<String>>,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            address: None,
            username: None,
            password: None,
            database: Spanned::new(0),
            timeout: Spanned::new(Timespan::millis(5)),
            prefix: Spanned::new("portcullis:".to_owned()),
            secret: None,
        }
    }
}

impl Redis {
    /// Replaces what only its owner may see.
    pub(in crate::config) fn mask(&mut self, mask: &str) {
        for secret in [&mut self.password, &mut self.secret].into_iter().flatten() {
            mask.clone_into(&mut secret.value);
        }
    }
}
