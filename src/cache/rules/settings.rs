//! What does the operator want stored?

use std::time::Duration;

use super::DefaultTtl;

/// What counts of what an endpoint says about storing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// All of it.
    #[default]
    Respect,
    /// Nothing: `Cache-Control`, its targeted relatives and `Expires` are not read.
    Override,
}

/// How a route stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What counts of what the endpoint says.
    pub origin: Origin,
    /// How long an answer is fresh, counted from when it came, if the endpoint does not say. Zero: then it is not stored.
    pub default_ttl: DefaultTtl,
    /// The longest that anything is fresh, counted from when it came.
    pub max_ttl: Option<Duration>,
    /// How long a stale one may be used while another is fetched, where the endpoint does not say (RFC 5861 §3).
    pub while_revalidate: Duration,
    /// How long a stale one may be used when no other can be had, where the endpoint does not say (§4).
    pub if_error: Duration,
    /// Whether an answer that sets cookies is never stored. Otherwise it is where the endpoint itself says how long it
    /// is fresh.
    pub refuse_cookies: bool,
}
