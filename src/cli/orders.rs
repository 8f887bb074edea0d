//! What can a running process be told to do, or to show of itself?

use std::path::PathBuf;
use std::process::ExitCode;

use http::StatusCode;

use super::{Running, say};
use crate::admin::client::{AskError, read};
use crate::admin::{DrainReport, PoolsReport, ReloadReport, UpgradeReport, UpgradeRequest};
use crate::route::encode_parameter as encode;

/// Has it read its configuration again, and says what came of it.
pub(super) fn reload(running: &Running) -> Result<ExitCode, AskError> {
    let answer = running.place().ask("/reload", Vec::new())?;
    let expected = [
        StatusCode::OK,
        StatusCode::CONFLICT,
        StatusCode::UNPROCESSABLE_ENTITY,
    ];
    let report: ReloadReport = read(answer, &expected)?;
    Ok(say(
        &report.to_string(),
        ExitCode::from(report.result.exit_code()),
    ))
}

/// Has it fail readiness, or send no new request to an endpoint of a pool; with `off` no longer.
pub(super) fn drain(
    running: &Running,
    off: bool,
    endpoint: Option<(&str, &str)>,
) -> Result<ExitCode, AskError> {
    let word = if off { "undrain" } else { "drain" };
    if let Some((pool, endpoint)) = endpoint {
        let (pool, endpoint) = (encode(pool), encode(endpoint));
        let path = format!("/endpoints/{word}?pool={pool}&endpoint={endpoint}");
        let answer = running.place().ask(&path, Vec::new())?;
        let report: DrainReport = read(answer, &[StatusCode::OK])?;
        return Ok(say(&report.to_string(), ExitCode::SUCCESS));
    }
    let (status, body) = running.place().ask(&format!("/{word}"), Vec::new())?;
    let text = String::from_utf8_lossy(&body).into_owned();
    if status != StatusCode::OK {
        return Err(AskError::Refused(text));
    }
    Ok(say(text.trim_end(), ExitCode::SUCCESS))
}

/// Shows its pools, or one of them.
pub(super) fn status(
    running: &Running,
    pool: Option<&str>,
    json: bool,
) -> Result<ExitCode, AskError> {
    let path = match pool {
        None => "/pools".to_owned(),
        Some(pool) => format!("/pools?pool={}", encode(pool)),
    };
    let answer = running.place().look(&path)?;
    if json && answer.0 == StatusCode::OK {
        // As it came: the process may be of a newer version, and know more.
        let text = String::from_utf8_lossy(&answer.1);
        return Ok(say(text.trim_end(), ExitCode::SUCCESS));
    }
    let report: PoolsReport = read(answer, &[StatusCode::OK])?;
    Ok(say(&report.to_string(), ExitCode::SUCCESS))
}

/// Has it start its successor, which takes over its sockets.
pub(super) fn upgrade(
    running: &Running,
    binary: Option<PathBuf>,
    config: Option<PathBuf>,
) -> Result<ExitCode, AskError> {
    // The process may be in another directory.
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    let wanted = UpgradeRequest {
        binary: binary.map(absolute),
        config: config.map(absolute),
    };
    // Two paths: writing them does not fail.
    let body = serde_json::to_vec(&wanted).unwrap_or_default();
    let answer = running.place().ask("/upgrade", body)?;
    let report: UpgradeReport = read(answer, &[StatusCode::OK, StatusCode::CONFLICT])?;
    let code = match report {
        UpgradeReport::Upgraded { .. } => ExitCode::SUCCESS,
        UpgradeReport::Failed { .. } => ExitCode::FAILURE,
    };
    Ok(say(&report.to_string(), code))
}
