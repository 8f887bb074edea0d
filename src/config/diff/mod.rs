//! What is different between two configurations, in words that an operator reads after a reload?
//!
//! What means the same is no difference: an endpoint with `weight: 1` and one without a weight, the order of pools, in
//! which file a section stands.

mod edits;
mod pairs;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

use super::print::Printed;
use super::{Config, Listener, Spanned};
use edits::{Altered, Edit, bounded, word};
use pairs::pairs;

/// The settings that a process keeps from its start to its end, by their dotted keys: `section.key`.
pub(crate) const FIXED: [&str; 10] = [
    "runtime.threads",
    "runtime.directory",
    "runtime.pid_file",
    "metrics.buckets.request",
    "metrics.buckets.connect",
    "metrics.buckets.first_byte",
    "metrics.buckets.queue",
    "metrics.endpoints",
    // A directory belongs to the process that has it open, and to its successor.
    "cache.disk",
    "cache.disk.path",
];

/// Everything that is different between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What takes effect on reload: sections with one set of settings, then listeners, routes and pools, each in the
    /// order of the new configuration and followed by what was removed.
    pub changes: Vec<Change>,
    /// What takes a new process.
    pub needs_upgrade: Vec<FixedField>,
}

/// One thing that is different. It is shown as one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What kind of thing it is.
    pub section: Section,
    /// Its name; for settings the key of their section.
    pub name: String,
    /// What became of it.
    pub kind: Kind,
    /// What is different in a thing that changed, such as `timeouts.read 30s -> 10s`; at most eight, and how many more
    /// there are. Escaped, and without secrets.
    pub details: Vec<String>,
}

/// What kind of thing is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// A section that stands once, such as `log`, or one of the lists as a whole.
    Settings,
    /// A listener.
    Listener,
    /// A route.
    Route,
    /// A pool.
    Pool,
}

/// What became of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has other settings.
    Changed,
    /// A list has its items in another order.
    Reordered,
}

/// A setting that takes a new process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FixedField {
    /// Its dotted key, such as `runtime.threads`.
    pub key: String,
    /// Its value in the old configuration; `unset` if it is not given.
    pub running: String,
    /// Its value in the new configuration; `unset` if it is not given.
    pub wanted: String,
}

/// What is different in `new`, the configuration to come, from `old`, the one in force.
///
/// Listeners, routes and pools are matched by name, endpoints by address.
pub fn diff(old: &Config, new: &Config) -> Difference {
    // Taken apart, so that a new section can't be forgotten.
    let Config {
        include: _,
        runtime,
        admin,
        metrics,
        access_log,
        log,
        forwarding,
        resolver,
        overload,
        redis,
        cache,
        listeners,
        routes,
        pools,
    } = new;
    let mut found = Difference::default();
    found.settings("runtime", &old.runtime, runtime);
    found.settings("admin", &old.admin, admin);
    found.settings("metrics", &old.metrics, metrics);
    found.settings("access_log", &old.access_log, access_log);
    found.settings("log", &old.log, log);
    found.settings("forwarding", &old.forwarding, forwarding);
    found.settings("resolver", &old.resolver, resolver);
    found.settings("overload", &old.overload, overload);
    found.settings("redis", &old.redis, redis);
    found.settings("cache", &old.cache, cache);
    found.items(Section::Listener, &old.listeners, listeners, |one| {
        &one.name
    });
    if found.items(Section::Route, &old.routes, routes, |one| &one.name) {
        // Between routes that are equally specific, the first wins.
        found.push(Section::Settings, "routes", Kind::Reordered, Vec::new());
    }
    found.items(Section::Pool, &old.pools, pools, |one| &one.name);
    found
}

/// Whether a connection that was accepted by `old` must not bring new requests to `new`, the same listener with other
/// settings: it was set up in a way that `new` does not set up connections.
pub fn reconnects(old: &Listener, new: &Listener) -> bool {
    fn tls(listener: &Listener) -> Option<impl PartialEq> {
        let tls = listener.tls.as_ref()?;
        Some((tls.min_version, tls.unknown_name))
    }
    tls(old) != tls(new) || old.http2 != new.http2 || old.proxy_protocol != new.proxy_protocol
}

impl Difference {
    /// Whether both configurations mean the same.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.needs_upgrade.is_empty()
    }

    fn settings<T: Printed + PartialEq>(&mut self, name: &str, old: &T, new: &T) {
        if old == new {
            return;
        }
        let mut details = Vec::new();
        for edit in edits::between(old, new) {
            let key = format!("{name}.{}", edit.key);
            match edit.change {
                Altered::Value { old, new } if FIXED.contains(&key.as_str()) => {
                    self.needs_upgrade.push(FixedField {
                        key,
                        running: old.to_string(),
                        wanted: new.to_string(),
                    });
                }
                _ => details.push(edit.to_string()),
            }
        }
        self.changed(Section::Settings, name, details);
    }

    /// Compares two lists and returns whether their order is different.
    fn items<T: Printed + PartialEq>(
        &mut self,
        section: Section,
        old: &[T],
        new: &[T],
        name: fn(&T) -> &Spanned<String>,
    ) -> bool {
        let pairs = pairs(old, new, |item| name(item).as_str());
        for (before, item) in pairs.now {
            match before {
                None => self.push(section, name(item), Kind::Added, Vec::new()),
                Some(before) if before == item => {}
                Some(before) => {
                    let edits = edits::between(before, item);
                    let details = edits.iter().map(Edit::to_string).collect();
                    self.changed(section, name(item), details);
                }
            }
        }
        for item in pairs.removed {
            self.push(section, name(item), Kind::Removed, Vec::new());
        }
        pairs.reordered
    }

    fn changed(&mut self, section: Section, name: &str, details: Vec<String>) {
        // Without details, it is written in another way and means the same.
        if !details.is_empty() {
            self.push(section, name, Kind::Changed, bounded(details));
        }
    }

    fn push(&mut self, section: Section, name: &str, kind: Kind, details: Vec<String>) {
        self.changes.push(Change {
            section,
            name: name.to_owned(),
            kind,
            details,
        });
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.section {
            Section::Settings => "",
            Section::Listener => "listener ",
            Section::Route => "route ",
            Section::Pool => "pool ",
        })?;
        write!(f, "{}: ", word(&self.name))?;
        match self.kind {
            Kind::Added => f.write_str("added"),
            Kind::Removed => f.write_str("removed"),
            Kind::Changed => write!(f, "changed: {}", self.details.join("; ")),
            Kind::Reordered => f.write_str("order changed"),
        }
    }
}

impl fmt::Display for FixedField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            running,
            wanted,
        } = self;
        write!(f, "{key}: {running} is running, {wanted} is wanted")
    }
}
