//! How does the rest of Portcullis reach its metrics, and how does a scraper?
//!
//! Every name, label and help text is in `metrics/catalogue.rs`. Handles are looked up when a configuration is compiled or
//! a set of endpoints changes; a request only adds to the atomic numbers behind them, and only the first failure of a kind
//! at a route is looked up when it comes. How long a series with names from the configuration lives is told in
//! `metrics/live.rs`.

mod cache;
mod catalogue;
mod certificates;
mod compression;
mod counted;
mod disk;
mod families;
mod guards;
mod histograms;
mod labels;
mod listeners;
mod live;
mod overload;
mod process;
mod rates;
mod settings;
mod shared;
mod states;
mod tokens;

use std::sync::{Arc, Once};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::{Encoder, Error, IntCounter, IntGauge, Registry, TextEncoder};

use crate::cache::CacheResult;
use cache::CachedRoutes;
use catalogue::Catalogue;
use compression::Compression;
use families::{Checks, Endpoints, Pools, Routes};
use guards::{Breakers, Ejections, FailOpens};
use listeners::Listeners;
use live::Live;
use rates::RateLimits;
use shared::SharedLimits;
use tokens::{KeySources, Tokens};

pub use cache::{CacheMetrics, CachedRouteMetrics, CachedRouteSeries};
pub use certificates::Certificates;
pub use compression::{CompressionMetrics, CompressionSeries};
pub use counted::Counted;
pub use disk::{DiskMetrics, DiskRead, DiskWrite};
pub use families::{
    CheckMetrics, CheckSeries, EndpointMetrics, EndpointSeries, PoolMetrics, PoolSeries,
    RouteMetrics, RouteSeries,
};
pub use guards::{
    BreakerMetrics, BreakerSeries, EjectionMetrics, EjectionSeries, FailOpenMetrics, FailOpenSeries,
};
pub use labels::{
    DiskOperation, Fetch, Flood, HedgeResult, Missed, Protocol, PurgeKind, RefusedReason,
    ReloadResult, ResetBy, RetryResult, TlsVersion,
};
pub use listeners::{ListenerMetrics, ListenerSeries, OpenConnection};
pub use live::{Family, Handle};
pub use overload::OverloadMetrics;
pub use rates::{RateLimitMetrics, RateLimitSeries};
pub use settings::Settings;
pub use shared::{SharedLimitMetrics, SharedLimitSeries};
pub use tokens::{KeySourceMetrics, KeySourceSeries, TokenMetrics, TokenSeries};

/// The media type of what [`Metrics::render`] writes.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The route of requests that match none.
pub const NO_ROUTE: &str = "(none)";

/// How many routes, listeners or pools have series of their own at a time.
const NAME_LIMIT: usize = 2_000;

/// The metrics of one process, with a registry of their own.
pub struct Metrics {
    registry: Registry,
    routes: Arc<Live<Routes>>,
    listeners: Arc<Live<Listeners>>,
    pools: Arc<Live<Pools>>,
    endpoints: Arc<Live<Endpoints>>,
    checks: Arc<Live<Checks>>,
    breakers: Arc<Live<Breakers>>,
    ejections: Arc<Live<Ejections>>,
    fail_opens: Arc<Live<FailOpens>>,
    rate_limits: Arc<Live<RateLimits>>,
    shared_limits: Arc<Live<SharedLimits>>,
    tokens: Arc<Live<Tokens>>,
    key_sources: Arc<Live<KeySources>>,
    cached_routes: Arc<Live<CachedRoutes>>,
    compression: Arc<Live<Compression>>,
    settled: Once,
    reload: ReloadMetrics,
    /// How many generations are in memory: the one in force, and those that still have users.
    pub generations: IntGauge,
    /// Connections that the process before this one still has.
    pub predecessor_connections: IntGauge,
    /// Threads that serve connections.
    pub workers: IntGauge,
    /// Until when the certificates in force are valid.
    pub certificates: Certificates,
    /// Connections of clients that the process takes at most; 0 for no limit.
    pub connections_limit: IntGauge,
    /// How often a worker left connections waiting for want of descriptors.
    pub accept_pauses: IntCounter,
    /// Memory that encoders take.
    pub compression_memory: IntGauge,
    /// Panics that a request led to.
    pub panics: IntCounter,
    /// The counters of the access log.
    pub access_log: AccessLogMetrics,
    /// What is told about overload.
    pub overload: OverloadMetrics,
    /// What is told of the cache.
    pub cache: Arc<CacheMetrics>,
    /// What is told of the cache's disk tier.
    pub disk: DiskMetrics,
    /// Look-ups that found nothing, and those that found something.
    lookups: [IntCounter; 2],
}

