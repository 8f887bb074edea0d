//! What does the index know of an object that a purge may go by, without reading its file?

use std::sync::LazyLock;

use xxhash_rust::xxh3;

use crate::cache::purge::{Marks, Seq};

/// What is left of [`Marks`] when there may be millions of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// When the object's fetch began.
    pub since: Seq,
    /// The hash of its URL, as [`Trace::url`] makes it.
    pub url: u64,
    /// Twice in a box, so that an object without tags costs one word.
    tags: Option<Box<Box<[u64]>>>,
}

/// So that nobody can choose URLs that have one hash: it is not known outside of the process.
static SEED: LazyLock<u64> = LazyLock::new(|| fastrand::u64(..));

impl Trace {
    /// What is kept of these marks.
    pub fn of(marks: &Marks) -> Self {
        Self {
            since: marks.since,
            url: Self::url_hash(&marks.url),
            tags: (!marks.tags.is_empty()).then(|| Box::new(marks.tags.clone())),
        }
    }

    /// The hash of a URL; another one in each process.
    pub fn url_hash(url: &str) -> u64 {
        xxh3::xxh3_64_with_seed(url.as_bytes(), *SEED)
    }

    /// The hashes of its tags.
    pub fn tags(&self) -> &[u64] {
        self.tags.as_ref().map_or(&[], |tags| tags)
    }
}
