//! What outlives a reload? Memory that is found by its key, made when it is first asked for, and forgotten when nobody
//! holds it any more. Parameters never live here: they stand in the snapshot and come as arguments.

mod names;
mod passwords;
mod pems;
mod registry;

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Notify;

use crate::admission::connections::{Connections, Count};
use crate::admission::overload::Load;
use crate::admission::rate::{Buckets, Place};
use crate::admission::shared::{Settings, Shared};
use crate::cache::Cache;
use crate::policy::access::jwt::source::KeySource;
use crate::policy::access::jwt::verified::{FoundBy, VerifiedTokens};
use crate::policy::compress::Room;
use crate::pool::endpoint::EndpointKey;
use crate::pool::sticky::ProcessSecret;
use crate::pool::{EndpointState, PoolState};
use crate::proxy::Flights;
use crate::telemetry::access_log::OpenLogs;
use crate::telemetry::metrics::Metrics;
use crate::tls::{Roots, SessionState};
pub use names::{Names, Standing};
pub use passwords::Passwords;
pub use pems::Pems;
pub use registry::Registry;

/// Everything that outlives a reload.
pub struct State {
    /// Every metric.
    pub metrics: Arc<Metrics>,
    /// What is remembered about each endpoint.
    pub endpoints: Registry<EndpointKey, EndpointState>,
    /// What is remembered about each pool, by its name.
    pub pools: Registry<Arc<str>, PoolState>,
    /// What each rate limit remembers of the keys that have come.
    pub buckets: Registry<Place, Buckets>,
    /// Each Redis that rate limits are shared through, with the connections to it.
    pub shared_limits: Registry<Settings, Shared>,
    /// What cookies are signed with where no secret is given.
    pub sticky: ProcessSecret,
    /// The connections of clients, over all listeners.
    pub connections: Arc<Count>,
    /// The connections of clients, by the key of their listener.
    pub by_listener: Registry<Arc<str>, Connections>,
    /// TLS sessions that clients may resume, by listener.
    pub tls_sessions: Registry<Arc<str>, SessionState>,
    /// The system's certificate authorities, loaded when first needed.
    pub roots: Roots,
    /// What host names resolved to.
    pub names: Names,
    /// Where passwords are tried, and which were right.
    pub passwords: Passwords,
    /// Keys of tokens, by the address that they are fetched from.
    pub key_sources: Registry<Arc<str>, KeySource>,
    /// Tokens that were found good, by the rules and keys they were found good by.
    pub verified_tokens: Registry<FoundBy, VerifiedTokens>,
    /// Certificates and keys that are in memory.
    pub pems: Pems,
    /// How much the process has to do and to hold.
    pub load: Arc<Load>,
    /// What answers are kept.
    pub cache: Arc<Cache>,
    /// Which are being fetched.
    pub flights: Arc<Flights>,
    /// The memory that encoders have taken.
    pub encoders: Arc<Room>,
    /// The access logs of all generations that still write.
    pub access_logs: OpenLogs,
    /// Told when there is another generation, or a pool has other members.
    pub members_changed: Arc<Notify>,
    /// Told when a look-up has given a pool other members.
    pub addresses_changed: Notify,
}

impl State {
    /// An empty memory.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let encoders = Arc::new(Room::new(metrics.compression_memory.clone()));
        Self {
            metrics,
            endpoints: Registry::default(),
            pools: Registry::default(),
            buckets: Registry::default(),
            shared_limits: Registry::default(),
            sticky: ProcessSecret::default(),
            connections: Arc::default(),
            by_listener: Registry::default(),
            tls_sessions: Registry::default(),
            roots: Roots::system(),
            names: Names::default(),
            passwords: Passwords::default(),
            key_sources: Registry::default(),
            verified_tokens: Registry::default(),
            pems: Pems::default(),
            load: Arc::default(),
            // Its size comes with the first generation that is in force.
            cache: Arc::new(Cache::new(0, SystemTime::now())),
            flights: Arc::default(),
            encoders,
            access_logs: OpenLogs::default(),
            members_changed: Arc::default(),
            addresses_changed: Notify::new(),
        }
    }

    /// Forgets what no generation holds any more.
    pub fn forget_unused(&self) {
        self.endpoints.forget_unused();
        self.pools.forget_unused();
        self.by_listener.forget_unused();
        self.buckets.forget_unused();
        self.shared_limits.forget_unused();
        self.tls_sessions.forget_unused();
        self.key_sources.forget_unused();
        self.verified_tokens.forget_unused();
    }
}
