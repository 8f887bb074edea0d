//! How does one reading of a document find all of its problems, when serde stops at the first?
//!
//! By reading again. A visitor that got an error can't be asked to go on: a `Vec` has no element to put in the place
//! of the one that failed, a struct no field. So the error ends the pass, what failed is remembered, and the next pass
//! leaves it out. Lists and maps remember how many leading entries are done, so that no entry that was read without a
//! problem is read again: the passes together cost about as much as one, plus a little for each problem.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::failure::{Cause, Failure, Untold};
use super::key_path::KeyPath;
use super::reader::Reader;
use super::{Kind, Node};
use crate::config::diagnostics::{Diagnostic, Diagnostics};

/// Reads a value of type `T` from a tree. `None` if there is an error; all that were found are in `diagnostics`.
///
/// Found are, in one call: every unknown key of a struct, the first problem of each field, and so of each entry of a
/// list or map. `#[serde(flatten)]`, `#[serde(untagged)]` and `#[serde(tag)]` work, but serde copies the values of
/// such types first, so that their problems are told at the place of the whole and only the first of them.
pub fn read<T: DeserializeOwned>(node: &Node, diagnostics: &mut Diagnostics) -> Option<T> {
    let passes = Passes::default();
    let root = Reader {
        node,
        path: &KeyPath::Root,
        passes: &passes,
    };
    // Ends, because every cut leaves out one more of a finite number of values.
    let value = loop {
        match root.read(PhantomData::<T>) {
            Ok(value) => break Some(value),
            Err(Failure::Cut) => {}
            Err(Failure::Told | Failure::Untold(_)) => break None,
        }
    };
    let found = passes.found.into_inner();
    // A visitor may have swallowed an error, and a later pass may have left out values: both give no value.
    let value = value.filter(|_| !found.has_errors());
    diagnostics.append(found);
    value
}

/// What the passes have found and need not look at again. Values are known by their address: the tree stays as it is
/// while it is read.
#[derive(Default)]
pub(super) struct Passes {
    found: RefCell<Diagnostics>,
    /// How many leading entries of a list or map are done.
    done: RefCell<HashMap<*const Node, usize>>,
    /// The values of structs' keys that failed.
    failed: RefCell<HashSet<*const Node>>,
    /// How often something was left out; only compared with itself.
    left_out: Cell<usize>,
}

impl Passes {
    /// The first entry of a list or map that is to be read in this pass.
    pub(super) fn first_entry(&self, container: &Node) -> usize {
        let done = self.done.borrow();
        let first = done.get(&std::ptr::from_ref(container)).copied();
        if first.is_some_and(|first| first > 0) {
            self.count_left_out();
        }
        first.unwrap_or(0)
    }

    /// Notes that entries up to `index` need no further look.
    pub(super) fn done_up_to(&self, container: &Node, index: usize) {
        let container = std::ptr::from_ref(container);
        self.done.borrow_mut().insert(container, index);
    }

    /// Ends the pass because entry `index` of a list or map failed.
    pub(super) fn cut_entry(&self, container: &Node, index: usize, failure: &Failure) -> Failure {
        // After a cut below it the entry itself has more to tell.
        let done = index + usize::from(!matches!(failure, Failure::Cut));
        self.done_up_to(container, done);
        Failure::Cut
    }

    /// Ends the pass because the value of a struct's key failed.
    pub(super) fn cut_field(&self, value: &Node, failure: &Failure) -> Failure {
        if !matches!(failure, Failure::Cut) {
            self.fail(value);
        }
        Failure::Cut
    }

    /// Notes that the value failed; false if that was known.
    pub(super) fn fail(&self, value: &Node) -> bool {
        let value = std::ptr::from_ref(value);
        self.failed.borrow_mut().insert(value)
    }

    /// Whether the value of a struct's key is left out in this pass.
    pub(super) fn leaves_out(&self, value: &Node) -> bool {
        let value = std::ptr::from_ref(value);
        let out = self.failed.borrow().contains(&value);
        if out {
            self.count_left_out();
        }
        out
    }

    pub(super) fn left_out(&self) -> usize {
        self.left_out.get()
    }

    fn count_left_out(&self) {
        self.left_out.set(self.left_out.get() + 1);
    }

    /// Adds a diagnostic.
    pub(super) fn tell(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    /// Tells a failure at `node`, unless it only follows from what was left out below `node` since `left_out` was asked.
    pub(super) fn tell_untold(
        &self,
        node: &Node,
        path: &KeyPath<'_>,
        untold: Untold,
        left_out: usize,
    ) {
        let only_follows = match untold.cause {
            Cause::Definite => false,
            Cause::Missing(name) => match &node.kind {
                Kind::Mapping(entries) => entries.iter().any(|(key, _)| key.name == name),
                _ => false,
            },
            Cause::Check => self.left_out() != left_out,
        };
        if !only_follows {
            let diagnostic = Diagnostic::error(path.to_string(), untold.message);
            self.tell(diagnostic.at(node.position.clone()).hint(untold.hint));
        }
    }
}
