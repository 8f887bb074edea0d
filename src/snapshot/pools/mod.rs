//! How does a written pool become one that hands out leases?

mod balancer;
mod breaker;
mod checks;
mod ejection;
mod health;
mod hedging;
mod idle;
mod limits;
pub(super) mod retries;
mod sticky;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use indexmap::IndexMap;

use super::files::Sources;
use super::pool_tls::pool_tls;
use super::reporter::Reporter;
use crate::config::pool::{
    Endpoint as WrittenEndpoint, Pool as Written, Protocol as WrittenProtocol,
};
use crate::config::{Config, Diagnostics, Spanned, Timespan};
use crate::pool::address::{self, WrittenAddress};
use crate::pool::discovery::{Lookup, Rules, Source, Spot};
use crate::pool::limits::Term;
use crate::pool::{Address, FailOpen, HostRule, Keepalive, Pool, PoolState, Protocol, Timeouts};

/// The pools by name, in the order of the configuration.
pub(super) type Pools = IndexMap<String, Arc<Pool>>;

/// Compiles every pool; those with errors are compiled as far as possible, so that routes find them.
pub(super) fn compile(
    config: &Config,
    sources: &Sources<'_>,
    diagnostics: &mut Diagnostics,
) -> (Pools, Vec<Lookup>) {
    let mut pools = Pools::new();
    let mut lookups = Vec::new();
    for written in &config.pools {
        let (pool, lookup) = one(written, sources, diagnostics);
        lookups.extend(lookup);
        idle::warn(written, config, &mut reporter(written, diagnostics));
        pools.entry(written.name.value.clone()).or_insert(pool);
    }
    (pools, lookups)
}

fn one(
    written: &Written,
    sources: &Sources<'_>,
    diagnostics: &mut Diagnostics,
) -> (Arc<Pool>, Option<Lookup>) {
    let state = sources.state;
    let name: Arc<str> = Arc::from(written.name.value.as_str());
    let mut reporter = reporter(written, diagnostics);
    let protocol = match written.protocol {
        WrittenProtocol::Http1 => Protocol::Http1,
        WrittenProtocol::Http2 => Protocol::Http2,
    };
    let tls = written
        .tls
        .as_ref()
        .and_then(|tls| pool_tls(tls, protocol, sources, &mut reporter));
    let timeouts = timeouts(written, &mut reporter);
    let keepalive = Keepalive {
        idle: Some(written.keepalive.idle.as_duration()).filter(|idle| !idle.is_zero()),
        connections: usize::from(written.keepalive.connections),
    };
    let every = every(&written.resolve, &mut reporter);
    let endpoints = endpoints(written, &mut reporter);
    let limits = limits::limits(written, &endpoints, &mut reporter);
    let (balancer, key) = balancer::balancer(written, &mut reporter);
    let memory = state.pools.get_or_create(Arc::clone(&name), || {
        PoolState::limited(limits.and_then(|limits| limits.requests))
    });
    let host = host_rule("host", &written.host, &mut reporter);
    let check = health::check(written, &host, &mut reporter);
    let retries = retries::compile(written, protocol, timeouts.total, &mut reporter);
    let hedging = hedging::compile(written, protocol, &memory, &mut reporter);
    let source = Source {
        pool: Arc::clone(&name),
        balancer,
        protocol,
        tls,
        tls_name: written
            .tls
            .as_ref()
            .and_then(|tls| tls.name.as_ref())
            .map(|name| name.value.clone()),
        timeouts,
        keepalive,
        memory: Arc::clone(&memory),
        rules: Arc::new(rules(written, &name, sources, &mut reporter)),
        endpoints,
    };
    let fail_open = fail_open(written, &name, sources);
    let members = source.members(&state.names.known(), state);
    let pool = Arc::new(Pool {
        name: Arc::clone(&name),
        protocol,
        host,
        key,
        timeouts,
        keepalive,
        limits,
        balancer: written.balancer.value.clone(),
        sticky: source.rules.sticky.clone(),
        retries,
        hedging,
        metrics: state.metrics.pool(&name),
        check,
        members_changed: Arc::clone(&state.members_changed),
        state: memory,
        fail_open,
        members: ArcSwap::from_pointee(members),
        term: Term::default(),
    });
    let lookup = source.has_names().then(|| Lookup {
        pool: Arc::clone(&pool),
        source,
        every,
    });
    (pool, lookup)
}

fn reporter<'a>(written: &Written, diagnostics: &'a mut Diagnostics) -> Reporter<'a> {
    Reporter::new("pools", &written.name, diagnostics)
}

