//! How are the two logs opened: that of requests, and that of the process itself?

use std::sync::Arc;

use crate::config::{Config, ProcessLogFormat};
use crate::server::exit::StartError;
use crate::state::State;
use crate::telemetry::access_log::{self, AccessLog};
use crate::telemetry::process_log::{self, ProcessLog};

/// Opens the access log that a generation is to have.
///
/// # Errors
///
/// It can't be written.
pub fn open_access_log(
    settings: Option<&access_log::Settings>,
    state: &State,
) -> Result<Option<Arc<AccessLog>>, StartError> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    match AccessLog::open(settings, state.metrics.access_log.clone()) {
        Ok(log) => {
            state.access_logs.add(&log);
            Ok(Some(Arc::new(log)))
        }
        Err(source) => Err(StartError::AccessLog {
            path: settings.destination.to_string(),
            source,
        }),
    }
}

/// What the process log is written as.
pub fn log_format(config: &Config) -> process_log::Format {
    match config.log.format {
        ProcessLogFormat::Text => process_log::Format::Text,
        ProcessLogFormat::Json => process_log::Format::Json,
    }
}

/// Begins the process log.
///
/// # Errors
///
/// Its level can't be read, or it was begun before.
pub fn start_process_log(config: &Config) -> Result<ProcessLog, StartError> {
    process_log::init(log_format(config), config.log.level.as_str())
        .map_err(|error| StartError::Other(format!("process log: {error}")))
}
