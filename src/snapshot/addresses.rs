//! Which addresses could not be bound beside each other?

use super::listeners::CompiledListener;
use crate::config::{Config, Diagnostic, Diagnostics, Position};
use crate::pool::Address;

/// Reports addresses that could not be bound beside each other.
pub(super) fn check(
    config: &Config,
    listeners: &[CompiledListener],
    admin: Option<&Address>,
    diagnostics: &mut Diagnostics,
) {
    let mut taken: Vec<(String, Option<Position>, &Address)> = Vec::new();
    let own = listeners.iter().map(|listener| {
        let name = &listener.listener.name;
        (
            format!("listeners[{name}].address"),
            listener.position.clone(),
            &listener.listener.address,
        )
    });
    let admin = admin.map(|address| {
        (
            "admin.address".to_owned(),
            config.admin.address.position.clone(),
            address,
        )
    });
    for (key, position, address) in own.chain(admin) {
        if let Some((other, place, _)) = taken.iter().find(|(_, _, other)| address.overlaps(other))
        {
            let place = place
                .as_ref()
                .map(|place| format!(" ({place})"))
                .unwrap_or_default();
            diagnostics.push(
                Diagnostic::error(&*key, format!("`{address}` is taken by {other}{place}"))
                    .at(position.clone()),
            );
        }
        taken.push((key, position, address));
    }
}
