//! Which of a host's configured paths match a request's path, in order of precedence?

use rustc_hash::FxHashMap;

use super::pattern::{PathKind, PathPattern};
use super::whole_regex::WholeRegex;

/// The rules for one host and path: a range of the table's rules, in order of precedence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Rules {
    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One tree of path segments for each host, all in one allocation: with thousands of hosts most
/// trees are a root alone, and a lookup then touches one cache line of this.
#[derive(Default)]
pub(super) struct PathTrees {
    nodes: Vec<Node>,
    /// The regexes of each tree stand together, in order of precedence.
    regexes: Vec<(WholeRegex, Rules)>,
}

/// A path, from its root to the end of one of its segments.
#[derive(Default)]
struct Node {
    children: FxHashMap<Box<str>, u32>,
    /// For this path and no other.
    exact: Rules,
    /// For this path and all below it.
    prefix: Rules,
    /// In a root, which of the regexes are this tree's.
    regexes: Rules,
    parent: u32,
    /// The length of the path in bytes, without a last `/`; 0 in a root and only there.
    length: u32,
}

impl PathTrees {
    /// A new tree's number.
    pub(super) fn plant(&mut self) -> u32 {
        self.nodes.push(Node::default());
        number(self.nodes.len() - 1)
    }

    /// Gives `path` its rules in the tree. Patterns come in their order, a tree at a time.
    pub(super) fn insert(&mut self, tree: u32, path: &PathPattern, rules: Rules) {
        match &path.0 {
            PathKind::Exact(path) => {
                let node = self.grow(tree, path);
                node.exact = rules;
            }
            PathKind::Prefix(path) => {
                let node = self.grow(tree, path);
                node.prefix = rules;
            }
            PathKind::Regex(regex) => {
                let end = number(self.regexes.len());
                self.regexes.push((regex.clone(), rules));
                let own = &mut self.nodes[tree as usize].regexes;
                if own.start == own.end {
                    own.start = end;
                }
                own.end = end + 1;
            }
        }
    }

    /// The node of `path`, with those that lead to it.
    fn grow(&mut self, tree: u32, path: &str) -> &mut Node {
        let mut node = tree;
        // A path starts with a slash, so what is before the first is no segment.
        for segment in path.split('/').skip(1) {
            let children = &self.nodes[node as usize].children;
            node = match children.get(segment) {
                Some(child) => *child,
                None => self.sprout(node, segment),
            };
        }
        &mut self.nodes[node as usize]
    }

    fn sprout(&mut self, parent: u32, segment: &str) -> u32 {
        let child = number(self.nodes.len());
        let node = &mut self.nodes[parent as usize];
        node.children.insert(segment.into(), child);
        let length = node.length + 1 + number(segment.len());
        self.nodes.push(Node {
            parent,
            length,
            ..Node::default()
        });
        child
    }

    /// The first result `pick` gives for rules of `path`, a normal path or `*`: those for exactly
    /// this path, those of the regexes that match it, those for its prefixes from the longest to the
    /// shortest. `pick` also gets how many bytes of `path` the pattern stands for.
    pub(super) fn find<R>(
        &self,
        tree: u32,
        path: &str,
        mut pick: impl FnMut(Rules, usize) -> Option<R>,
    ) -> Option<R> {
        let root = &self.nodes[tree as usize];
        let mut node = root;
        let mut rest = path.strip_prefix('/');
        while let Some(text) = rest {
            let (segment, next) = match text.split_once('/') {
                Some((segment, next)) => (segment, Some(next)),
                None => (text, None),
            };
            let Some(child) = node.children.get(segment) else {
                break;
            };
            node = &self.nodes[*child as usize];
            rest = next;
        }
        if rest.is_none()
            && let Some(found) = pick(node.exact, path.len())
        {
            return Some(found);
        }
        for (regex, rules) in &self.regexes[root.regexes.range()] {
            if regex.is_match(path.as_bytes())
                && let Some(found) = pick(*rules, path.len())
            {
                return Some(found);
            }
        }
        loop {
            if let Some(found) = pick(node.prefix, node.length as usize) {
                return Some(found);
            }
            if node.length == 0 {
                return None;
            }
            node = &self.nodes[node.parent as usize];
        }
    }
}

