//! What does the process say about itself, and from which severity on?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What Portcullis says about itself, on standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessLog {
    /// From which severity on it is written; the environment's RUST_LOG goes before it. Default: info.
    pub level: LogLevel,
    /// The shape of its lines. Default: text.
    pub format: ProcessLogFormat,
}

impl Default for ProcessLog {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            format: ProcessLogFormat::Text,
        }
    }
}

/// From which severity on the process log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What an operator must act on.
    Error,
    /// What an operator should look at.
    Warn,
    /// The life of the process.
    Info,
    /// Each connection and request.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level's word, as env_logger reads it.
    pub const fn as_str(self) -> &'static str {
        match self {
            LogLevel::Off => "off",
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// The shape of a process log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessLogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