/// What holds for each endpoint of the pool.
fn rules(
    written: &Written,
    pool: &Arc<str>,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Rules {
    let ejection = written.ejection.as_ref();
    let ejection = ejection
        .map(|ejection| ejection::ejection(ejection, written.health.is_some(), pool, reporter));
    let sticky = written.sticky.as_ref();
    let mut rules = Rules {
        slow_start: slow_start(&written.slow_start, reporter),
        sticky: sticky
            .and_then(|sticky| self::sticky::sticky(sticky, written, sources, reporter))
            .map(Arc::new),
        ejects: ejection.is_some(),
        health: health::health(written, ejection),
        ..Rules::default()
    };
    if let Some(breaker) = &written.breaker {
        let breaker = breaker::breaker(breaker, pool, reporter);
        rules.breaks = Some(breaker.scope);
        rules.breaker = Arc::new(breaker);
    }
    rules
}

/// When health is looked past, if ever.
fn fail_open(written: &Written, pool: &Arc<str>, sources: &Sources<'_>) -> Option<FailOpen> {
    let threshold = written.panic_threshold.value.get();
    (threshold > 0).then(|| FailOpen {
        threshold,
        pool: Arc::clone(pool),
        metrics: sources.state.metrics.fail_open(pool),
    })
}

/// Reads the addresses. What is wrong with one is reported, and it is left out.
fn endpoints(written: &Written, reporter: &mut Reporter<'_>) -> Vec<Spot> {
    if written.endpoints.is_empty() {
        reporter.error(
            "endpoints",
            &written.name,
            "the pool has no endpoint",
            Some("add one, as `- 10.0.0.1:8080`"),
        );
    }
    let mut spots: Vec<Spot> = Vec::new();
    for (index, endpoint) in written.endpoints.iter().enumerate() {
        let key = format!("endpoints[{index}]");
        if let Some(address) = source(endpoint, written, &key, reporter) {
            if spots.iter().any(|earlier| earlier.address == address) {
                let text = endpoint.value.address();
                reporter.error(
                    &key,
                    endpoint,
                    format!("the endpoint `{text}` is given twice"),
                    Some("give it once, with a larger weight"),
                );
            }
            let settings = endpoint.value.settings();
            // Printed are both.
            if settings.backup && ![0, settings.priority()].contains(&settings.priority) {
                reporter.error(
                    &key,
                    endpoint,
                    "a backup endpoint has priority 255 already",
                    Some("write `backup: true` or `priority`, not both"),
                );
            }
            spots.push(Spot {
                address,
                weight: settings.weight,
                priority: settings.priority(),
                max_requests: limits::of_endpoint(settings.max_requests, written),
            });
        }
    }
    if !spots.is_empty() && spots.iter().all(|spot| spot.weight == 0) {
        reporter.error(
            "endpoints",
            &written.name,
            "every endpoint has weight 0, so none is ever chosen",
            Some("give at least one a weight of 1 or more"),
        );
    }
    spots
}

fn source(
    endpoint: &Spanned<WrittenEndpoint>,
    written: &Written,
    key: &str,
    reporter: &mut Reporter<'_>,
) -> Option<WrittenAddress> {
    let text = endpoint.value.address();
    if endpoint.value.weight() > 1000 {
        reporter.error(
            key,
            endpoint,
            "the weight is over 1000",
            Some("weights are shares: 2 and 1 are as 2000 and 1000"),
        );
    }
    let address = match address::parse(text) {
        Ok(address) => address,
        Err(error) => {
            reporter.error(key, endpoint, error.to_string(), None);
            return None;
        }
    };
    if let WrittenAddress::Known(Address::Inet(inet)) = &address
        && (inet.port() == 0 || inet.ip().is_unspecified())
    {
        reporter.error(
            key,
            endpoint,
            format!("`{text}` can't be connected to"),
            Some("give an address and a port"),
        );
        return None;
    }
    if let Some(tls) = &written.tls
        && tls.name.is_none()
        && tls.verify
        // Nor is the name in an SRV record: whoever forges one could forge the other (RFC 9525, section 6.1).
        && !matches!(address, WrittenAddress::Named { .. })
    {
        reporter.error(
            key,
            endpoint,
            format!("the certificate of `{text}` can't be checked without a name"),
            Some("give the name it is issued for as `tls: { name: … }`, or set `verify: false`"),
        );
    }
    Some(address)
}

fn host_rule(key: &str, host: &Spanned<String>, reporter: &mut Reporter<'_>) -> HostRule {
    match host.value.as_str() {
        "keep" => HostRule::Keep,
        "endpoint" => HostRule::Endpoint,
        name => match HeaderValue::try_from(name) {
            Ok(value) if crate::route::normalise_host(name).is_ok() => HostRule::Fixed(value),
            _ => {
                reporter.error(
                    key,
                    host,
                    format!("`{}` is not a host name", name.escape_debug()),
                    Some("write `keep`, `endpoint` or a name such as `app.example.com`"),
                );
                HostRule::Keep
            }
        },
    }
}

fn timeouts(written: &Written, reporter: &mut Reporter<'_>) -> Timeouts {
    let times = &written.timeouts;
    for (key, value) in [
        ("timeouts.connect", &times.connect),
        ("timeouts.first_byte", &times.first_byte),
        ("timeouts.read", &times.read),
        ("timeouts.write", &times.write),
    ] {
        if value.is_zero() {
            reporter.error(
                key,
                value,
                "a time of 0 would end every request",
                Some("give a time as `60s`"),
            );
        }
    }
    Timeouts {
        connect: times.connect.as_duration(),
        first_byte: times.first_byte.as_duration(),
        read: times.read.as_duration(),
        write: times.write.as_duration(),
        total: unlimited_if_zero(&times.total),
    }
}

/// How long the share of an endpoint grows, if it does.
fn slow_start(written: &Spanned<Timespan>, reporter: &mut Reporter<'_>) -> Option<Duration> {
    if written.value > Timespan::days(1) {
        reporter.error(
            "slow_start",
            written,
            format!("`{}` is longer than 1d", written.value),
            Some("give the time that an endpoint takes to warm up, as `30s`"),
        );
    }
    unlimited_if_zero(written)
}

/// The longest time between two look-ups.
fn every(resolve: &Spanned<Timespan>, reporter: &mut Reporter<'_>) -> Duration {
    let (second, day) = (Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));
    let every = resolve.as_duration();
    if !(second..=day).contains(&every) {
        reporter.error(
            "resolve",
            resolve,
            format!("`{}` is not a time from 1s to 1d", resolve.value),
            Some("this is the longest time, as `30s`; a shorter TTL goes before it"),
        );
    }
    every.clamp(second, day)
}

/// 0 stands for no limit.
pub(super) fn unlimited_if_zero(time: &Timespan) -> Option<Duration> {
    Some(time.as_duration()).filter(|time| !time.is_zero())
}
