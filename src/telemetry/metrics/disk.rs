//! What is told of the cache's disk tier?

use prometheus::IntCounter;

use super::labels::DiskOperation;

/// The metrics of the disk tier.
#[derive(Clone, Debug)]
pub struct DiskMetrics {
    pub(super) errors: [IntCounter; DiskOperation::ALL.len()],
    pub(super) stored: IntCounter,
    pub(super) reads: [IntCounter; DiskRead::ALL.len()],
    pub(super) writes: [IntCounter; DiskWrite::ALL.len()],
}

/// What became of a look-up on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskRead {
    /// Something was found.
    Hit,
    /// There was nothing.
    Miss,
    /// Too many wait for the disk, or too long, or too many files are open.
    Full,
    /// What was found is not what was written; it was removed.
    Damaged,
    /// It can't be read.
    Failed,
}

impl DiskRead {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Hit,
        Self::Miss,
        Self::Full,
        Self::Damaged,
        Self::Failed,
    ];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Full => "full",
            Self::Damaged => "damaged",
            Self::Failed => "failed",
        }
    }
}

/// What became of an object that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskWrite {
    /// It is on disk.
    Stored,
    /// It was left: its fetch failed, it was removed meanwhile, or another process has the directory now.
    Left,
    /// Too many wait for the disk.
    Full,
    /// There is no room for it.
    NoRoom,
    /// It can't be written.
    Failed,
}

impl DiskWrite {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Stored,
        Self::Left,
        Self::Full,
        Self::NoRoom,
        Self::Failed,
    ];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Left => "left",
            Self::Full => "full",
            Self::NoRoom => "no_room",
            Self::Failed => "failed",
        }
    }
}

impl DiskMetrics {
    /// Counts something that could not be done.
    pub fn failed(&self, operation: DiskOperation) {
        self.errors[operation as usize].inc();
    }

    /// Counts a look-up.
    pub fn read(&self, result: DiskRead) {
        self.reads[result as usize].inc();
    }

    /// Counts an object that was to be written.
    pub fn written(&self, result: DiskWrite) {
        if result == DiskWrite::Stored {
            self.stored.inc();
        }
        self.writes[result as usize].inc();
    }

    /// How many look-ups had this result.
    pub fn reads(&self, result: DiskRead) -> u64 {
        self.reads[result as usize].get()
    }

    /// What became of so many objects that were to be written.
    pub fn writes(&self, result: DiskWrite) -> u64 {
        self.writes[result as usize].get()
    }
}
