//! Which files does `include` name, and is each read once?

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::{MatchOptions, Pattern};

use super::merge::Merged;
use super::{Environment, Loaded, MAX_FILE_SIZE, environment, not_a_mapping};
use crate::config::diagnostics::{Diagnostic, Diagnostics, Position, quoted};
use crate::config::document::{self, KeyPath, Kind, Node};

/// The top-level key that names further files.
pub(super) const KEY: &str = "include";

/// How deep files may include one another.
const MAX_INCLUDE_DEPTH: usize = 16;

/// Names in a pattern don't match hidden files, which editors and mounted volumes leave beside the real ones.
pub(crate) const PATTERNS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Reads files and what they include.
pub(super) struct Loader<'l> {
    environment: Environment<'l>,
    diagnostics: &'l mut Diagnostics,
    merged: Merged,
    root: Option<Position>,
    files: Vec<PathBuf>,
    /// The patterns by which files were looked for.
    patterns: Vec<String>,
    /// Every file that was read, as the system knows it, with the place of its `include`.
    read: HashMap<PathBuf, Option<Position>>,
    /// The files whose `include` is being read, as the system knows them.
    open: Vec<PathBuf>,
    /// Whether a file that was named is not in the document.
    missing: bool,
}

impl<'l> Loader<'l> {
    pub(super) fn new(environment: Environment<'l>, diagnostics: &'l mut Diagnostics) -> Self {
        Self {
            environment,
            diagnostics,
            merged: Merged::default(),
            root: None,
            files: Vec::new(),
            patterns: Vec::new(),
            read: HashMap::new(),
            open: Vec::new(),
            missing: false,
        }
    }

    /// Reads the main file and all that it includes.
    pub(super) fn main_file(&mut self, path: &Path) {
        self.file(path, None);
    }

    /// The configuration as far as it could be read; `None` if the main file holds none.
    pub(super) fn finish(self) -> Option<Loaded> {
        let kind = Kind::Mapping(self.merged.finish());
        let root = self.root.map(|position| Node { position, kind });
        root.map(|root| Loaded {
            root,
            files: self.files,
            patterns: self.patterns,
            complete: !self.missing,
        })
    }

    fn file(&mut self, path: &Path, named_at: Option<&Position>) {
        // Two ways to write a path lead to the same file; one that can't be resolved can't be read either.
        let identity = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if !self.may_read(path, &identity, named_at) {
            return;
        }
        let text = match read_text(path) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("can't read {}: {error}", path.display());
                return self.refuse(message, named_at);
            }
        };
        self.files.push(path.to_owned());
        self.read.insert(identity.clone(), named_at.cloned());
        let name: Arc<Path> = Arc::from(path);
        let text = match String::from_utf8(text) {
            Ok(text) => text,
            Err(error) => return self.lose(not_utf8(&name, &error)),
        };
        let Some(root) = document::parse(&name, &text, self.diagnostics) else {
            self.missing = true;
            return;
        };
        let Kind::Mapping(entries) = root.kind else {
            return self.lose(not_a_mapping(&root));
        };
        self.root.get_or_insert(root.position);
        let mut include = None;
        for (key, value) in entries {
            if key.name == KEY {
                include = Some(value);
            } else {
                self.merged.add(key, value, self.diagnostics);
            }
        }
        if let Some(include) = include {
            self.open.push(identity);
            self.includes(path, include);
            self.open.pop();
        }
    }

    /// Whether the file was not read before and is not too deep.
    fn may_read(&mut self, path: &Path, identity: &PathBuf, named_at: Option<&Position>) -> bool {
        let name = path.display();
        let message = if self.open.contains(identity) {
            format!("{name} includes itself, directly or through another file")
        } else if let Some(first) = self.read.get(identity) {
            match first {
                Some(first) => format!("{name} is included already at {first}"),
                None => format!("{name} is the main file"),
            }
        } else if self.open.len() > MAX_INCLUDE_DEPTH {
            format!("files include one another more than {MAX_INCLUDE_DEPTH} levels deep")
        } else {
            return true;
        };
        self.refuse(message, named_at);
        false
    }

    fn refuse(&mut self, message: String, named_at: Option<&Position>) {
        let key = if named_at.is_some() { KEY } else { "" };
        let diagnostic = Diagnostic::error(key, message);
        self.lose(diagnostic.at(named_at.cloned()));
    }

    fn lose(&mut self, diagnostic: Diagnostic) {
        self.missing = true;
        self.diagnostics.push(diagnostic);
    }

    fn includes(&mut self, from: &Path, mut include: Node) {
        let path = KeyPath::Key(&KeyPath::Root, KEY);
        environment::substitute(&mut include, &path, self.environment, self.diagnostics);
        let folder = from.parent().unwrap_or(Path::new(""));
        match include.kind {
            Kind::Sequence(names) => names.iter().for_each(|name| self.name(folder, name)),
            _ => self.name(folder, &include),
        }
    }

    /// Reads the file with a name, or the files that match it.
    fn name(&mut self, folder: &Path, name: &Node) {
        let Kind::Scalar { text, .. } = &name.kind else {
            let message = format!(
                "expected the name of a file or a list of names, found {}",
                name.described()
            );
            return self.refuse(message, Some(&name.position));
        };
        if text.is_empty() {
            return self.refuse("a file's name is empty".to_owned(), Some(&name.position));
        }
        if !text.contains(['*', '?', '[']) {
            // One that is missing may come.
            let path = folder.join(text).to_string_lossy().into_owned();
            self.patterns.push(Pattern::escape(&path));
            return self.file(&folder.join(text), Some(&name.position));
        }
        match self.matching(folder, text) {
            Ok(files) if files.is_empty() => {
                let message = format!("no file matches {}", quoted(text));
                let diagnostic = Diagnostic::warning(KEY, message);
                self.diagnostics.push(diagnostic.at(name.position.clone()));
            }
            Ok(files) => files
                .iter()
                .for_each(|file| self.file(file, Some(&name.position))),
            Err(message) => self.refuse(message, Some(&name.position)),
        }
    }

    fn matching(&mut self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let Some(folder) = folder.to_str() else {
            return Err("a pattern needs a folder whose name is UTF-8".to_owned());
        };
        // Only the pattern is one: the folder's name may have the same characters.
        let folder = PathBuf::from(Pattern::escape(folder));
        let full = folder.join(pattern).to_string_lossy().into_owned();
        let files = matching(&full, pattern);
        self.patterns.push(full);
        files
    }
}

/// The files that match a pattern, sorted; folders that match are left out.
fn matching(full: &str, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let paths = glob::glob_with(full, PATTERNS)
        .map_err(|error| format!("{} is not a valid pattern: {}", quoted(pattern), error.msg))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            let place = error.path().display();
            format!("can't read {place}: {}", error.error())
        })?;
        if !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_text(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // One byte more than allowed shows that there is more, also where the size is not known beforehand.
    File::open(path)?
        .take(MAX_FILE_SIZE + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE_SIZE {
        let message = format!("the file is larger than {} MiB", MAX_FILE_SIZE >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

/// Tells the first byte that is not UTF-8.
fn not_utf8(file: &Arc<Path>, error: &std::string::FromUtf8Error) -> Diagnostic {
    let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let valid = String::from_utf8_lossy(valid);
    let line = valid.matches('\n').count() + 1;
    let column = valid.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let position = Position {
        file: Arc::clone(file),
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    };
    let hint = "save the file as UTF-8".to_owned();
    Diagnostic::error("", "the file is not UTF-8 text from here on")
        .at(position)
        .hint(hint)
}
