//! Is the process well, as a container's health check asks: one word, and an exit code?

use std::process::ExitCode;

use http::StatusCode;

use super::{Running, say};
use crate::admin::client::AskError;

/// The process was reached, and is not what was asked for.
const NOT_WELL: u8 = 1;

/// Say whether the process is ready for requests, as /readyz does.
///
/// For health checks in images that have no other program, as `HEALTHCHECK CMD ["portcullis", "healthcheck"]`.
/// Exit codes: 0 it is, 1 it is not (yet, or no more), 3 no process was reached, 64 a command line that can't be read.
#[derive(clap::Args)]
pub struct Healthcheck {
    #[command(flatten)]
    running: Running,
    /// Ask only whether it is alive, as /livez does.
    #[arg(long)]
    live: bool,
}

impl Healthcheck {
    /// Asks it.
    pub(super) fn ask(&self) -> Result<ExitCode, AskError> {
        let path = if self.live { "/livez" } else { "/readyz" };
        let (status, body) = self.running.place().look(path)?;
        let exit = match status {
            StatusCode::OK => ExitCode::SUCCESS,
            _ => NOT_WELL.into(),
        };
        Ok(say(String::from_utf8_lossy(&body).trim_end(), exit))
    }
}
