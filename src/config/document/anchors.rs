//! What does an alias stand for, and how much does it add to the document?

use std::collections::HashMap;

use super::{Kind, Node};

/// The values that were given a name with `&name`, by the parser's number for the name.
#[derive(Default)]
pub(super) struct Anchors {
    known: HashMap<usize, Anchored>,
}

/// A value with a name, and how large it is.
pub(super) struct Anchored {
    pub(super) node: Node,
    /// How many values it is, itself included.
    pub(super) nodes: usize,
    /// How many levels of lists and mappings it has.
    pub(super) height: usize,
}

impl Anchors {
    /// The value of an anchor; `None` while its end was not seen, which is so for an alias inside of it.
    pub(super) fn get(&self, anchor: usize) -> Option<&Anchored> {
        self.known.get(&anchor)
    }

    /// Keeps a copy of `node`. Returns how many values were copied.
    pub(super) fn remember(&mut self, anchor: usize, node: &Node) -> usize {
        let (nodes, height) = measured(node);
        let node = node.clone();
        let anchored = Anchored {
            node,
            nodes,
            height,
        };
        self.known.insert(anchor, anchored);
        nodes
    }
}

/// The number of values and the number of levels. The depth of a document is bounded, so the recursion is, too.
pub(super) fn measured(node: &Node) -> (usize, usize) {
    let over = |entries: &mut dyn Iterator<Item = &Node>| {
        entries.fold((1, 1), |(nodes, height), entry| {
            let (more, inner) = measured(entry);
            (nodes + more, height.max(inner + 1))
        })
    };
    match &node.kind {
        Kind::Null | Kind::Scalar { .. } => (1, 0),
        Kind::Sequence(entries) => over(&mut entries.iter()),
        Kind::Mapping(entries) => over(&mut entries.iter().map(|(_, value)| value)),
    }
}
