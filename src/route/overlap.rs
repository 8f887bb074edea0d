//! Which routes of a table can never be the one a request goes to?
//!
//! For the check of a configuration, not for the hot path. Work is near linear in the number of
//! routes, so that the check of a large configuration stays as quick as its load.

use http::Method;
use rustc_hash::{FxHashMap, FxHashSet};

use super::pattern::PathKind;
use super::predicate::{Checks, HeaderMatch, QueryMatch};
use super::table::{List, RouteTable, Rule};

/// Regexes that match every normal path. Others do too; these are the ones people write.
const EVERY_PATH: [&str; 6] = [".*", "/.*", "^.*$", "^/.*", "^/.*$", ".+"];

/// Certain fields, a certain query and, unless any will do, a certain method: what a request must have.
type Asked<'a> = (&'a [HeaderMatch], &'a [QueryMatch], Option<&'a Method>);

/// How many rules with loose checks are compared with each later rule of the same host and path.
const LOOSE_COMPARED: usize = 64;

impl RouteTable {
    /// Pairs of routes that match exactly the same requests, as `(earlier, later)` indexes: the later
    /// one has no effect, which can't be meant. Of several alike, each is paired with the first.
    #[expect(
        clippy::mutable_key_type,
        reason = "a regex is hashed by its pattern, which never changes"
    )]
    pub fn conflicts(&self) -> Vec<(usize, usize)> {
        let mut lists = vec![Vec::new(); self.routes];
        let mut checks = vec![None; self.routes];
        for (number, list) in self.lists.iter().enumerate() {
            for rule in self.rules_of(list) {
                lists[rule.route as usize].push(number);
                checks[rule.route as usize] = rule.checks.as_deref();
            }
        }
        let mut first = FxHashMap::default();
        let mut conflicts = Vec::new();
        for (route, asked) in lists.iter().zip(&checks).enumerate() {
            let earlier = *first.entry(asked).or_insert(route);
            if earlier != route {
                conflicts.push((earlier, route));
            }
        }
        conflicts
    }

    /// Routes that are never reached, each with a route that takes its requests, as `(route, by)`
    /// indexes in the order of the routes.
    ///
    /// Only what is certain is reported: for every host and path of the route, routes that go before
    /// it take all it could take, `OPTIONS *` not counted. The later route of a
    /// [conflict](Self::conflicts) is not repeated.
    pub fn unreachable(&self) -> Vec<(usize, usize)> {
        let mut reached = vec![false; self.routes];
        let mut shadowed_by = vec![None; self.routes];
        let mut every_path: Option<(u32, &Rule)> = None;
        for list in &self.lists {
            let mut seen = Seen::default();
            for rule in self.rules_of(list) {
                let by = every_path
                    .filter(|(tree, by)| *tree == list.tree && by.route != rule.route)
                    .map(|(_, by)| by.route)
                    .or_else(|| seen.shadow(rule));
                match by {
                    Some(by) => shadowed_by[rule.route as usize] = Some(by as usize),
                    None => reached[rule.route as usize] = true,
                }
                seen.add(rule);
            }
            // Lists come in order of precedence, so all that follow for this host are below it.
            if matches!(&list.path.0, PathKind::Regex(regex) if EVERY_PATH.contains(&regex.as_str()))
                && let Some(rule) = self
                    .rules_of(list)
                    .iter()
                    .find(|rule| rule.checks.is_none())
            {
                every_path = every_path
                    .filter(|(tree, _)| *tree == list.tree)
                    .or(Some((list.tree, rule)));
            }
        }
        let reported: FxHashSet<usize> = self.conflicts().into_iter().map(|pair| pair.1).collect();
        (0..self.routes)
            .filter(|route| !reached[*route] && !reported.contains(route))
            .filter_map(|route| Some((route, shadowed_by[route]?)))
            .collect()
    }

    fn rules_of(&self, list: &List) -> &[Rule] {
        &self.rules[list.rules.range()]
    }
}

/// The rules for one host and path that go before the one being looked at.
#[derive(Default)]
struct Seen<'a> {
    /// Which route takes a method, `None` for any, among the requests with these fields and queries.
    taken: FxHashMap<Asked<'a>, u32>,
    /// Those that may cover rules with other matchers than theirs.
    loose: Vec<(&'a Checks, u32)>,
}

impl<'a> Seen<'a> {
    /// A route that takes all `rule` could take.
    fn shadow(&self, rule: &'a Rule) -> Option<u32> {
        let (methods, headers, queries) = parts(rule);
        let taken = |method| self.taken.get(&(headers, queries, method)).copied();
        let by = match methods {
            [] => taken(None),
            [first, rest @ ..] => taken(Some(first))
                .filter(|_| rest.iter().all(|method| taken(Some(method)).is_some())),
        };
        by.or_else(|| {
            let checks = rule.checks.as_deref()?;
            let mut loose = self.loose.iter();
            let (_, by) = loose.find(|(earlier, _)| earlier.cover(checks))?;
            Some(*by)
        })
    }

    fn add(&mut self, rule: &'a Rule) {
        let (methods, headers, queries) = parts(rule);
        if methods.is_empty() {
            self.taken
                .entry((headers, queries, None))
                .or_insert(rule.route);
        }
        for method in methods {
            self.taken
                .entry((headers, queries, Some(method)))
                .or_insert(rule.route);
        }
        if let Some(checks) = rule.checks.as_deref()
            && checks.is_loose()
            && self.loose.len() < LOOSE_COMPARED
        {
            self.loose.push((checks, rule.route));
        }
    }
}

fn parts(rule: &Rule) -> (&[Method], &[HeaderMatch], &[QueryMatch]) {
    match &rule.checks {
        None => (&[], &[], &[]),
        Some(checks) => (&checks.methods, &checks.headers, &checks.queries),
    }
}
