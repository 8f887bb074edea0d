//! What does the cache say of itself, and of what a purge has done?

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Where objects are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// In memory.
    Memory,
    /// On disk.
    Disk,
}

impl Tier {
    /// Both, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Memory, Self::Disk];

    /// The word, in JSON and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }
}

/// How much a tier keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What its objects take, in bytes.
    pub bytes: u64,
    /// How much they may take.
    pub limit_bytes: u64,
    /// How many there are.
    pub objects: u64,
    /// How many had to go so that others found room, since the process started.
    pub evictions: u64,
}

/// The state of the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskReport {
    /// Whether it is used. It is not from an error on until it could be opened again.
    pub on: bool,
    /// The error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it keeps.
    #[serde(flatten)]
    pub kept: Kept,
}

/// What the cache says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What is in memory.
    pub memory: Kept,
    /// What is on disk; `null` if no disk was configured.
    pub disk: Option<DiskReport>,
    /// Fetches under way.
    pub flights: usize,
    /// Purges that are remembered, because an object may still be found that they are about.
    pub purges: usize,
}

/// What a purge has done. It has taken effect before anything was counted; what is counted is the objects that were found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeReport {
    /// Objects in memory that were removed, or are stale from now on.
    pub memory: usize,
    /// Objects on disk that were removed; those that are in memory as well are counted in both. What a soft purge made stale
    /// is not counted there.
    pub disk: usize,
}

impl AddAssign for PurgeReport {
    fn add_assign(&mut self, other: Self) {
        self.memory += other.memory;
        self.disk += other.disk;
    }
}
