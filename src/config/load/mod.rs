//! Which files does a configuration consist of, and what is the one document they make together?
//!
//! The main file and the files that `include` names are put together: lists under the same top-level key follow one
//! another, the including file first; any other top-level key may stand in one file only. Then `${NAME}` in values is
//! replaced from the environment.

mod environment;
mod include;
mod merge;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostics::{Diagnostic, Diagnostics};
use super::document::{self, KeyPath, Kind, Node};
use include::Loader;
pub(crate) use include::PATTERNS;

/// The largest file that is read, in bytes (64 MiB).
pub const MAX_FILE_SIZE: u64 = 64 << 20;

/// Where the values of `${NAME}` come from; `None` for a variable that is not set.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// A configuration as one document.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The document: always a mapping, without the key `include`.
    pub root: Node,
    /// The files it was read from, in the order of reading: the main file first.
    pub files: Vec<PathBuf>,
    /// Where `include` looked for files: patterns, with their folders.
    pub patterns: Vec<String>,
    /// Whether every file that was named is in it. If not, what a name stands for may be in the one that is missing.
    pub complete: bool,
}

/// Reads the configuration whose main file is `path`.
///
/// `None` if the main file can't be read or is no YAML. Other errors, such as an included file that is missing or a
/// variable that is not set, are in `diagnostics` and leave the rest to be checked.
pub fn load(
    path: &Path,
    environment: Environment<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Loaded> {
    let mut found = Diagnostics::default();
    let mut loader = Loader::new(environment, &mut found);
    loader.main_file(path);
    let loaded = loader.finish().map(|mut loaded| {
        environment::substitute(&mut loaded.root, &KeyPath::Root, environment, &mut found);
        loaded
    });
    diagnostics.append(found);
    loaded
}

/// Reads a configuration from `text`; `name` stands for the file in positions. `include` is an error, because there is
/// no folder that it could be relative to.
pub fn load_str(
    name: &str,
    text: &str,
    environment: Environment<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Loaded> {
    let mut found = Diagnostics::default();
    let file: Arc<Path> = Arc::from(Path::new(name));
    let mut root = document::parse(&file, text, &mut found);
    if let Some(root) = &mut root {
        match &root.kind {
            Kind::Mapping(entries) => {
                for (key, _) in entries.iter().filter(|(key, _)| key.name == include::KEY) {
                    let message = "can't be used in a configuration that is not a file";
                    let diagnostic = Diagnostic::error(include::KEY, message);
                    found.push(diagnostic.at(key.position.clone()));
                }
            }
            _ => found.push(not_a_mapping(root)),
        }
        environment::substitute(root, &KeyPath::Root, environment, &mut found);
    }
    let root = root.filter(|root| matches!(root.kind, Kind::Mapping(_)));
    diagnostics.append(found);
    root.map(|root| Loaded {
        root,
        files: Vec::new(),
        patterns: Vec::new(),
        complete: true,
    })
}

fn not_a_mapping(root: &Node) -> Diagnostic {
    let message = format!(
        "a configuration is a mapping, but this is {}",
        root.described()
    );
    Diagnostic::error("", message).at(root.position.clone())
}
