//! What is the one mapping that the top-level keys of several files make?

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::config::diagnostics::{Diagnostic, Diagnostics};
use crate::config::document::{Key, Kind, Node};

/// The top-level keys of the files so far.
#[derive(Default)]
pub(super) struct Merged {
    entries: Vec<(Key, Node)>,
    /// Where in `entries` a key stands.
    places: HashMap<String, usize>,
}

impl Merged {
    /// Adds a key of a further file: a list goes on where the same list of an earlier file ended.
    pub(super) fn add(&mut self, key: Key, value: Node, diagnostics: &mut Diagnostics) {
        let earlier = match self.places.entry(key.name.clone()) {
            Entry::Vacant(place) => {
                place.insert(self.entries.len());
                self.entries.push((key, value));
                return;
            }
            Entry::Occupied(place) => self.entries.get_mut(*place.get()),
        };
        let Some((first, earlier)) = earlier else {
            return;
        };
        match (&mut earlier.kind, value.kind) {
            (Kind::Sequence(entries), Kind::Sequence(more)) => entries.extend(more),
            _ => {
                let message = format!("is given already at {}", first.position);
                let hint = "only a list can be continued in another file".to_owned();
                let diagnostic = Diagnostic::error(key.name, message).hint(hint);
                diagnostics.push(diagnostic.at(key.position));
            }
        }
    }

    /// The entries, in the order in which their keys came first.
    pub(super) fn finish(self) -> Vec<(Key, Node)> {
        self.entries
    }
}
