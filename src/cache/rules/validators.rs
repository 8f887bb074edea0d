//! What tells one version of a response from another?

use std::time::SystemTime;

use bytes::Bytes;

/// What a response says of its version (RFC 9110 §8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// Its entity tag.
    pub etag: Option<EntityTag>,
    /// When it was last modified.
    pub modified: Option<SystemTime>,
}

/// An entity tag (RFC 9110 §8.8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag {
    /// Whether equal tags do not mean equal bytes.
    pub weak: bool,
    /// What stands between the quotes.
    pub opaque: Bytes,
}
