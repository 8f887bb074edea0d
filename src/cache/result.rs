//! How was a request served, as far as the cache had a part in it?

/// The word in the access log and the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheResult {
    /// From the cache, fresh.
    Hit,
    /// From the cache, stale: the client allows it, or no other could be had.
    Stale,
    /// From the cache, stale, while another is fetched.
    Updating,
    /// From the cache, after the endpoint said that it is still good.
    Revalidated,
    /// By the endpoint; what was stored was no longer good.
    Expired,
    /// By the endpoint; nothing was stored.
    Miss,
    /// By the endpoint; the cache was not asked.
    Bypass,
}

impl CacheResult {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Hit,
        Self::Stale,
        Self::Updating,
        Self::Revalidated,
        Self::Expired,
        Self::Miss,
        Self::Bypass,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Updating => "updating",
            Self::Revalidated => "revalidated",
            Self::Expired => "expired",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}
