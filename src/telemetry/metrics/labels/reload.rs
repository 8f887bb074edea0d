//! What comes of a reload?

use serde::{Deserialize, Serialize};

/// What came of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadResult {
    /// The configuration is in force.
    Applied,
    /// It is the one that is in force already.
    Unchanged,
    /// It can't be used, and the one before stays in force.
    Rejected,
    /// It changes what only a new process can change; nothing of it is in force.
    NeedsUpgrade,
}

impl ReloadResult {
    /// Every result, in the order of their numbers.
    pub const ALL: [Self; 4] = [
        Self::Applied,
        Self::Unchanged,
        Self::Rejected,
        Self::NeedsUpgrade,
    ];

    /// The word in JSON and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Rejected => "rejected",
            Self::NeedsUpgrade => "needs_upgrade",
        }
    }

    /// The exit code of `portcullis reload`.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Applied | Self::Unchanged => 0,
            Self::Rejected => 1,
            Self::NeedsUpgrade => 2,
        }
    }
}
