//! Which entries does a mapping have, once keys given twice are told and merge keys (`<<`) are done?
//!
//! `<<: *defaults` (YAML 1.1 type repository, "merge") adds the entries of a mapping, or of each mapping of a list,
//! that are not given already: the mapping's own entries win, then the first of the list.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::anchors::measured;
use super::{Key, Kind, Node};
use crate::config::diagnostics::{Diagnostic, Diagnostics, Position, quoted};

/// A mapping while the parser is inside of it.
#[derive(Default)]
pub(super) struct MappingBuilder {
    entries: Vec<(Key, Node)>,
    merged: Vec<Node>,
    pending: Option<Pending>,
    merge_key: Option<Position>,
}

enum Pending {
    Key(Key),
    Merge,
}

impl MappingBuilder {
    /// Whether the next value is a key.
    pub(super) fn expects_key(&self) -> bool {
        self.pending.is_none()
    }

    /// Takes a key; `"<<"` in quotation marks is a key like any other.
    pub(super) fn key(&mut self, key: Key, plain: bool) {
        let is_merge = plain && key.name == "<<" && self.merge_key.is_none();
        self.pending = Some(if is_merge {
            self.merge_key = Some(key.position);
            Pending::Merge
        } else {
            Pending::Key(key)
        });
    }

    /// Takes the value of the last key. Returns how many values of it count again because they are merged.
    pub(super) fn value(&mut self, node: Node, diagnostics: &mut Diagnostics) -> usize {
        match self.pending.take() {
            Some(Pending::Key(key)) => {
                self.entries.push((key, node));
                0
            }
            _ => self.merge(node, diagnostics),
        }
    }

    fn merge(&mut self, node: Node, diagnostics: &mut Diagnostics) -> usize {
        let size = measured(&node).0;
        let candidates = match node.kind {
            Kind::Sequence(list) => list,
            _ => vec![node],
        };
        for candidate in candidates {
            if matches!(candidate.kind, Kind::Mapping(_)) {
                self.merged.push(candidate);
            } else {
                let message = format!(
                    "`<<` merges mappings, but this is {}",
                    candidate.described()
                );
                diagnostics.push(Diagnostic::error("", message).at(candidate.position));
            }
        }
        size
    }

    /// The entries. A key given twice is an error; its first value stays.
    pub(super) fn finish(mut self, diagnostics: &mut Diagnostics) -> Vec<(Key, Node)> {
        if self.merged.is_empty() && self.entries.len() < 2 {
            return self.entries;
        }
        let mut repeated = Vec::new();
        let mut added = Vec::new();
        {
            let mut places: HashMap<&str, &Position> = HashMap::with_capacity(self.entries.len());
            for (index, (key, _)) in self.entries.iter().enumerate() {
                match places.entry(&key.name) {
                    Entry::Vacant(place) => {
                        place.insert(&key.position);
                    }
                    Entry::Occupied(first) => {
                        diagnostics.push(given_twice(key, first.get()));
                        repeated.push(index);
                    }
                }
            }
            for (key, value) in self.merged.iter().flat_map(entries_of) {
                if let Entry::Vacant(place) = places.entry(&key.name) {
                    place.insert(&key.position);
                    added.push((key.clone(), value.clone()));
                }
            }
        }
        let mut repeated = repeated.into_iter().peekable();
        let mut index = 0;
        self.entries.retain(|_| {
            let drop = repeated.next_if_eq(&index).is_some();
            index += 1;
            !drop
        });
        self.entries.append(&mut added);
        self.entries
    }
}

fn entries_of(node: &Node) -> &[(Key, Node)] {
    match &node.kind {
        Kind::Mapping(entries) => entries,
        _ => &[],
    }
}

fn given_twice(key: &Key, first: &Position) -> Diagnostic {
    let message = format!(
        "the key {} is given twice; the first is in line {}, column {}",
        quoted(&key.name),
        first.line,
        first.column
    );
    Diagnostic::error("", message).at(key.position.clone())
}
