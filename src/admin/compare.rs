//! What would a reload do that has not happened yet?

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::diff::diff;
use crate::config::load::load_str;
use crate::config::{Config, Diagnostics, print};
use crate::server::process::Process;
use crate::server::reload::changed_files;
use crate::snapshot::{Fingerprint, Fingerprints};

/// How many mistakes in a configuration are told.
const SHOWN: usize = 100;

/// A configuration to compare.
#[derive(Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// The configuration, with every default filled in.
    config: serde_json::Value,
    /// What stands in its certificate and key files, by absolute path.
    files: BTreeMap<PathBuf, Fingerprint>,
}

impl Candidate {
    /// A configuration that was read and compiled here.
    pub fn new(config: &Config, files: &Fingerprints) -> Self {
        let mut value = serde_json::to_value(config).unwrap_or_default();
        // What was `${NAME}` has been replaced, and what is still there stands for itself.
        print::escape(&mut value);
        Self {
            config: value,
            files: absolute(files),
        }
    }
}

/// How a configuration differs from the one in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The number of the generation in force.
    pub generation: u64,
    /// What a reload would change, one line each.
    pub changes: Vec<String>,
    /// The settings for which it would refuse.
    pub needs_upgrade: Vec<String>,
}

/// Compares a [`Candidate`] in JSON with what is in force. The sender sees differences, and no more of the running
/// configuration than `portcullis print` would show.
///
/// # Errors
///
/// It is no configuration.
pub fn compare(process: &Process, body: &[u8]) -> Result<Comparison, String> {
    let sent: Candidate = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut diagnostics = Diagnostics::default();
    let loaded = load_str(
        "sent",
        &sent.config.to_string(),
        &|_| None,
        &mut diagnostics,
    );
    let config = loaded.map(|loaded| Config::read(&loaded.root, &mut diagnostics));
    let Some(config) = config.filter(|_| !diagnostics.has_errors()) else {
        let shown = diagnostics.iter().take(SHOWN).map(ToString::to_string);
        return Err(shown.collect::<Vec<_>>().join("\n"));
    };
    let difference = diff(&process.config.load(), &config);
    let snapshot = process.snapshot.load();
    let mut changes: Vec<String> = difference.changes.iter().map(ToString::to_string).collect();
    changes.extend(changed_files(&absolute(&snapshot.files), &sent.files));
    Ok(Comparison {
        generation: snapshot.generation,
        changes,
        needs_upgrade: difference
            .needs_upgrade
            .iter()
            .map(ToString::to_string)
            .collect(),
    })
}

/// Two processes may be in different directories.
fn absolute(files: &Fingerprints) -> Fingerprints {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let files = files.iter();
    files.map(|(path, what)| (absolute(path), *what)).collect()
}
