//! Why did a process not start, and with which exit code does it say so?

use std::io;

use crate::admin::ControlError;
use crate::config::Diagnostics;
use crate::config::diagnostics::Severity;
use crate::pool::Address;
use crate::server::directory::DirectoryError;
use crate::server::door::bind::BindError;
use crate::server::door::doors::NotBound;

/// The exit code of a new process that did not come to take over.
pub const UPGRADE: u8 = 7;
/// The exit code for what should not happen.
pub const UNEXPECTED: u8 = 10;

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration has errors.
    #[error("{0}")]
    Config(Diagnostics),
    /// Addresses of listeners can't be had.
    #[error("{}", lines(.0))]
    Listeners(Vec<NotBound>),
    /// The admin listener's address can't be had.
    #[error("admin listener: {0}")]
    Admin(BindError),
    /// The access log can't be written.
    #[error("access log {path}: {source}")]
    AccessLog {
        /// Where it should be.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The cache's directory can't be used.
    #[error("cache.disk.path: {0}")]
    CacheDisk(#[source] io::Error),
    /// The directory of the control socket can't be used.
    #[error("runtime.directory: {0}")]
    Directory(#[from] DirectoryError),
    /// The control socket can't be opened.
    #[error("control socket: {0}")]
    Control(#[from] ControlError),
    /// The PID file can't be written.
    #[error("PID file {path}: {source}")]
    PidFile {
        /// Where it should be.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The process that is to be succeeded did not hand over.
    #[error("upgrade: {0}")]
    TakeOver(io::Error),
    /// An app server of the demo does not start.
    #[error("app server {0}")]
    App(String),
    /// Something that should not happen.
    #[error("{0}")]
    Other(String),
}

fn lines(failed: &[NotBound]) -> String {
    let lines: Vec<String> = failed
        .iter()
        .map(|NotBound { listener, error }| format!("listener `{listener}`: {error}"))
        .collect();
    lines.join("\n")
}

impl StartError {
    /// The exit code: 1 for a configuration with errors, 3 for an address that can't be had, 4 if all errors are about
    /// certificates or other TLS settings, 5 for a Unix socket in use, 6 for a log, a PID file or a cache's directory that
    /// can't be written, 7
    /// for an upgrade that failed, 10 for what should not happen. (64 is a command line that can't be read.)
    pub fn code(&self) -> u8 {
        match self {
            Self::Config(diagnostics) => {
                let mut errors = diagnostics
                    .iter()
                    .filter(|one| one.severity == Severity::Error);
                if errors.all(|error| error.key.contains(".tls.")) {
                    4
                } else {
                    1
                }
            }
            Self::Listeners(failed) => failed.first().map_or(3, |failed| address(&failed.error)),
            Self::Admin(error) => address(error),
            Self::App(_) => 3,
            Self::Control(_) | Self::Directory(_) => 5,
            Self::AccessLog { .. } | Self::PidFile { .. } | Self::CacheDisk(_) => 6,
            Self::TakeOver(_) => UPGRADE,
            Self::Other(_) => UNEXPECTED,
        }
    }
}

fn address(error: &BindError) -> u8 {
    match error {
        BindError::NoSocket(_)
        | BindError::Taken {
            address: Address::Unix(_),
            ..
        } => 5,
        _ => 3,
    }
}
