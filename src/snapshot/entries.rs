//! Which entries stand in a file that the configuration names, one a line, each at its place?

use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::files::Sources;
use super::listeners::beside;
use super::reporter::Reporter;
use crate::config::{Position, Spanned};

/// So many mistakes of one file are told each by itself: a file of another kind has one in every line.
const TOLD: usize = 20;

/// A text file, and where it is.
pub(super) struct Text {
    text: Zeroizing<String>,
    path: Arc<Path>,
    /// Where it is named.
    named: Option<Position>,
}

/// What is wrong with a line.
pub(super) struct Mistake {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Text {
    /// Reads the file with the name that stands at `key`. What is wrong is reported.
    pub(super) fn read(
        key: &str,
        file: &Spanned<String>,
        sources: &Sources<'_>,
        reporter: &mut Reporter<'_>,
    ) -> Option<Self> {
        let path = beside(file);
        match sources.text(&path) {
            Ok(text) => Some(Self {
                text,
                path: path.into(),
                named: file.position.clone(),
            }),
            Err(error) => {
                let message = format!("can't read {}: {error}", path.display());
                reporter.error(key, file, message, None);
                None
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes each line that says something: not the empty ones, and not those that begin with `#`. Space around a line does
    /// not count. Mistakes are reported at their places. How many lines say something is the result.
    pub(super) fn each(
        &self,
        key: &str,
        reporter: &mut Reporter<'_>,
        mut take: impl FnMut(&str, &Position, &mut Reporter<'_>) -> Result<(), Mistake>,
    ) -> usize {
        // A byte order mark is what some editors begin a file with.
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(&self.text);
        let (mut entries, mut mistakes) = (0, 0);
        for (line, number) in text.lines().zip(1..) {
            let entry = line.trim();
            if entry.is_empty() || entry.starts_with('#') {
                continue;
            }
            entries += 1;
            let before = line.chars().take_while(|char| char.is_whitespace()).count();
            let at = Position {
                file: Arc::clone(&self.path),
                line: number,
                column: u32::try_from(before + 1).unwrap_or(u32::MAX),
            };
            let Err(mistake) = take(entry, &at, reporter) else {
                continue;
            };
            mistakes += 1;
            if mistakes <= TOLD {
                reporter.error_at(key, Some(at), mistake.message, mistake.hint.as_deref());
            }
        }
        if mistakes > TOLD {
            let more = mistakes - TOLD;
            let message = format!("{more} more lines of {} are wrong", self.path.display());
            reporter.error_at(key, self.named.clone(), message, None);
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Diagnostics;

    /// What is told about a file with this text, and the entries that are taken: those with a `:`.
    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let text = Text {
            text: Zeroizing::new(text.to_owned()),
            path: Path::new("list.txt").into(),
            named: None,
        };
        let mut diagnostics = Diagnostics::default();
        let name = Spanned::new("all".to_owned());
        let mut reporter = Reporter::new("routes", &name, &mut diagnostics);
        let mut taken = Vec::new();
        text.each("file", &mut reporter, |entry, at, _| {
            if !entry.contains(':') {
                return Err(Mistake {
                    message: "no colon".to_owned(),
                    hint: None,
                });
            }
            taken.push(format!("{}:{} {entry}", at.line, at.column));
            Ok(())
        });
        (diagnostics.iter().map(ToString::to_string).collect(), taken)
    }

    #[test]
    fn a_file_has_entries_comments_and_empty_lines() {
        let (told, taken) = read("\u{feff}anna:1\r\n# more\n\n  bert@example.com:2  \n#eve:x");
        assert_eq!(taken, ["1:1 anna:1", "4:3 bert@example.com:2"]);
        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn of_many_mistakes_the_first_are_told_and_the_others_counted() {
        let (told, taken) = read(&format!("a:b\n{}c:d", "\t wrong\n".repeat(25)));
        assert_eq!(taken, ["1:1 a:b", "27:1 c:d"]);
        assert_eq!(told.len(), TOLD + 1, "{told:?}");
        let has = |text: &str| told.iter().any(|line| line.contains(text));
        assert!(
            has("list.txt:21:3: error: routes[all].file: no colon"),
            "{told:?}"
        );
        assert!(has("5 more lines of list.txt are wrong"), "{told:?}");
    }

    proptest! {
        #[test]
        fn any_file_is_read_to_its_end(text in "([ -~\u{0}-\u{9}äß]{0,40}\n){0,20}") {
            let (_, taken) = read(&text);
            prop_assert!(taken.len() <= text.lines().count());
        }
    }
}
