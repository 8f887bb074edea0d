//! Which memory belongs to which limit, over all generations?

use std::fmt;
use std::sync::Arc;

/// What a limit is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A listener: every request that comes there.
    Listener,
    /// A route.
    Route,
    /// A pool: the requests of all routes that end there.
    Pool,
}

impl Scope {
    /// The word in metrics and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Route => "route",
            Self::Pool => "pool",
        }
    }
}

/// What must stay the same for a limit to keep its memory over a reload. Rate and burst may change: a debt is one of
/// requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// What it is a part of.
    pub scope: Scope,
    /// The name of that listener, route or pool.
    pub part: Arc<str>,
    /// Its own name.
    pub limit: Arc<str>,
    /// Its key, as it is written.
    pub key: Arc<str>,
    /// How many bits of an IPv6 address tell clients apart.
    pub ipv6_prefix: u8,
    /// How many keys are remembered.
    pub keys: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (limit, scope, part) = (&self.limit, self.scope.as_str(), &self.part);
        write!(f, "rate limit {limit} of {scope} {part}")
    }
}
