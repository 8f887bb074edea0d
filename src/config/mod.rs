//! What did the operator write? Plain values read from YAML: no `Arc`, no atomics, no sockets.
//!
//! [`load`] reads the files into one positioned document, [`document`] turns it into the types below and reports every
//! problem with its place, [`crate::snapshot`] resolves the names and reports what only shows across sections.
//! [`diff`] tells two configurations apart.

pub mod access;
pub mod access_log;
pub mod admin;
pub mod cache;
pub mod diagnostics;
pub mod diff;
pub mod document;
pub mod forwarding;
pub mod listener;
pub mod load;
pub mod metrics;
pub mod overload;
pub mod pool;
pub mod print;
pub mod process_log;
pub mod redis;
pub mod reference;
pub mod resolver;
pub mod route;
pub mod runtime;
pub mod schema;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod units;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use document::{Kind, Node};

pub use access_log::{AccessLog, AccessLogField, AccessLogFormat};
pub use admin::Admin;
pub use cache::Cache;
pub use diagnostics::{Diagnostic, Diagnostics, Position};
pub use document::Spanned;
pub use forwarding::Forwarding;
pub use listener::Listener;
pub use metrics::Metrics;
pub use overload::Overload;
pub use pool::Pool;
pub use process_log::{ProcessLog, ProcessLogFormat};
pub use redis::Redis;
pub use resolver::Resolver;
pub use route::Route;
pub use runtime::Runtime;
pub use units::{ByteSize, Timespan};

/// A whole configuration. Every section may be spread over files with `include`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Other files to read as part of this one: a path or a glob pattern, or a list of them, relative to the file that
    /// names them. The lists (`listeners`, `routes`, `pools`) are appended in order; any other section may stand in one
    /// file only. Paths of certificates and the like are relative to the file they stand in. Default: none.
    #[serde(skip_serializing_if = "Include::is_empty")]
    #[schemars(example = ["../upstreams/*.yaml"])]
    pub include: Include,
    /// How the process runs, ends, and hands over to the next one.
    pub runtime: Runtime,
    /// The admin listener. It has no authentication: keep it on loopback, or on a network that only operators reach.
    pub admin: Admin,
    /// What `/metrics` tells, and how finely. Where a bucket ends can't change under what was counted in it.
    pub metrics: Metrics,
    /// What is written down about each request.
    pub access_log: AccessLog,
    /// What Portcullis says about itself, on standard error.
    pub log: ProcessLog,
    /// Whom to believe about the client, and what the endpoints are told.
    pub forwarding: Forwarding,
    /// Look-ups of the host names among the endpoints of pools. Nothing is looked up where there are only IP addresses.
    pub resolver: Resolver,
    /// How much the whole process takes on, over all listeners.
    pub overload: Overload,
    /// The Redis that machines share their rate limits through: those with `store: redis` are counted in it, so that
    /// they hold for all machines together.
    pub redis: Redis,
    /// Where the answers that routes with `cache` store are kept: one store for the whole process.
    pub cache: Cache,
    /// Addresses that accept connections, each with its TLS, protocol and limit settings.
    pub listeners: Vec<Listener>,
    /// Which requests get which policies, and which pool.
    pub routes: Vec<Route>,
    /// Named sets of endpoints: how one is chosen, watched, limited and spoken to.
    pub pools: Vec<Pool>,
}

/// One path or pattern, or a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Include {
    /// `include: upstreams/*.yaml`
    One(String),
    /// `include: [upstreams/*.yaml, routes.yaml]`
    Many(Vec<String>),
}

impl Default for Include {
    fn default() -> Self {
        Include::Many(Vec::new())
    }
}

impl Include {
    fn is_empty(&self) -> bool {
        matches!(self, Include::Many(list) if list.is_empty())
    }
}

impl Config {
    /// Reads a document. When something in it can't be read, what can is still given, with the other parts at their
    /// defaults, so that the rest can be checked as well; `diagnostics` then has errors.
    pub fn read(root: &Node, diagnostics: &mut Diagnostics) -> Self {
        if let Some(config) = document::read::<Config>(root, diagnostics) {
            return config;
        }
        Self {
            include: Include::default(),
            runtime: section(root, "runtime"),
            admin: section(root, "admin"),
            metrics: section(root, "metrics"),
            access_log: section(root, "access_log"),
            log: section(root, "log"),
            forwarding: section(root, "forwarding"),
            resolver: section(root, "resolver"),
            overload: section(root, "overload"),
            redis: section(root, "redis"),
            cache: section(root, "cache"),
            listeners: entries(root, "listeners"),
            routes: entries(root, "routes"),
            pools: entries(root, "pools"),
        }
    }
}

fn value<'n>(root: &'n Node, key: &str) -> Option<&'n Node> {
    match &root.kind {
        Kind::Mapping(entries) => entries
            .iter()
            .find(|(name, _)| name.name == key)
            .map(|(_, value)| value),
        _ => None,
    }
}

// What is wrong has been reported by the reading of the whole, with its full path.

fn section<T: DeserializeOwned + Default>(root: &Node, key: &str) -> T {
    value(root, key)
        .and_then(|node| document::read(node, &mut Diagnostics::default()))
        .unwrap_or_default()
}

fn entries<T: DeserializeOwned>(root: &Node, key: &str) -> Vec<T> {
    match value(root, key).map(|node| &node.kind) {
        Some(Kind::Sequence(items)) => items
            .iter()
            .filter_map(|item| document::read(item, &mut Diagnostics::default()))
            .collect(),
        _ => Vec::new(),
    }
}
