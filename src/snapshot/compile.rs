//! How does a configuration become a generation?

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::files::Sources;
use super::listener_limits::most_connections;
use super::redis::Redis;
use super::{
    Forwarding, Life, Listener, Snapshot, access_log, addresses, cache, listeners, metrics, names,
    overlaps, overload, pools, resolver, routes,
};
use crate::config::{Config, Diagnostic, Diagnostics, Spanned};
use crate::pool::Address;
use crate::pool::address::{self, WrittenAddress};
use crate::proxy::forward::{AddedFields, TrustedProxies};
use crate::server::directory::AUTO;
use crate::state::State;
use crate::telemetry::metrics::NO_ROUTE;

/// A compiled configuration, with what is worth a look although it can run.
pub struct Compiled {
    /// The generation; `None` if there are errors.
    pub snapshot: Option<Snapshot>,
    /// Everything that was found.
    pub diagnostics: Diagnostics,
}

/// Resolves names, loads files, compiles patterns and finds metrics. `unread` are names of pools and listeners that
/// stand in the files but could not be read: a route that uses one is not told that it does not exist.
pub fn compile(
    config: &Config,
    state: &State,
    unread: &names::Unread,
    now: SystemTime,
) -> Compiled {
    let mut diagnostics = Diagnostics::default();
    let metrics = metrics::compile(&config.metrics, &mut diagnostics);
    // Before any series is asked for.
    state.metrics.settle(&metrics);
    // Before that of any route: it is never among those past a limit.
    let unrouted = state.metrics.route(NO_ROUTE);
    let redis = Redis::compile(&config.redis, state, &mut diagnostics);
    let sources = Sources::new(state, redis);
    names::check_unique(config, &mut diagnostics);
    let (pools, lookups) = pools::compile(config, &sources, &mut diagnostics);
    let routes = routes::compile(config, &sources, &pools, unread, &mut diagnostics);
    let listeners = listeners::compile(config, &sources, &routes, now, &mut diagnostics);
    sources.redis.check_used(&config.redis, &mut diagnostics);
    overlaps::check(config, &listeners, &mut diagnostics);
    let forwarding = forwarding(config, &mut diagnostics);
    let resolver = resolver::compile(&config.resolver, &mut diagnostics);
    let (overload, most_memory) = overload::compile(&config.overload, &mut diagnostics);
    let cache = cache::compile(&config.cache, &mut diagnostics);
    cache::check_used(config, unread.has_routes(), &mut diagnostics);
    let admin = admin(config, &mut diagnostics);
    let most_connections = most_connections(config, &mut diagnostics);
    let access_log_settings = access_log::compile(config, &mut diagnostics);
    check_directory(config, &mut diagnostics);
    addresses::check(config, &listeners, admin.as_ref(), &mut diagnostics);
    if config.listeners.is_empty() && unread.is_empty() && !diagnostics.has_errors() {
        diagnostics.push(
            Diagnostic::error(
                "listeners",
                "there is no listener, so no connection could be accepted",
            )
            .hint("add one: `listeners: [{ name: http, address: \":8080\" }]`".to_owned()),
        );
    }
    if diagnostics.has_errors() {
        return Compiled {
            snapshot: None,
            diagnostics,
        };
    }
    let by_key: FxHashMap<Arc<str>, Arc<Listener>> = listeners
        .iter()
        .map(|listener| {
            (
                Arc::clone(&listener.listener.key),
                Arc::clone(&listener.listener),
            )
        })
        .collect();
    let snapshot = Snapshot {
        generation: 0,
        listeners: listeners
            .into_iter()
            .map(|listener| listener.listener)
            .collect(),
        by_key,
        pools: pools.into_values().collect(),
        lookups: lookups.into(),
        resolver: Arc::new(resolver),
        cache,
        store: Arc::clone(&state.cache),
        disk: None,
        flights: Arc::clone(&state.flights),
        shared_limits: sources.redis.shared.clone(),
        forwarding,
        overload,
        load: Arc::clone(&state.load),
        carrier: config.runtime.carrier,
        life: Life {
            grace: config.runtime.grace.as_duration(),
            stop_delay: config.runtime.stop_delay.as_duration(),
            upgrade_grace: config.runtime.upgrade_grace.as_duration(),
            upgrade_timeout: config.runtime.upgrade_timeout.as_duration(),
        },
        most_connections,
        most_memory,
        key_fetches: sources.take_key_fetches(),
        files: sources.into_fingerprints(),
        admin,
        metrics: Arc::clone(&state.metrics),
        unrouted,
        access_log_settings,
        access_log: None,
    };
    Compiled {
        snapshot: Some(snapshot),
        diagnostics,
    }
}