/// Counts what happens to the lines of the access log.
#[derive(Clone, Debug)]
pub struct AccessLogMetrics {
    /// Lines written.
    pub written: IntCounter,
    /// Lines lost because the queue was full or a write failed.
    pub dropped: IntCounter,
    /// Writes that failed.
    pub write_errors: IntCounter,
}

struct ReloadMetrics {
    by_result: [IntCounter; ReloadResult::ALL.len()],
    generation: IntGauge,
    hash: IntGauge,
    last_successful: IntGauge,
    last_timestamp: IntGauge,
    last_success_timestamp: IntGauge,
}

impl Metrics {
    /// Registers every metric, with the usual [`Settings`] until they are [settled](Self::settle).
    ///
    /// # Errors
    ///
    /// Two metrics have one name, or a name is not valid: no input leads there.
    pub fn new() -> Result<Self, Error> {
        let usual = Settings::default();
        let endpoints = usual.endpoints;
        let new = Catalogue::new(usual);
        new.build_info()?;
        new.process()?;
        let cache = new.cache()?;
        Ok(Self {
            routes: Live::new(new.routes()?, NAME_LIMIT),
            listeners: Live::new(new.listeners()?, NAME_LIMIT),
            pools: Live::new(new.pools()?, NAME_LIMIT),
            endpoints: Live::new(new.endpoints()?, endpoints),
            checks: Live::new(new.checks()?, endpoints),
            breakers: Live::new(new.breakers()?, endpoints),
            ejections: Live::new(new.ejections()?, endpoints),
            fail_opens: Live::new(new.fail_opens()?, NAME_LIMIT),
            rate_limits: Live::new(new.rate_limits()?, NAME_LIMIT),
            shared_limits: Live::new(new.shared_limits()?, NAME_LIMIT),
            tokens: Live::new(new.tokens()?, NAME_LIMIT),
            key_sources: Live::new(new.key_sources()?, NAME_LIMIT),
            cached_routes: Live::new(new.cached_routes()?, NAME_LIMIT),
            compression: Live::new(new.compression()?, NAME_LIMIT),
            settled: Once::new(),
            reload: new.reload()?,
            generations: new.generations()?,
            predecessor_connections: new.predecessor_connections()?,
            workers: new.workers()?,
            certificates: new.certificates()?,
            connections_limit: new.connections_limit()?,
            accept_pauses: new.accept_pauses()?,
            compression_memory: new.compression_memory()?,
            panics: new.panics()?,
            access_log: new.access_log()?,
            overload: new.overload()?,
            disk: new.disk(&cache)?,
            cache: Arc::new(cache),
            lookups: new.lookups()?,
            registry: new.into_registry(),
        })
    }

    /// The metrics of the route `name`; [`NO_ROUTE`] for requests that match none.
    pub fn route(&self, name: &str) -> RouteMetrics {
        self.routes.hold(&[name])
    }

    /// The metrics of the listener `name`.
    pub fn listener(&self, name: &str) -> ListenerMetrics {
        self.listeners.hold(&[name])
    }

    /// The metrics of the pool `name`.
    pub fn pool(&self, name: &str) -> PoolMetrics {
        self.pools.hold(&[name])
    }

