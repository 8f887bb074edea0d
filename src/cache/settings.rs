//! How much may the process's cache take?

use std::path::PathBuf;

/// How much the process's cache may take, and where. Every snapshot has it; the cache itself outlives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// Bytes of memory.
    pub memory: u64,
    /// The disk; `None` for none.
    pub disk: Option<DiskSettings>,
}

/// A directory for objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSettings {
    /// Where it is: an absolute path. Its parent is there.
    pub path: PathBuf,
    /// Bytes that the objects in it may take.
    pub size: u64,
}
