//! How does the text of a configuration become typed values that know their place?
//!
//! In two steps: [`parse`] makes a tree of [`Node`]s from YAML, each with its [`Position`]; [`read`] makes any
//! `serde::Deserialize` type from a tree, and goes on after a problem, so that one run shows them all.

mod anchors;
mod entries;
mod failure;
mod instead;
mod key_path;
mod mapping;
mod parse;
mod passes;
mod reader;
mod scalar;
mod spanned;
mod variant;

#[cfg(test)]
mod tests;

use super::diagnostics::{Position, quoted};

pub use key_path::KeyPath;
pub use parse::{MAX_DEPTH, MAX_NODES, parse};
pub use passes::read;
pub use scalar::is_null;
pub use spanned::Spanned;

/// For an optional mapping with defaults of its own: a key with nothing behind it is an error, not the absence of the key.
/// A `tls:` whose lines are all commented out must not become plain text.
///
/// # Errors
///
/// Those of `T`.
pub fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A value of the document and the place where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it starts; what an alias stands for keeps the place where it was written.
    pub position: Position,
    /// The value.
    pub kind: Kind,
}

/// The value of a [`Node`]. A scalar stays text until a type is asked for, so that `version: 1.10` can be `1.10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// A single value.
    Scalar {
        /// As written, without quotation marks and with escapes undone.
        text: String,
        /// Whether it stood without quotation marks; only then can it be a number or a truth value.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys with their values, in the order of the document; each key stands once.
    Mapping(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The text of the key, also for one that looks like a number.
    pub name: String,
    /// Where it starts.
    pub position: Position,
}

impl Node {
    /// What it is, in the words of a message: `a list`, `"abc"`.
    pub fn described(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::Scalar { text, plain: true } => quoted(text),
            Kind::Scalar { text, plain: false } => format!("the string {}", quoted(text)),
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
        }
    }
}
