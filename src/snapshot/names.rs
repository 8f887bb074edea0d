//! Does every name stand for one thing?

use std::collections::{HashMap, HashSet};

use super::reporter::Reporter;
use crate::config::document::{Kind, Node};
use crate::config::load::Loaded;
use crate::config::{Config, Diagnostic, Diagnostics, Spanned};

/// Names that stand in the files, whether or not their sections could be read.
#[derive(Debug, Default)]
pub struct Unread {
    pools: HashSet<String>,
    listeners: HashSet<String>,
    routes: bool,
    /// Whether a whole file is missing, in which any name may stand.
    anything: bool,
}

impl Unread {
    /// The names in a document of which not all could be read into `config`.
    pub fn of(loaded: &Loaded, config: &Config) -> Self {
        let root = &loaded.root;
        let mut pools = written_names(root, "pools");
        let mut listeners = written_names(root, "listeners");
        for pool in &config.pools {
            pools.remove(&pool.name.value);
        }
        for listener in &config.listeners {
            listeners.remove(&listener.name.value);
        }
        let routes = written(root, "routes").len() > config.routes.len();
        Self {
            pools,
            listeners,
            routes,
            anything: !loaded.complete,
        }
    }

    /// Whether a pool of this name is there but could not be read.
    pub fn has_pool(&self, name: &str) -> bool {
        self.anything || self.pools.contains(name)
    }

    /// Whether a listener of this name is there but could not be read.
    pub fn has_listener(&self, name: &str) -> bool {
        self.anything || self.listeners.contains(name)
    }

    /// Whether a route is there but could not be read: nobody knows which pool it uses.
    pub fn has_routes(&self) -> bool {
        self.anything || self.routes
    }

    /// Whether every pool and listener could be read.
    pub fn is_empty(&self) -> bool {
        !self.anything && self.pools.is_empty() && self.listeners.is_empty()
    }
}

fn written_names(root: &Node, section: &str) -> HashSet<String> {
    let mut names = HashSet::new();
    for item in written(root, section) {
        if let Some(Kind::Scalar { text, .. }) = entry(item, "name").map(|node| &node.kind) {
            names.insert(text.to_string());
        }
    }
    names
}

fn written<'n>(root: &'n Node, section: &str) -> &'n [Node] {
    match entry(root, section).map(|node| &node.kind) {
        Some(Kind::Sequence(items)) => items,
        _ => &[],
    }
}

fn entry<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    match &node.kind {
        Kind::Mapping(entries) => entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, value)| value),
        _ => None,
    }
}

/// Reports names that are given twice, empty, or would not make a good label.
pub(super) fn check_unique(config: &Config, diagnostics: &mut Diagnostics) {
    let mut report = |key: String, name: &Spanned<String>, message: String, hint| {
        let diagnostic = Diagnostic::error(key, message);
        diagnostics.push(diagnostic.at(name.position.clone()).hint(hint));
    };
    let listeners = config.listeners.iter().map(|listener| &listener.name);
    check("listeners", listeners, &mut report);
    let routes = config.routes.iter().map(|route| &route.name);
    check("routes", routes, &mut report);
    let pools = config.pools.iter().map(|pool| &pool.name);
    check("pools", pools, &mut report);
}

/// The longest name.
const LONGEST: usize = 128;

/// As [`check_unique`], for a list within one part.
pub(super) fn check_list<'c>(
    key: &str,
    names: impl Iterator<Item = &'c Spanned<String>>,
    reporter: &mut Reporter<'_>,
) {
    check(key, names, |key, name, message, hint| {
        reporter.error(&key, name, message, hint.as_deref());
    });
}

fn check<'c>(
    section: &str,
    names: impl Iterator<Item = &'c Spanned<String>>,
    mut report: impl FnMut(String, &'c Spanned<String>, String, Option<String>),
) {
    let mut first: HashMap<&str, &Spanned<String>> = HashMap::new();
    for name in names {
        let text = name.value.as_str();
        let key = format!("{section}[{}].name", text.escape_debug());
        let is_label =
            |character: char| character.is_ascii_alphanumeric() || "-_.:/@".contains(character);
        if text.is_empty()
            || text.len() > LONGEST
            || text.starts_with('_')
            || !text.chars().all(is_label)
        {
            let message = format!("`{}` is not a name", text.escape_debug());
            let hint =
                format!("use 1 to {LONGEST} letters, digits and `-_.:/@`, not starting with `_`");
            report(key, name, message, Some(hint));
        } else if let Some(earlier) = first.get(text) {
            let place = earlier
                .position
                .as_ref()
                .map(|place| format!(", first at {place}"))
                .unwrap_or_default();
            report(
                key,
                name,
                format!("the name `{text}` is given twice{place}"),
                None,
            );
        } else {
            first.insert(text, name);
        }
    }
}
