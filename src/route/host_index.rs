//! Which of the configured hosts match a request's host, the most specific first?

use rustc_hash::FxHashMap;

use super::pattern::{HostKind, HostPattern};

/// From a host pattern to the number of its routes' path tree.
///
/// The hash is fast and not keyed: its keys are the operator's, a client can only ask for them.
#[derive(Default)]
pub(super) struct HostIndex {
    exact: FxHashMap<Box<str>, u32>,
    /// By the name behind the `*.`.
    wildcard: FxHashMap<Box<str>, u32>,
    any: Option<u32>,
}

impl HostIndex {
    pub(super) fn insert(&mut self, pattern: &HostPattern, tree: u32) {
        match &pattern.0 {
            HostKind::Exact(name) => {
                self.exact.insert(name.as_str().into(), tree);
            }
            HostKind::Wildcard(name) => {
                self.wildcard.insert(name.as_str().into(), tree);
            }
            HostKind::Any => self.any = Some(tree),
        }
    }

    /// The first result `find` gives for a tree of `host`, a normal host or the empty one of a
    /// request without: the tree of the host itself, those of its wildcards from the longest to the
    /// shortest, and the one of any host.
    pub(super) fn find<R>(&self, host: &str, mut find: impl FnMut(u32) -> Option<R>) -> Option<R> {
        let exact = self.exact.get(host).and_then(|tree| find(*tree));
        exact
            .or_else(|| {
                if self.wildcard.is_empty() {
                    return None;
                }
                let mut name = host;
                while let Some((_, parent)) = name.split_once('.') {
                    name = parent;
                    let found = self.wildcard.get(name).and_then(|tree| find(*tree));
                    if found.is_some() {
                        return found;
                    }
                }
                None
            })
            .or_else(|| self.any.and_then(&mut find))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_are_tried_from_the_most_to_the_least_specific() {
        let mut index = HostIndex::default();
        let patterns = [
            "*",
            "*.example.com",
            "*.com",
            "a.b.example.com",
            "*.b.example.com",
        ];
        for (number, text) in (0..).zip(patterns) {
            index.insert(&HostPattern::parse(text).unwrap(), number);
        }
        let tried = |host: &str| {
            let mut tried = Vec::new();
            index.find(host, |number| {
                tried.push(number);
                None::<()>
            });
            tried
        };
        assert_eq!(tried("a.b.example.com"), [3, 4, 1, 2, 0]);
        assert_eq!(tried("b.example.com"), [1, 2, 0]);
        assert_eq!(tried("example.com"), [2, 0]);
        assert_eq!(tried("com"), [0]);
        assert_eq!(tried(""), [0]);
        assert_eq!(index.find("a.com", Some), Some(2));
    }
}
