//! Which routes can never be the one a request goes to?

use std::sync::Arc;

use super::listeners::CompiledListener;
use crate::config::{Config, Diagnostic, Diagnostics, Position};

/// Reports routes that match the same requests (errors) and routes no request reaches (warnings).
pub(super) fn check(config: &Config, tables: &[CompiledListener], diagnostics: &mut Diagnostics) {
    let mut checked: Vec<&Arc<[usize]>> = Vec::new();
    for table in tables.iter().map(|listener| &listener.table) {
        if checked.iter().any(|seen| Arc::ptr_eq(seen, &table.indexes)) {
            continue;
        }
        checked.push(&table.indexes);
        let route = |index: usize| &config.routes[table.indexes[index]];
        let place = |position: &Option<Position>| {
            position
                .as_ref()
                .map(|at| format!(" ({at})"))
                .unwrap_or_default()
        };
        for (earlier, later) in table.routes.table.conflicts() {
            let (earlier, later) = (route(earlier), route(later));
            diagnostics.push(
                Diagnostic::error(
                    format!("routes[{}].match", later.name.value),
                    format!(
                        "matches exactly the same requests as the route `{}`{}, so it is never used",
                        earlier.name.value,
                        place(&earlier.name.position)
                    ),
                )
                .at(later.name.position.clone()),
            );
        }
        for (hidden, by) in table.routes.table.unreachable() {
            let (hidden, by) = (route(hidden), route(by));
            diagnostics.push(
                Diagnostic::warning(
                    format!("routes[{}].match", hidden.name.value),
                    format!(
                        "no request gets here: the route `{}`{} takes them all",
                        by.name.value,
                        place(&by.name.position)
                    ),
                )
                .at(hidden.name.position.clone()),
            );
        }
    }
}