    /// The metrics of one endpoint of a pool.
    pub fn endpoint(&self, pool: &str, endpoint: &str) -> EndpointMetrics {
        self.endpoints.hold(&[pool, endpoint])
    }

    /// Counts a look-up of a name.
    pub fn looked_up(&self, is_ok: bool) {
        self.lookups[usize::from(is_ok)].inc();
    }

    /// The metrics of the health checks of one endpoint of a pool.
    pub fn check(&self, pool: &str, endpoint: &str) -> CheckMetrics {
        self.checks.hold(&[pool, endpoint])
    }

    /// The metrics of the breaker of one endpoint of a pool; of the pool's own breaker, if `endpoint` is empty.
    pub fn breaker(&self, pool: &str, endpoint: &str) -> BreakerMetrics {
        self.breakers.hold(&[pool, endpoint])
    }

    /// The metrics of the ejections of one endpoint of a pool.
    pub fn ejection(&self, pool: &str, endpoint: &str) -> EjectionMetrics {
        self.ejections.hold(&[pool, endpoint])
    }

    /// The metrics of a pool that may fail open.
    pub fn fail_open(&self, pool: &str) -> FailOpenMetrics {
        self.fail_opens.hold(&[pool])
    }

    /// The metrics of the rate limit `limit` of the listener, route or pool (`scope`) of that name.
    pub fn rate_limit(&self, scope: &str, name: &str, limit: &str) -> RateLimitMetrics {
        self.rate_limits.hold(&[scope, name, limit])
    }

    /// The metrics of the Redis at this address, which shared limits are counted in.
    pub fn shared_limit(&self, redis: &str) -> SharedLimitMetrics {
        self.shared_limits.hold(&[redis])
    }

    /// The metrics of a route that asks for a token.
    pub fn tokens(&self, route: &str) -> TokenMetrics {
        self.tokens.hold(&[route])
    }

    /// The metrics of an address that keys are fetched from.
    pub fn key_source(&self, address: &str) -> KeySourceMetrics {
        self.key_sources.hold(&[address])
    }

    /// The metrics of a route that answers from the cache.
    pub fn cached_route(&self, route: &str) -> CachedRouteMetrics {
        self.cached_routes.hold(&[route])
    }

    /// How many requests the cache served on each route that answers from it, in the order of [`CacheResult::ALL`]; sorted by
    /// the names of the routes.
    pub fn served_from_cache(&self) -> Vec<(String, [u64; CacheResult::ALL.len()])> {
        let mut routes = self
            .cached_routes
            .each(|labels, series| (labels.concat(), series.so_far()));
        routes.sort();
        routes
    }

    /// The metrics of a route that compresses.
    pub fn compression(&self, route: &str) -> CompressionMetrics {
        self.compression.hold(&[route])
    }

    /// Tells that the configuration of this generation is in force since `time`, and what its hash is.
    pub fn configured(&self, generation: u64, hash: u64, time: SystemTime) {
        let reload = &self.reload;
        reload.generation.set(signed(generation));
        // A scraper keeps floating-point numbers: of more than 53 bits it would keep other ones.
        reload.hash.set(signed(hash >> 16));
        reload.last_successful.set(1);
        reload.last_success_timestamp.set(seconds(time));
        reload.last_timestamp.set(seconds(time));
    }

    /// Counts a reload.
    pub fn reloaded(&self, result: ReloadResult, time: SystemTime) {
        let reload = &self.reload;
        reload.by_result[result as usize].inc();
        reload.last_timestamp.set(seconds(time));
        let successful = matches!(result, ReloadResult::Applied | ReloadResult::Unchanged);
        reload.last_successful.set(i64::from(successful));
    }

    /// Appends every metric in the Prometheus text format 0.0.4.
    pub fn render(&self, out: &mut Vec<u8>) {
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), out) {
            log::error!("the metrics can't be rendered: {error}");
        }
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    signed(since.as_secs())
}

/// Gauges are signed; no generation and no date comes near the limit.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
