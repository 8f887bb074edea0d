//! Can a configuration be used, how much does it take, and what would it change?

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use http::StatusCode;

use super::{ConfigFile, Running, answered, say, started};
use crate::admin::client::{AskError, Place, read};
use crate::admin::{Candidate, Comparison};
use crate::admission::rate::{self, Buckets};
use crate::config::Diagnostics;
use crate::config::diagnostics::Severity;
use crate::config::units::rounded;
use crate::pool::Address;
use crate::server::reload::prepare::{self, Prepared};
use crate::server::run;
use crate::state::State;

/// Says what is wrong with a configuration, or what it takes; and how it differs from that of the process at `against`.
pub(super) fn check(path: &Path, strict: bool, against: Option<Option<Address>>) -> ExitCode {
    let state = match run::new_state() {
        Ok(state) => state,
        Err(error) => return started(Err(error)),
    };
    let Prepared {
        config,
        snapshot,
        diagnostics,
        ..
    } = prepare::prepare(path, &state);
    let mut text = String::new();
    if !diagnostics.is_empty() {
        text.push_str(&format!("{diagnostics}\n"));
    }
    let snapshot = snapshot.filter(|_| !strict || diagnostics.is_empty());
    let Some(snapshot) = snapshot else {
        text.push_str(&format!("{}: {}", path.display(), count(&diagnostics)));
        return say(&text, ExitCode::FAILURE);
    };
    text.push_str(&format!(
        "{}: ok ({}, {}, {}{})",
        path.display(),
        count_of(config.listeners.len(), "listener"),
        count_of(config.routes.len(), "route"),
        count_of(config.pools.len(), "pool"),
        if diagnostics.is_empty() {
            String::new()
        } else {
            format!("; {}", count(&diagnostics))
        },
    ));
    text.push_str(&format!("\n  connections: {}", snapshot.most_connections));
    if let Some(memory) = &snapshot.most_memory {
        text.push_str(&format!("\n  memory: {memory}"));
    }
    for line in memory_of_limits(&state) {
        text.push_str(&format!("\n  {line}"));
    }
    match against {
        None => say(&text, ExitCode::SUCCESS),
        Some(at) => {
            let config_file = ConfigFile {
                path: path.to_owned(),
            };
            let running = Running {
                config: config_file,
                at,
            };
            let candidate = Candidate::new(&config, &snapshot.files);
            answered(compare(&candidate, &running.place(), text))
        }
    }
}

/// How much memory each rate limit takes from the start, and never more.
fn memory_of_limits(state: &State) -> Vec<String> {
    let mut limits = state.buckets.held();
    limits.sort_by(|(one, _), (other, _)| one.cmp(other));
    let line = |(place, buckets): &(rate::Place, Arc<Buckets>)| {
        let keys = count_of(place.keys as usize, "key");
        format!("{place}: {keys} in {}", rounded(buckets.bytes() as u64))
    };
    limits.iter().map(line).collect()
}

fn compare(candidate: &Candidate, running: &Place, mut text: String) -> Result<ExitCode, AskError> {
    let body = serde_json::to_vec(candidate).unwrap_or_default();
    let answer = running.ask("/compare", body)?;
    let comparison: Comparison = read(answer, &[StatusCode::OK])?;
    let generation = comparison.generation;
    let changes = comparison.changes.len();
    text.push_str(&format!(
        "\nagainst generation {generation}: {}",
        count_of(changes, "change")
    ));
    for line in &comparison.changes {
        text.push_str(&format!("\n  {line}"));
    }
    if comparison.needs_upgrade.is_empty() {
        return Ok(say(&text, ExitCode::SUCCESS));
    }
    text.push_str("\na reload would be refused, because these settings take a new process (`portcullis upgrade`):");
    for line in &comparison.needs_upgrade {
        text.push_str(&format!("\n  {line}"));
    }
    Ok(say(&text, ExitCode::from(2)))
}

fn count(diagnostics: &Diagnostics) -> String {
    let errors = diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .count();
    let warnings = diagnostics.len() - errors;
    format!(
        "{}, {}",
        count_of(errors, "error"),
        count_of(warnings, "warning")
    )
}

fn count_of(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
