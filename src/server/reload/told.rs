//! What is told of a reload: in the log, to the supervisor, and to who asked for it?

use std::path::PathBuf;

use log::Level;

use super::refusal::Refusal;
use crate::admin::{ReloadReport, ReloadResult};
use crate::config::{Config, Diagnostic, Diagnostics};
use crate::server::door::Door;
use crate::server::door::bind::BindError;
use crate::server::door::doors::NotBound;
use crate::server::process::Process;
use crate::snapshot::{Fingerprint, Fingerprints};

/// How many lines about a reload go to the log.
const LOGGED_LINES: usize = 25;

/// One line for the reload and one for each thing to know about it, as the log has them; what is too much for a log is in
/// the answer.
pub(super) fn in_log(report: &ReloadReport, who: &str) -> Vec<(Level, String)> {
    let level = match report.result {
        ReloadResult::Applied | ReloadResult::Unchanged => Level::Info,
        ReloadResult::Rejected | ReloadResult::NeedsUpgrade => Level::Error,
    };
    // What is told about a configuration that is in force are warnings.
    let warning = level.min(Level::Warn);
    let warnings = report.diagnostics.iter().map(|line| (warning, line));
    let changes = report.changes.iter().chain(&report.needs_upgrade);
    let mut things = warnings.chain(changes.map(|line| (level, line)));
    let mut told = vec![(level, format!("reload by {who}: {}", report.summary()))];
    for (level, line) in things.by_ref().take(LOGGED_LINES) {
        told.push((level, format!("reload: {}", line.replace("\n  ", "; "))));
    }
    let more = things.count();
    if more > 0 {
        told.push((level, format!("reload: and {more} more")));
    }
    told
}

/// What came of it, with nothing to tell of it yet.
pub(super) fn report(result: ReloadResult, generation: u64) -> ReloadReport {
    ReloadReport {
        result,
        generation,
        changes: Vec::new(),
        diagnostics: Vec::new(),
        needs_upgrade: Vec::new(),
    }
}

/// What the process serves, and why it is not what was to be reloaded.
pub(super) fn status(process: &Process, refusal: Option<&Refusal>) -> String {
    let serves = process.status();
    match refusal {
        None => serves,
        Some(refusal) => format!("{serves}; the last reload {}", refusal.in_short()),
    }
}

/// A door that is open now.
pub(super) fn opened(door: &Door) -> String {
    format!(
        "listener {} is listening on {}",
        door.listener().name,
        door.address
    )
}

/// A door that is closed now.
pub(super) fn closed(door: &Door) -> String {
    let who_else = match door.passed {
        true => {
            ", but its socket is open: whoever passed it (systemd) has it until its unit is stopped"
        }
        false => "",
    };
    format!(
        "listener {} is not listening on {} any more{who_else}",
        door.listener().name,
        door.address
    )
}

/// Each diagnostic as it is written.
pub(super) fn lines(diagnostics: &Diagnostics) -> Vec<String> {
    diagnostics.iter().map(ToString::to_string).collect()
}

/// Files with another content under the same name; what was added or removed is told by the configuration.
pub fn changed_files(old: &Fingerprints, new: &Fingerprints) -> Vec<String> {
    let changed = |(path, now): &(&PathBuf, &Fingerprint)| {
        old.get(*path).is_some_and(|before| before != *now)
    };
    let changed = new.iter().filter(changed);
    changed
        .map(|(path, _)| format!("file {}: changed", path.display()))
        .collect()
}

/// Adds the listeners whose addresses can't be had, each at the place of its address.
pub(super) fn not_bound(config: &Config, failed: &[NotBound], problems: &mut Diagnostics) {
    for NotBound { listener, error } in failed {
        let written = config
            .listeners
            .iter()
            .find(|written| *written.name.value == **listener);
        problems.push(
            Diagnostic::error(format!("listeners[{listener}].address"), error.to_string())
                .at(written.and_then(|written| written.address.position.clone())),
        );
    }
}

/// The same for the admin listener.
pub(super) fn admin_not_bound(config: &Config, error: &BindError, problems: &mut Diagnostics) {
    let position = config.admin.address.position.clone();
    problems.push(Diagnostic::error("admin.address", error.to_string()).at(position));
}
