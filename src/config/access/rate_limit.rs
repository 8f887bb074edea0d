//! How many requests may come?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Spanned;
use crate::config::units::{Percent, Rate};

/// The key of a limit that names none.
pub const DEFAULT_KEY: &str = "client_ip";
/// How many bits of an IPv6 address tell clients apart: a network of that size is what one customer gets at least.
pub const DEFAULT_IPV6_PREFIX: u8 = 64;
/// How many keys are remembered at once.
pub const DEFAULT_KEYS: u32 = 100_000;

/// The share of a limit that one machine lets through while Redis is away.
pub const DEFAULT_WHILE_AWAY: Percent = Percent::new(100);

/// A limit of how many requests of one key may come: a token bucket.
///
/// Limits are asked in their order, those whose key has a claim after the others, those of the listener first and those
/// of the pool last; the first that refuses ends the request, which those before it have counted. They outlive a
/// reload: with another rate or burst, what a key has used stays used. When `key`, `ipv6_prefix` or `keys` changes, a
/// reload begins with nothing used, and so does an upgrade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// A name for metrics and for the fields of answers, unique in its listener, route or pool.
    pub name: Spanned<String>,
    /// How many requests of a key may come in a second (`100/s`), minute (`30/m`) or hour (`5/h`).
    pub rate: Spanned<Rate>,
    /// How many requests may come at once: from 1 on. Default: as many as the rate gives in a second, 1 at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Spanned<u32>>,
    /// What requests of one key have in common: `client_ip`, `path`, `host`, `header.NAME`, `cookie.NAME`,
    /// `query.NAME`, `claim.NAME` (of a verified token; not on listeners), a template of these such as
    /// `{client_ip}-{path}`, or `global`: all requests share one bucket. In the place of what a request does not have
    /// stands its client's address, so that nobody gets away by leaving it out. Who may choose the value of a key as it
    /// likes has as many buckets as it likes: limit by `client_ip` as well. Default: client_ip.
    #[serde(default = "client_ip")]
    pub key: Spanned<String>,
    /// How many bits of an IPv6 address tell clients apart: 1 to 128. IPv4 addresses count whole; peers on Unix sockets
    /// are one client. Default: 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_prefix: Option<Spanned<u8>>,
    /// How many keys are remembered at once: 1 to 10,000,000. The memory, 34 bytes for each, is taken at the start and
    /// never grows; `check` tells how much it is. A key is remembered until it has its whole burst again. When there
    /// are more, those are forgotten that have used least: who is over the limit stays over it, and nobody else is
    /// refused. Default: 100000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Spanned<u32>>,
    /// Where it is counted. Default: local.
    #[serde(default)]
    pub store: Spanned<Store>,
    /// How many percent of rate and burst this machine lets through while Redis is away, 1 to 100: 50 for one of two
    /// that must not let through more together. What it has let through until then counts. Of a small burst it is one
    /// request at least. Only with `store: redis`. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub while_away: Option<Spanned<Percent>>,
    /// Addresses and networks (CIDR) of clients that are not counted. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exempt: Vec<Spanned<String>>,
    /// Values of the key that are not counted. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exempt_keys: Vec<Spanned<String>>,
    /// Whether what is too much is only counted, and goes on: `portcullis_rate_limit_total{result="would_refuse"}`.
    /// Default: false.
    #[serde(default)]
    pub dry_run: bool,
    /// Which answers tell the client of the limit, in the fields `RateLimit` and `RateLimit-Policy`. Default: refused.
    #[serde(default)]
    pub fields: LimitFields,
}

/// Where a limit is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// Each machine for itself.
    #[default]
    Local,
    /// All machines together, in the Redis of the section `redis`: the limits of one name, in parts of one name, are
    /// one limit. Who is known to be over it is refused without a question.
    Redis,
}

/// Which answers tell the client of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitFields {
    /// Those that refuse.
    #[default]
    Refused,
    /// All.
    Always,
}

fn client_ip() -> Spanned<String> {
    Spanned::new(DEFAULT_KEY.to_owned())
}

impl RateLimit {
    /// How many may come at once.
    pub fn burst(&self) -> u32 {
        let written = self.burst.as_ref().map(|burst| burst.value);
        written.unwrap_or_else(|| self.rate.in_a_second())
    }

    /// Whether all requests share one bucket.
    pub fn is_global(&self) -> bool {
        self.key.value == "global"
    }

    /// Writes the defaults that are not written when it is read.
    pub fn fill_in(&mut self) {
        if self.store.value == Store::Redis {
            let while_away = Spanned::new(DEFAULT_WHILE_AWAY);
            self.while_away.get_or_insert(while_away);
        }
        let burst = self.burst();
        self.burst.get_or_insert(Spanned::new(burst));
        if !self.is_global() {
            let prefix = Spanned::new(DEFAULT_IPV6_PREFIX);
            self.ipv6_prefix.get_or_insert(prefix);
            self.keys.get_or_insert(Spanned::new(DEFAULT_KEYS));
        }
    }

    /// Replaces the values of its key.
    pub fn mask(&mut self, mask: &str) {
        for value in &mut self.exempt_keys {
            mask.clone_into(&mut value.value);
        }
    }
}
