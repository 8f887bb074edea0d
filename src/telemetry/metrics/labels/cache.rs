//! What is told apart of the cache's fetches, purges and disk?

/// What an endpoint is asked for by the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Nothing was stored.
    Miss,
    /// What was stored could not be used without asking.
    Expired,
    /// A stale answer was sent, and another is wanted for who comes next.
    Background,
    /// The last answers could not be stored, so that no request waits for another's.
    Pass,
}

impl Fetch {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Miss, Self::Expired, Self::Background, Self::Pass];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Expired => "expired",
            Self::Background => "background",
            Self::Pass => "pass",
        }
    }
}

/// What an order to purge names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeKind {
    /// The objects of an address.
    Url,
    /// Those whose addresses begin alike.
    Prefix,
    /// Those with a tag.
    Tag,
    /// All.
    All,
}

impl PurgeKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Url, Self::Prefix, Self::Tag, Self::All];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Prefix => "prefix",
            Self::Tag => "tag",
            Self::All => "all",
        }
    }
}

/// What the cache's disk was wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOperation {
    /// To be opened, and what is there to be found.
    Open,
    /// To give an object.
    Read,
    /// To take one.
    Write,
    /// To forget one.
    Remove,
}

impl DiskOperation {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Open, Self::Read, Self::Write, Self::Remove];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Remove => "remove",
        }
    }
}
