//! What does the index know of an object that a purge may go by, without reading its file?

use crate::cache::purge::{Marks, Seq, url_hash};

/// What is left of [`Marks`] when there may be millions of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// When the object's fetch began.
    pub since: Seq,
    /// The hash of its URL, as [`url_hash`] makes it.
    pub url: u64,
    /// Twice in a box, so that an object without tags costs one word.
    tags: Option<Box<Box<[u64]>>>,
}

impl Trace {
    /// What is kept of these marks.
    pub fn of(marks: &Marks) -> Self {
        Self {
            since: marks.since,
            url: url_hash(&marks.url),
            tags: (!marks.tags.is_empty()).then(|| Box::new(marks.tags.clone())),
        }
    }

    /// The hashes of its tags.
    pub fn tags(&self) -> &[u64] {
        self.tags.as_ref().map_or(&[], |tags| tags)
    }
}
