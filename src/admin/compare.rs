//! What would a reload do that has not happened yet?

use serde::{Deserialize, Serialize};

use crate::config::diff::diff;
use crate::config::load::load_str;
use crate::config::{Config, Diagnostics};
use crate::server::process::Process;

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

/// Compares a configuration, sent as JSON with every default filled in, with the one in force. The sender sees
/// differences, and no more of the running configuration than `portcullis print` would show.
///
/// # Errors
///
/// It is no configuration.
pub fn compare(process: &Process, body: &[u8]) -> Result<Comparison, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let mut diagnostics = Diagnostics::default();
    // What was `${NAME}` has been replaced by whoever sends it.
    let loaded = load_str("sent", text, &|_| None, &mut diagnostics);
    let config = loaded.map(|loaded| Config::read(&loaded.root, &mut diagnostics));
    let Some(config) = config.filter(|_| !diagnostics.has_errors()) else {
        return Err(diagnostics.to_string());
    };
    let difference = diff(&process.config.load(), &config);
    Ok(Comparison {
        generation: process.snapshot.load().generation,
        changes: difference.changes.iter().map(ToString::to_string).collect(),
        needs_upgrade: difference
            .needs_upgrade
            .iter()
            .map(ToString::to_string)
            .collect(),
    })
}

/// What is sent for a configuration.
pub fn sent(config: &Config) -> serde_json::Value {
    let mut value = serde_json::to_value(config).unwrap_or_default();
    crate::config::print::escape(&mut value);
    value
}
