//! What is wrong with a configuration, and where exactly?

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The longest piece of an operator's text that a message repeats, in characters.
pub(super) const LONGEST_QUOTE: usize = 60;

/// The longest name for which [`did_you_mean`] looks for a likeness; a longer one is not a slip of the fingers.
const LONGEST_NAME: usize = 100;

/// A place in a configuration file. Cloning it copies no text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The file as it was named on the command line or by `include`.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Whether a configuration with such a diagnostic can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It can't.
    Error,
    /// It can, but probably does not do what its author means.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// One thing that is wrong.
// The order of the fields is the order in which diagnostics are sorted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Diagnostic {
    /// Where; `None` for what has no place in a file, such as a file that can't be read.
    pub position: Option<Position>,
    /// The dotted path of the value, such as `routes[2].match.path`; empty for the document as a whole.
    pub key: String,
    /// Whether the configuration can still be used.
    pub severity: Severity,
    /// What is wrong, without the position and the key.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at the value with the dotted path `key`.
    pub fn error(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, key.into(), message.into())
    }

    /// A warning at the value with the dotted path `key`.
    pub fn warning(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, key.into(), message.into())
    }

    fn new(severity: Severity, key: String, message: String) -> Self {
        Self {
            position: None,
            key,
            severity,
            message,
            hint: None,
        }
    }

    /// The same diagnostic at a place.
    #[must_use]
    pub fn at(mut self, position: impl Into<Option<Position>>) -> Self {
        self.position = position.into();
        self
    }

    /// The same diagnostic with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = &self.position {
            write!(f, "{position}: ")?;
        }
        write!(f, "{}: ", self.severity)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that was found, each once, sorted by file name, line and column; what has no place comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostics {
    sorted: BTreeSet<Diagnostic>,
}

impl Diagnostics {
    /// Adds a diagnostic; one that is there already is not added again.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.sorted.insert(diagnostic);
    }

    /// Adds all of `others`.
    pub fn append(&mut self, mut others: Diagnostics) {
        self.sorted.append(&mut others.sorted);
    }

    /// Adds those of `others` that are not at a place with an error already: what follows from a first mistake.
    pub fn append_elsewhere(&mut self, others: Diagnostics) {
        let known: BTreeSet<Position> = self
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .filter_map(|one| one.position.clone())
            .collect();
        let is_new = |one: &Diagnostic| one.position.as_ref().is_none_or(|at| !known.contains(at));
        self.sorted.extend(others.sorted.into_iter().filter(is_new));
    }

    /// Whether one of them is an error: the configuration must not be used.
    pub fn has_errors(&self) -> bool {
        self.iter().any(|one| one.severity == Severity::Error)
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The diagnostics in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.sorted.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

/// The candidate that `name` was probably meant to be.
///
/// Upper and lower case, `-` and `_` are the same here; else a third of the name may differ, at least one letter and
/// at most three.
pub fn did_you_mean<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let name = folded(name);
    let length = name.chars().count();
    if length == 0 || length > LONGEST_NAME {
        return None;
    }
    let allowed = (length / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= allowed)
        .map(|candidate| (strsim::osa_distance(&name, &folded(candidate)), candidate))
        // A name of one letter is within one letter of every other such name.
        .filter(|&(distance, _)| distance <= allowed && distance < length)
        .min()
        .map(|(_, candidate)| candidate)
}

fn folded(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// The advice that follows a message about an unknown name: `; did you mean "api"?`, or nothing.
pub fn suggestion<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    did_you_mean(name, candidates)
        .map(|meant| format!("; did you mean {}?", quoted(meant)))
        .unwrap_or_default()
}

/// An operator's text in quotation marks for a message: escaped, so that it stays on one line, and cut if it is long.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(file: &str, line: u32, column: u32) -> Position {
        Position {
            file: Arc::from(Path::new(file)),
            line,
            column,
        }
    }

    #[test]
    fn a_diagnostic_reads_like_one_of_a_compiler() {
        let diagnostic = Diagnostic::error(
            "routes[2].pool",
            format!(
                "pool \"ap1\" does not exist{}",
                suggestion("ap1", ["web", "api"])
            ),
        )
        .at(position("conf/site.yaml", 41, 11))
        .hint("pools: web, api".to_owned());
        assert_eq!(
            diagnostic.to_string(),
            "conf/site.yaml:41:11: error: routes[2].pool: pool \"ap1\" does not exist; \
             did you mean \"api\"?\n  hint: pools: web, api"
        );
    }

    #[test]
    fn diagnostics_are_sorted_by_place_and_each_stands_once() {
        let mut all = Diagnostics::default();
        all.push(Diagnostic::warning("", "late").at(position("b", 1, 1)));
        all.push(Diagnostic::warning("", "tenth").at(position("a", 10, 1)));
        all.push(Diagnostic::warning("", "second").at(position("a", 2, 1)));
        all.push(Diagnostic::warning("", "second").at(position("a", 2, 1)));
        all.push(Diagnostic::warning("", "nowhere"));
        assert!(!all.has_errors());
        assert_eq!(
            all.to_string(),
            "warning: nowhere\na:2:1: warning: second\na:10:1: warning: tenth\nb:1:1: warning: late"
        );
        all.push(Diagnostic::error("", "bad"));
        assert!(all.has_errors());
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let names = ["address", "weight", "max-fails"];
        assert_eq!(did_you_mean("adress", names), Some("address"));
        assert_eq!(did_you_mean("Weight", names), Some("weight"));
        assert_eq!(did_you_mean("max_fails", names), Some("max-fails"));
        assert_eq!(did_you_mean("timeout", names), None);
        assert_eq!(did_you_mean("a", ["b"]), None);
        assert_eq!(did_you_mean("", names), None);
    }

    #[test]
    fn quoted_text_stays_on_one_line_and_is_short() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert!(quoted(&"ä".repeat(1000)).chars().count() < 70);
    }
}
