//! What is told of the cache's disk tier?

use prometheus::{IntCounter, IntGauge};

use super::signed;

/// The metrics of the disk tier.
#[derive(Clone, Debug)]
pub struct DiskMetrics {
    pub(super) on: IntGauge,
    pub(super) bytes: IntGauge,
    pub(super) objects: IntGauge,
    pub(super) evicted: IntCounter,
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
    /// Too many wait for the disk, or too many files are open.
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
    /// Tells whether the tier is used.
    pub fn on(&self, is: bool) {
        self.on.set(is.into());
    }

    /// Tells how many objects are there, and what they take.
    pub fn holds(&self, objects: usize, bytes: u64) {
        self.objects.set(signed(objects as u64));
        self.bytes.set(signed(bytes));
    }

    /// Counts an object that left to make room.
    pub fn evicted(&self) {
        self.evicted.inc();
    }

    /// Counts a look-up.
    pub fn read(&self, result: DiskRead) {
        self.reads[result as usize].inc();
    }

    /// Counts an object that was to be written.
    pub fn written(&self, result: DiskWrite) {
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
