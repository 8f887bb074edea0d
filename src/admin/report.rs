//! What came of a reload or an upgrade? The same answer for who asks over HTTP, on the command line, and for the log.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::telemetry::metrics::ReloadResult;

/// What came of a reload, in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// What came of it.
    pub result: ReloadResult,
    /// The number of the generation in force after it.
    pub generation: u64,
    /// What changed, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Errors and warnings, with their places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<String>,
    /// The settings that take a new process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs_upgrade: Vec<String>,
}

impl ReloadReport {
    /// What came of it, in one line.
    pub fn summary(&self) -> String {
        let generation = self.generation;
        match self.result {
            ReloadResult::Applied => format!("applied: generation {generation}"),
            ReloadResult::Unchanged => format!("unchanged: generation {generation} stays in force"),
            ReloadResult::Rejected => format!("rejected: generation {generation} stays in force"),
            ReloadResult::NeedsUpgrade => format!(
                "needs upgrade: generation {generation} stays in force, because these settings take a new process \
                 (`portcullis upgrade`)"
            ),
        }
    }
}

impl fmt::Display for ReloadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.diagnostics {
            writeln!(f, "{diagnostic}")?;
        }
        f.write_str(&self.summary())?;
        for line in self.changes.iter().chain(&self.needs_upgrade) {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

/// What came of an upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum UpgradeReport {
    /// Another process serves now.
    Upgraded {
        /// Its number.
        pid: u32,
    },
    /// The old process serves on, and nothing has changed.
    Failed {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for UpgradeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upgraded { pid } => write!(f, "upgraded: process {pid} serves"),
            Self::Failed { reason } => {
                write!(f, "not upgraded, the old process serves on: {reason}")
            }
        }
    }
}
