//! How is the table of routes built, and how is a request looked up in it?

use http::{HeaderMap, Method};
use std::cmp::Reverse;
use std::sync::Arc;

use super::host_index::HostIndex;
use super::pattern::{HostPattern, PathPattern};
use super::predicate::{Checks, HeaderMatch, QueryMatch};
use super::tree::{PathTrees, Rules, number};

/// What routing looks at in a request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// From [`normalise_host`](super::normalise_host), or empty when the request names no host.
    pub host: &'a str,
    /// From [`normalise_path`](super::normalise_path), or `*`.
    pub path: &'a str,
    /// What is behind the `?` of the target, as it came.
    pub query: Option<&'a str>,
    /// The method; `HEAD` is not `GET`.
    pub method: &'a Method,
    /// The fields as they came.
    pub headers: &'a HeaderMap,
}

/// Which requests one route is for: a host, a path and a method each match one of theirs, and all
/// header and query matchers match. An empty list asks nothing, so the default takes everything.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// One of these, or any host.
    pub hosts: Vec<HostPattern>,
    /// One of these, or any path.
    pub paths: Vec<PathPattern>,
    /// One of these, or any method.
    pub methods: Vec<Method>,
    /// All of these.
    pub headers: Vec<HeaderMatch>,
    /// All of these.
    pub queries: Vec<QueryMatch>,
}

/// The route a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteMatch {
    /// The route's place in the list the table was built from.
    pub index: usize,
    /// How many bytes of the path the route's pattern stands for, what a rewrite of the prefix
    /// replaces: all of them for an exact path or a regex, the prefix without its last `/` for a
    /// prefix. What is left is empty or starts with `/`.
    pub prefix_len: usize,
}

/// All routes, ready to be looked up. Never changes; a reload builds a new one.
pub struct RouteTable {
    hosts: HostIndex,
    trees: PathTrees,
    /// All rules, those for one host and path together.
    pub(super) rules: Vec<Rule>,
    /// What the rules belong to, in their order: one entry for each host and path.
    pub(super) lists: Vec<List>,
    /// How many routes the table was built from.
    pub(super) routes: usize,
}

/// One way to a route, for a certain host and path.
pub(super) struct Rule {
    pub(super) route: u32,
    /// `None` when all pass.
    pub(super) checks: Option<Arc<Checks>>,
}

/// The rules for one host and path. Nothing a lookup needs; for finding routes that overlap.
pub(super) struct List {
    pub(super) rules: Rules,
    pub(super) tree: u32,
    pub(super) path: PathPattern,
}

/// The precedence among the rules for one host and path, the smallest first: with a method, more
/// headers, more queries, earlier in the configuration.
type Rank = (bool, Reverse<usize>, Reverse<usize>, u32);

struct Entry<'a> {
    host: &'a HostPattern,
    path: &'a PathPattern,
    rank: Rank,
    checks: Option<&'a Arc<Checks>>,
}

impl RouteTable {
    /// The table of `routes`, in the order of the configuration.
    pub fn build(routes: &[Matcher]) -> Self {
        let checks: Vec<Option<Arc<Checks>>> = routes
            .iter()
            .map(|route| Checks::new(&route.methods, &route.headers, &route.queries).map(Arc::new))
            .collect();
        let mut table = Self {
            hosts: HostIndex::default(),
            trees: PathTrees::default(),
            rules: Vec::new(),
            lists: Vec::new(),
            routes: routes.len(),
        };
        let entries = entries(routes, &checks);
        for of_host in entries.chunk_by(|a, b| a.host == b.host) {
            let tree = table.trees.plant();
            table.hosts.insert(of_host[0].host, tree);
            for of_path in of_host.chunk_by(|a, b| a.path == b.path) {
                let start = number(table.rules.len());
                table.rules.extend(of_path.iter().map(Entry::rule));
                let end = number(table.rules.len());
                let (path, rules) = (of_path[0].path, Rules { start, end });
                table.trees.insert(tree, path, rules);
                table.lists.push(List {
                    rules,
                    tree,
                    path: path.clone(),
                });
            }
        }
        table
    }

    /// The route `request` goes to, by the precedence in the documentation of [`route`](super).
    pub fn find(&self, request: &Request<'_>) -> Option<RouteMatch> {
        self.hosts.find(request.host, |tree| {
            self.trees.find(tree, request.path, |rules, prefix_len| {
                let mut rules = self.rules[rules.range()].iter();
                let rule = rules.find(|rule| rule.takes(request))?;
                Some(RouteMatch {
                    index: rule.route as usize,
                    prefix_len,
                })
            })
        })
    }
}

/// Every host of every route with every path of it, the rules for one host and path together and in
/// order of precedence.
fn entries<'a>(routes: &'a [Matcher], checks: &'a [Option<Arc<Checks>>]) -> Vec<Entry<'a>> {
    const ANY_HOST: &[HostPattern] = &[HostPattern::ANY];
    const ANY_PATH: &[PathPattern] = &[PathPattern::ANY];
    let mut entries = Vec::with_capacity(routes.len());
    for (index, (route, checks)) in (0..).zip(routes.iter().zip(checks)) {
        let hosts = if_empty(&route.hosts, ANY_HOST);
        let paths = if_empty(&route.paths, ANY_PATH);
        let rank = match checks {
            None => (true, Reverse(0), Reverse(0), index),
            Some(checks) => (
                checks.methods.is_empty(),
                Reverse(checks.headers.len()),
                Reverse(checks.queries.len()),
                index,
            ),
        };
        for host in hosts {
            entries.extend(paths.iter().map(|path| Entry {
                host,
                path,
                rank,
                checks: checks.as_ref(),
            }));
        }
    }
    entries.sort_unstable_by_key(Entry::key);
    // A route may name the same host or path twice.
    entries.dedup_by(|a, b| a.key() == b.key());
    entries
}

fn if_empty<'a, T>(list: &'a [T], default: &'a [T]) -> &'a [T] {
    if list.is_empty() { default } else { list }
}

impl<'a> Entry<'a> {
    fn key(&self) -> (&'a HostPattern, &'a PathPattern, Rank) {
        (self.host, self.path, self.rank)
    }

    fn rule(&self) -> Rule {
        Rule {
            route: self.rank.3,
            checks: self.checks.cloned(),
        }
    }
}

impl Rule {
    fn takes(&self, request: &Request<'_>) -> bool {
        match &self.checks {
            None => true,
            Some(checks) => checks.pass(request),
        }
    }
}
