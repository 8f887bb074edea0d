//! Is a name given twice?

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::Position;
use crate::snapshot::reporter::Reporter;

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
