//! Which value of the document is meant, in the words of an operator?

use std::fmt;

/// The way from the document's root to a value, such as `routes[2].match.path`.
///
/// Each step borrows the one before it, so that walking a tree costs nothing and only a message makes text of it.
#[derive(Clone, Copy, Debug)]
pub enum KeyPath<'p> {
    /// The document as a whole; its text is empty.
    Root,
    /// A key of a mapping.
    Key(&'p KeyPath<'p>, &'p str),
    /// An entry of a list, from 0.
    Index(&'p KeyPath<'p>, usize),
}

impl fmt::Display for KeyPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyPath::Root => Ok(()),
            KeyPath::Key(KeyPath::Root, name) if is_word(name) => f.write_str(name),
            KeyPath::Key(parent, name) if is_word(name) => write!(f, "{parent}.{name}"),
            KeyPath::Key(parent, name) => write!(f, "{parent}[{name:?}]"),
            KeyPath::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Whether a key can stand in a path as it is; another one could be taken for two keys.
fn is_word(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_a_word_stands_in_brackets() {
        let pools = KeyPath::Key(&KeyPath::Root, "pools");
        let pool = KeyPath::Key(&pools, "a.b");
        let endpoint = KeyPath::Index(&pool, 2);
        let weight = KeyPath::Key(&endpoint, "weight");
        assert_eq!(weight.to_string(), "pools[\"a.b\"][2].weight");
        assert_eq!(KeyPath::Root.to_string(), "");
    }
}
