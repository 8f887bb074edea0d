//! What is written down: one line a request (access log), and what the process says about itself (log)?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ByteSize, Spanned};

/// One line for every finished request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccessLog {
    /// `json` (one object a line), `combined` (as nginx and Apache write it) or `off`. Default: json.
    pub format: AccessLogFormat,
    /// A file's path, `stdout` or `stderr`. A file is opened for appending and made with mode 0640. Default: stdout.
    pub path: Spanned<String>,
    /// How many bytes may wait to be written. When the disk is slower than the requests, lines past this are dropped
    /// and counted in `portcullis_access_log_lines_total`; a request never waits. Default: 8MiB.
    pub queue: ByteSize,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            format: AccessLogFormat::Json,
            path: Spanned::new("stdout".to_owned()),
            queue: ByteSize::mib(8),
        }
    }
}

/// The shape of an access log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessLogFormat {
    /// One JSON object a line.
    Json,
    /// The combined format of nginx and Apache.
    Combined,
    /// No access log.
    Off,
}

/// What Portcullis says about itself, on standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessLog {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`; the environment's RUST_LOG goes before it. Default: info.
    pub level: LogLevel,
    /// `text` or `json` (one object a line). Default: text.
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
