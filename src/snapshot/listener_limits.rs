//! How many connections may a listener, and the whole process, have?

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use super::files::Sources;
use super::listeners::One;
use super::networks::networks;
use super::reporter::Reporter;
use super::{Arrivals, ConnectionLimits, MostConnections};
use crate::admission::connections::Connections;
use crate::admission::rate::{Buckets, Limit, Place, Scope, TooMuch};
use crate::config::units::AutoCount;
use crate::config::{Config, Diagnostic, Diagnostics, Spanned};
use crate::server::{descriptors, run};

/// Sockets of each listener for each worker: the one it accepts at, and a copy for a successor.
const SOCKETS: usize = 2;

/// How many clients are remembered whose connections come fast: 2 MiB.
const REMEMBERED: u32 = 65_536;

/// What tells the buckets of connections from those of requests, whose keys are never written so.
const ARRIVALS: &str = "(connections)";

/// How many connections the process takes.
pub(super) fn most_connections(config: &Config, diagnostics: &mut Diagnostics) -> MostConnections {
    let written = &config.overload.connections;
    let descriptors = descriptors::attainable();
    let listening = SOCKETS * config.listeners.len() * run::workers(config);
    let enough_for = descriptors::connections(descriptors, listening as u64);
    match written.value {
        AutoCount::Auto => MostConnections {
            most: Some(enough_for as usize),
            descriptors: Some(descriptors),
        },
        AutoCount::Count(count) => {
            if count > enough_for {
                diagnostics.push(
                    Diagnostic::warning(
                        "overload.connections",
                        format!(
                            "{descriptors} descriptors are enough for {enough_for} connections that each need another one \
                             for an endpoint"
                        ),
                    )
                    .at(written.position.clone())
                    .hint("allow the process more (LimitNOFILE= of systemd, `ulimit -Hn`), or write `auto`".to_owned()),
                );
            }
            MostConnections {
                most: none_if_zero(count),
                descriptors: None,
            }
        }
    }
}

impl fmt::Display for MostConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.most, self.descriptors) {
            (Some(most), None) => write!(f, "{most} at most"),
            (Some(most), Some(descriptors)) => {
                write!(f, "{most} at most, for {descriptors} descriptors")
            }
            (None, _) => f.write_str("no limit"),
        }
    }
}

fn none_if_zero(count: u32) -> Option<usize> {
    (count > 0).then_some(count as usize)
}

impl One<'_> {
    /// How many connections the listener of this key takes.
    pub(super) fn connections(
        &mut self,
        key: &Arc<str>,
        config: &Config,
        sources: &Sources<'_>,
    ) -> ConnectionLimits {
        let limits = &self.written.limits;
        let (here, of_client) = (&limits.connections, &limits.connections_per_client);
        if !(1..=128).contains(&*limits.ipv6_prefix) {
            let at = limits.ipv6_prefix.position.clone();
            let hint = Some("64 is what one household or office has");
            self.error("limits.ipv6_prefix", at, "must be from 1 to 128", hint);
        }
        if let AutoCount::Count(in_all @ 1..) = config.overload.connections.value {
            let what = format!("the whole process takes no more than {in_all}");
            self.never_reached("connections", here, in_all, &what);
        }
        if **here > 0 {
            let what = format!("the listener takes no more than {here}");
            self.never_reached("connections_per_client", of_client, **here, &what);
        }
        let mut reporter = Reporter::new("listeners", &self.written.name, self.diagnostics);
        let exempt = networks(
            "limits.exempt_clients",
            &limits.exempt_clients,
            &mut reporter,
        );
        if **of_client == 0
            && limits.new_connections_per_client.is_none()
            && let Some(first) = limits.exempt_clients.first()
        {
            let message = "has no effect, because clients are not limited";
            self.warn("limits.exempt_clients", first.position.clone(), message);
        }
        let arrivals = self.arrivals(sources);
        let make = || Connections::new(Arc::clone(&sources.state.connections));
        ConnectionLimits {
            open: sources
                .state
                .by_listener
                .get_or_create(Arc::clone(key), make),
            most: none_if_zero(**here),
            most_of_client: none_if_zero(**of_client),
            arrivals,
            ipv6_prefix: *limits.ipv6_prefix,
            exempt,
        }
    }

    /// How fast those of one client may come.
    fn arrivals(&mut self, sources: &Sources<'_>) -> Option<Arrivals> {
        const KEY: &str = "limits.new_connections_per_client";
        const BURST: &str = "limits.new_connections_burst";
        let limits = &self.written.limits;
        let given = limits.new_connections_burst.as_ref();
        let Some(rate) = &limits.new_connections_per_client else {
            if let Some(burst) = given {
                let message = "has no effect without `new_connections_per_client`";
                self.error(BURST, burst.position.clone(), message, None);
            }
            return None;
        };
        let at = given.map_or(&rate.position, |burst| &burst.position);
        let Some(burst) = limits.arrivals_burst().and_then(NonZeroU32::new) else {
            let message = "with a burst below 1 nobody would ever come in";
            self.error(BURST, at.clone(), message, None);
            return None;
        };
        let limit = match Limit::new(rate.value, burst) {
            Ok(limit) => limit,
            Err(TooMuch::Rate) => {
                let hint = Some("leave the limit out");
                let message = "is over 10000000/s, the most that is counted";
                self.error(KEY, rate.position.clone(), message, hint);
                return None;
            }
            Err(TooMuch::Burst) => {
                let hint = Some("make it smaller, or the rate higher");
                let message = format!(
                    "at `{}`, {burst} at once take over a year to come back",
                    rate.value
                );
                self.error(BURST, at.clone(), message, hint);
                return None;
            }
        };
        let place = Place {
            scope: Scope::Listener,
            part: self.written.name.value.as_str().into(),
            limit: "new_connections_per_client".into(),
            key: ARRIVALS.into(),
            ipv6_prefix: *limits.ipv6_prefix,
            keys: REMEMBERED,
        };
        let make = || Buckets::new(REMEMBERED, Instant::now());
        Some(Arrivals {
            buckets: sources.state.buckets.get_or_create(place, make),
            limit,
        })
    }

    fn never_reached(&mut self, key: &str, limit: &Spanned<u32>, most: u32, what: &str) {
        if **limit > most {
            let message = format!("is never reached: {what}");
            self.warn(&format!("limits.{key}"), limit.position.clone(), message);
        }
    }
}
