//! What was purged, and when?

/// A place in the order of purges and fetches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq(pub u64);

/// What a purge finds an object by.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// When its fetch began: a purge after that is one of it.
    pub since: Seq,
    /// Host, path and query, as far as its key goes by them.
    pub url: Box<str>,
    /// The hashes of its tags.
    pub tags: Box<[u64]>,
}