fn forwarding(config: &Config, diagnostics: &mut Diagnostics) -> Forwarding {
    let (trusted, trust_unix) = networks(
        "forwarding.trusted_proxies",
        &config.forwarding.trusted_proxies,
        diagnostics,
    );
    Forwarding {
        trusted,
        trust_unix,
        added: AddedFields {
            forwarded: config.forwarding.forwarded,
            via: config.forwarding.via,
            ..AddedFields::default()
        },
    }
}

/// Reads addresses and networks; the flag says whether `unix` is among them.
pub(super) fn networks(
    key: &str,
    written: &[Spanned<String>],
    diagnostics: &mut Diagnostics,
) -> (TrustedProxies, bool) {
    let mut networks = Vec::new();
    let mut unix = false;
    for (index, network) in written.iter().enumerate() {
        if network.value == "unix" {
            unix = true;
        } else if let Ok(parsed) = network.value.parse::<IpNet>() {
            if parsed.prefix_len() == 0 {
                diagnostics.push(
                    Diagnostic::warning(
                        format!("{key}[{index}]"),
                        "everyone is believed about who the client is",
                    )
                    .at(network.position.clone()),
                );
            }
            networks.push(parsed);
        } else if let Ok(address) = network.value.parse::<std::net::IpAddr>() {
            networks.push(IpNet::from(address));
        } else {
            diagnostics.push(
                Diagnostic::error(
                    format!("{key}[{index}]"),
                    format!(
                        "`{}` is not an address or a network",
                        network.value.escape_debug()
                    ),
                )
                .at(network.position.clone())
                .hint("write an address, a network as `10.0.0.0/8`, or `unix`".to_owned()),
            );
        }
    }
    (TrustedProxies::new(networks), unix)
}

/// Commands look for it from wherever they are run.
fn check_directory(config: &Config, diagnostics: &mut Diagnostics) {
    let written = &config.runtime.directory;
    if written.value != AUTO && !Path::new(&written.value).is_absolute() {
        diagnostics.push(
            Diagnostic::error(
                "runtime.directory",
                "is neither `auto` nor an absolute path",
            )
            .at(written.position.clone())
            .hint("write `/run/portcullis`, for instance".to_owned()),
        );
    }
}

fn admin(config: &Config, diagnostics: &mut Diagnostics) -> Option<Address> {
    let written = &config.admin.address;
    if written.value == "off" {
        return None;
    }
    match address::parse(&written.value) {
        Ok(WrittenAddress::Known(address)) => {
            if matches!(&address, Address::Inet(inet) if !inet.ip().to_canonical().is_loopback()) {
                diagnostics.push(
                    Diagnostic::warning(
                        "admin.address",
                        "whoever reaches this address can read it, reload and drain: there is no authentication",
                    )
                    .at(written.position.clone()),
                );
            }
            Some(address)
        }
        Ok(WrittenAddress::Named { .. } | WrittenAddress::Service { .. }) => {
            diagnostics.push(
                Diagnostic::error(
                    "admin.address",
                    "a listener needs an IP address, not a name",
                )
                .at(written.position.clone())
                .hint("write `127.0.0.1:9901`, or `off` for none".to_owned()),
            );
            None
        }
        Err(error) => {
            diagnostics.push(
                Diagnostic::error("admin.address", error.to_string())
                    .at(written.position.clone())
                    .hint("write `127.0.0.1:9901`, `unix:/path`, or `off` for none".to_owned()),
            );
            None
        }
    }
}