/// An index in half the space. Nothing is lost: 2^32 rules or nodes would not fit into 64 GiB.
pub(super) fn number(index: usize) -> u32 {
    index as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The patterns tried for `path`, by their number, and the bytes of the path they stand for.
    fn tried(patterns: &[PathPattern], path: &str) -> Vec<(u32, usize)> {
        let mut trees = PathTrees::default();
        let tree = trees.plant();
        let mut sorted: Vec<_> = (0..).zip(patterns).collect();
        sorted.sort_by_key(|(_, pattern)| *pattern);
        for (start, pattern) in sorted {
            let rules = Rules {
                start,
                end: start + 1,
            };
            trees.insert(tree, pattern, rules);
        }
        let mut tried = Vec::new();
        trees.find(tree, path, |rules, length| {
            if rules.start < rules.end {
                tried.push((rules.start, length));
            }
            None::<()>
        });
        tried
    }

    fn prefix(path: &str) -> PathPattern {
        PathPattern::prefix(path).unwrap()
    }

    fn exact(path: &str) -> PathPattern {
        PathPattern::exact(path).unwrap()
    }

    fn regex(pattern: &str) -> PathPattern {
        PathPattern::regex(pattern).unwrap()
    }

    #[test]
    fn a_node_is_no_larger_than_a_cache_line() {
        assert!(size_of::<Node>() <= 64);
    }

    #[test]
    fn a_prefix_matches_whole_segments() {
        for pattern in ["/api", "/api/"] {
            let patterns = [prefix(pattern)];
            for path in ["/api", "/api/", "/api/x", "/api/x/y"] {
                assert_eq!(tried(&patterns, path), [(0, 4)], "{path}");
            }
            for path in ["/apix", "/ap", "/", "/x/api", "*"] {
                assert_eq!(tried(&patterns, path), [], "{path}");
            }
        }
    }

    #[test]
    fn the_prefix_of_the_root_matches_everything_and_stands_for_no_byte() {
        for path in ["/", "/a", "/a/b", "*"] {
            assert_eq!(tried(&[prefix("/")], path), [(0, 0)], "{path}");
        }
    }

    #[test]
    fn an_exact_path_counts_its_last_slash() {
        let patterns = [exact("/a"), exact("/a/"), exact("/")];
        assert_eq!(tried(&patterns, "/a"), [(0, 2)]);
        assert_eq!(tried(&patterns, "/a/"), [(1, 3)]);
        assert_eq!(tried(&patterns, "/"), [(2, 1)]);
        assert_eq!(tried(&patterns, "/a/b"), []);
        assert_eq!(tried(&patterns, "*"), []);
    }

    #[test]
    fn exact_comes_before_regex_before_the_longest_prefix() {
        let patterns = [
            prefix("/"),
            prefix("/a/b/"),
            regex("/.*"),
            regex("/a/.*"),
            prefix("/a"),
            exact("/a/b/"),
            exact("/a/b"),
        ];
        let tried = |path| tried(&patterns, path);
        assert_eq!(
            tried("/a/b/"),
            [(5, 5), (3, 5), (2, 5), (1, 4), (4, 2), (0, 0)]
        );
        assert_eq!(
            tried("/a/b"),
            [(6, 4), (3, 4), (2, 4), (1, 4), (4, 2), (0, 0)]
        );
        assert_eq!(tried("/a/c"), [(3, 4), (2, 4), (4, 2), (0, 0)]);
        assert_eq!(tried("/x/b"), [(2, 4), (0, 0)]);
    }
}
