//! Which named entries stand in the configuration and in a file beside it, each at its place?

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::admission::passwords::lines;
use crate::config::{Position, Spanned};
use crate::snapshot::files::Sources;
use crate::snapshot::listeners::beside;
use crate::snapshot::reporter::Reporter;

/// So many mistakes of one file are told; a file that is none of its kind has one in every line.
const MOST_MISTAKES: usize = 20;

/// A text file, and where its lines are.
pub(super) struct Text {
    text: Zeroizing<String>,
    path: Arc<Path>,
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
            }),
            Err(error) => {
                let message = format!("can't read {}: {error}", path.display());
                reporter.error(key, file, message, None);
                None
            }
        }
    }

    /// Reads its lines, and takes those that can be read; what is wrong with others is reported at their places.
    pub(super) fn each<E>(
        &self,
        key: &str,
        reporter: &mut Reporter<'_>,
        mut read: impl FnMut(&str, Position, &mut Reporter<'_>) -> Result<(), E>,
        told: impl Fn(E) -> (String, Option<&'static str>),
    ) {
        let mut mistakes = 0;
        for (line, text) in lines(&self.text) {
            let at = Position {
                file: Arc::clone(&self.path),
                line,
                column: 1,
            };
            let Err(error) = read(text, at.clone(), reporter) else {
                continue;
            };
            mistakes += 1;
            if mistakes <= MOST_MISTAKES {
                let (message, hint) = told(error);
                reporter.error_at(key, Some(at), message, hint);
            } else if mistakes == MOST_MISTAKES + 1 {
                reporter.error_at(key, Some(at), "and so on: more lines are wrong", None);
            }
        }
    }
}

/// Names that were given, and where.
#[derive(Default)]
pub(super) struct Names(HashMap<Arc<str>, Option<Position>>);

impl Names {
    /// Takes note of a name; one that was given before is reported.
    pub(super) fn add(
        &mut self,
        key: &str,
        name: &Arc<str>,
        at: Option<Position>,
        reporter: &mut Reporter<'_>,
    ) {
        let Some(first) = self.0.insert(Arc::clone(name), at.clone()) else {
            return;
        };
        let place = first.map(|place| format!(", first at {place}"));
        let message = format!(
            "the name `{}` is given twice{}",
            name.escape_debug(),
            place.unwrap_or_default()
        );
        reporter.error_at(key, at, message, None);
    }
}
