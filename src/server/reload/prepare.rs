//! What does the configuration say now, and can it be used?

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::watcher::Watched;
use crate::config::load::{self, Loaded};
use crate::config::{Config, Diagnostics};
use crate::snapshot::{Fingerprints, Snapshot, Unread, compile, fingerprint};
use crate::state::State;

/// Reads the configuration of the process, as often as it is asked to.
pub type Source = Arc<dyn Fn(&State) -> Prepared + Send + Sync>;

/// A configuration that was read and compiled.
pub struct Prepared {
    /// What was written, with defaults filled in.
    pub config: Config,
    /// Its generation, if it has no errors.
    pub snapshot: Option<Snapshot>,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
    /// A hash of what was written and of the files it names: equal where the same is written, on every machine. What is
    /// written in another way and means the same has another one.
    pub hash: u64,
    /// What it was read from.
    pub watched: Watched,
}

/// Reads and compiles the configuration whose main file is `path`.
pub fn prepare(path: &Path, state: &State) -> Prepared {
    let begun = SystemTime::now();
    let mut diagnostics = Diagnostics::default();
    let loaded = load::load(path, &environment, &mut diagnostics);
    let mut prepared = prepare_loaded(loaded, diagnostics, state);
    let watched = &mut prepared.watched;
    if watched.files.is_empty() {
        watched.files.push(path.to_owned());
    }
    watched.look(begun);
    prepared
}

/// The value of a variable of the process's environment.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Compiles what was loaded.
pub fn prepare_loaded(
    loaded: Option<Loaded>,
    mut diagnostics: Diagnostics,
    state: &State,
) -> Prepared {
    let Some(loaded) = loaded else {
        return Prepared {
            config: Config::default(),
            snapshot: None,
            diagnostics,
            hash: 0,
            watched: Watched::default(),
        };
    };
    let mut read = Diagnostics::default();
    let config = Config::read(&loaded.root, &mut read);
    diagnostics.append_elsewhere(read);
    let unread = Unread::of(&loaded, &config);
    let compiled = compile(&config, state, &unread, SystemTime::now());
    diagnostics.append_elsewhere(compiled.diagnostics);
    let snapshot = compiled.snapshot.filter(|_| !diagnostics.has_errors());
    let mut files = loaded.files;
    let mut named = Fingerprints::default();
    if let Some(snapshot) = &snapshot {
        files.extend(snapshot.files.keys().cloned());
        named.clone_from(&snapshot.files);
    }
    Prepared {
        hash: hash(&config, &named),
        config,
        snapshot,
        diagnostics,
        watched: Watched {
            files,
            patterns: loaded.patterns,
            ..Watched::default()
        },
    }
}

fn hash(config: &Config, files: &Fingerprints) -> u64 {
    // Plain values with strings as keys: writing them does not fail.
    let mut bytes = serde_json::to_vec(config).unwrap_or_default();
    for fingerprint in files.values() {
        bytes.extend_from_slice(fingerprint);
    }
    let hash = fingerprint(&bytes);
    hash.iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
