//! What may a request read? One immutable generation: names resolved, patterns compiled, files loaded, metrics found.
//!
//! [`compile`] makes it out of the configuration and the state, or reports every problem at once.

mod access;
mod access_log;
mod addresses;
mod cache;
mod compile;
mod compress;
mod entries;
mod files;
mod listener_limits;
mod listener_tls;
mod listeners;
mod metrics;
mod names;
mod networks;
mod overlaps;
mod overload;
mod pool_tls;
mod pools;
mod redis;
mod reporter;
mod resolver;
mod routes;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::admission::NetworkSet;
use crate::admission::connections::Connections;
use crate::admission::overload::{Limits, Load};
use crate::admission::rate::{Buckets, Limit};
use crate::admission::shared::Shared;
use crate::cache::disk::Disk;
use crate::cache::{Cache, CacheSettings, KeyRule, Rule};
use crate::config::listener::ProxyProtocolMode;
use crate::config::runtime::Carrier;
use crate::policy::access::{Policies, SecretParameter};
use crate::policy::{
    Compress, HeadLimits as RouteHeadLimits, HeaderEdits, PriorityRule, Redirect, RequestId,
    Respond, Rewrite, SecurityHeaders,
};
use crate::pool::retries::Retries;
use crate::pool::{Address, Pool, Timeouts};
use crate::proxy::Flights;
use crate::proxy::forward::{AddedFields, TrustedProxies};
use crate::route::{Request, RouteMatch, RouteTable};
use crate::server::connection::head::HeadLimits;
use crate::telemetry::AccessLog;
use crate::telemetry::access_log::Settings as AccessLogSettings;
use crate::telemetry::metrics::{CachedRouteMetrics, ListenerMetrics, Metrics, RouteMetrics};
use crate::tls::SessionState;
use crate::upstream::PeerId;
use crate::upstream::key_sets::KeyFetch;
pub use compile::{Compiled, compile};
pub use files::{Fingerprint, Fingerprints, fingerprint};
pub use names::Unread;
pub use overload::MostMemory;

/// One generation.
pub struct Snapshot {
    /// Its number, from 1; 0 for one that was never in force.
    pub generation: u64,
    /// The listeners, in the order of the configuration.
    pub listeners: Box<[Arc<Listener>]>,
    by_key: FxHashMap<Arc<str>, Arc<Listener>>,
    /// The pools, in the order of the configuration.
    pub pools: Box<[Arc<Pool>]>,
    /// Host names that endpoints are looked up by.
    pub lookups: Box<[crate::pool::discovery::Lookup]>,
    /// Who is asked for them.
    pub resolver: Arc<crate::pool::discovery::Resolver>,
    /// What its rate limits are shared through.
    pub shared_limits: Option<Arc<Shared>>,
    /// How much its cache may take.
    pub cache: CacheSettings,
    /// What is kept there; one for all generations.
    pub store: Arc<Cache>,
    /// The disk it goes on with; opened by whoever runs this generation.
    pub disk: Option<Arc<Disk>>,
    /// Fetches for it that are under way.
    pub flights: Arc<Flights>,
    /// Keys of tokens that are fetched.
    pub key_fetches: Box<[KeyFetch]>,
    /// Whom to believe about the client, and what the endpoints are told.
    pub forwarding: Forwarding,
    /// How much the process takes on.
    pub overload: Limits,
    /// How much it has taken on.
    pub load: Arc<Load>,
    /// Which carrier moves the bytes.
    pub carrier: Carrier,
    /// How the process ends and hands over.
    pub life: Life,
    /// What stands in its certificate and key files.
    pub files: Fingerprints,
    /// Where the admin listener is.
    pub admin: Option<Address>,
    /// How many connections of clients there may be, over all listeners.
    pub most_connections: MostConnections,
    /// From how much memory on requests are shed.
    pub most_memory: Option<MostMemory>,
    /// Every metric.
    pub metrics: Arc<Metrics>,
    /// The metrics of requests no route takes.
    pub unrouted: RouteMetrics,
    /// What its access log is opened with; `None` if it has none.
    pub access_log_settings: Option<AccessLogSettings>,
    /// One line a request; opened by whoever runs this generation.
    pub access_log: Option<Arc<AccessLog>>,
}

impl Snapshot {
    /// What tells the objects of its routes apart, each way once.
    pub fn key_rules(&self) -> Vec<KeyRule> {
        let tables = self.listeners.iter().map(|listener| &listener.routes);
        let mut rules: Vec<KeyRule> = Vec::new();
        for cache in tables
            .flat_map(|table| &table.routes)
            .filter_map(|route| route.cache.as_ref())
        {
            if !rules.contains(&cache.key) {
                rules.push(cache.key.clone());
            }
        }
        rules
    }

    /// The endpoints of all pools as they are now, by what tells their connections apart.
    pub fn peers(&self) -> FxHashSet<PeerId> {
        let pools = self.pools.iter().map(|pool| pool.members());
        let mut peers = FxHashSet::default();
        for members in pools {
            peers.extend(members.endpoints.iter().map(|endpoint| endpoint.peer.id));
        }
        peers
    }

    /// Takes note that this generation is in force now: its numbers hold where they are counted over generations.
    pub fn put_in_force(&self) {
        let certificates = self.listeners.iter().flat_map(|listener| {
            let tls = listener.tls.as_ref();
            let ends = tls.map_or(&[][..], |tls| &tls.ends);
            ends.iter()
                .map(|end| (&*listener.name, &*end.certificate, end.not_after))
        });
        self.metrics.certificates.put_in_force(certificates);
        self.pools.iter().for_each(|pool| pool.put_in_force());
        self.store
            .change(&self.cache, self.disk.as_ref(), SystemTime::now());
        let most = self.most_connections.most.unwrap_or(0);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.metrics.connections_limit.set(most);
    }

    /// Looks from now on whether the Redis of its rate limits is there; called on the runtime that does what belongs to no
    /// request.
    pub fn look_after_shared_limits(&self) {
        if let Some(shared) = &self.shared_limits {
            shared.look_after();
        }
    }

    /// The listener with this [key](Listener::key), as this generation knows it.
    pub fn listener(&self, key: &str) -> Option<&Arc<Listener>> {
        self.by_key.get(key)
    }
}

/// How many connections of clients the process takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MostConnections {
    /// So many; `None` for no limit.
    pub most: Option<usize>,
    /// How many descriptors that goes by, if it was not given.
    pub descriptors: Option<u64>,
}

/// How the process ends and hands over; see [`crate::config::runtime::Runtime`].
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// How long running requests may go on after SIGTERM.
    pub grace: Duration,
    /// How long connections are still accepted after SIGTERM.
    pub stop_delay: Duration,
    /// How long the old process of an upgrade may stay.
    pub upgrade_grace: Duration,
    /// How long the new one may take to be ready.
    pub upgrade_timeout: Duration,
}

/// Whom to believe about the client, and what the endpoints are told.
pub struct Forwarding {
    /// Proxies in front of Portcullis.
    pub trusted: TrustedProxies,
    /// Whether peers on Unix sockets are such.
    pub trust_unix: bool,
    /// Which fields are added.
    pub added: AddedFields,
}

/// An address that accepts connections.
pub struct Listener {
    /// Its name.
    pub name: Arc<str>,
    /// What it is found by in every generation: its address. A listener that is called otherwise keeps its sockets, one
    /// that moves does not. Where the kernel chooses the port, the name belongs to it.
    pub key: Arc<str>,
    /// Where it is to be.
    pub address: Address,
    /// TLS with clients.
    pub tls: Option<ListenerTls>,
    /// The value of `Strict-Transport-Security`.
    pub hsts: Option<HeaderValue>,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// The HTTPS port every request is sent to.
    pub redirect_https: Option<u16>,
    /// The HTTPS port that a route's `https_redirect` points to.
    pub https_port: u16,
    /// Whether a PROXY protocol header is expected, and from whom.
    pub proxy_protocol: ProxyProtocol,
    /// How long a client may take.
    pub timeouts: ListenerTimeouts,
    /// What decides whether a request may go on, before a route is looked for.
    pub access: Policies,
    /// How large a header may be.
    pub head: HeadLimits,
    /// How large a body may be, unless the route says otherwise.
    pub max_body: Option<u64>,
    /// Requests of one connection; `None` for no limit.
    pub requests: Option<u32>,
    /// HTTP/2 streams open at once on one connection.
    pub streams: u32,
    /// How many connections it takes.
    pub connections: ConnectionLimits,
    /// Bytes of a body that a client must send a second; 0 for any rate.
    pub min_body_rate: u64,
    /// Bytes of an answer that it must take a second; 0 for any rate.
    pub min_send_rate: u64,
    /// Its metrics.
    pub metrics: ListenerMetrics,
    /// Its routes; listeners with the same routes share them.
    pub routes: Arc<Routes>,
}

/// How many connections a listener takes; see [`crate::config::listener::ListenerLimits`].
pub struct ConnectionLimits {
    /// Those that are open.
    pub open: Arc<Connections>,
    /// How many there may be; `None` for no limit.
    pub most: Option<usize>,
    /// How many of one client; `None` for no limit.
    pub most_of_client: Option<usize>,
    /// How fast those of one client may come.
    pub arrivals: Option<Arrivals>,
    /// How many bits of an IPv6 address tell clients apart.
    pub ipv6_prefix: u8,
    /// Clients that may have any number.
    pub exempt: NetworkSet,
}

/// How fast the connections of one client may come.
pub struct Arrivals {
    /// Those that came.
    pub buckets: Arc<Buckets>,
    /// Rate and burst.
    pub limit: Limit,
}

/// TLS with clients.
pub struct ListenerTls {
    /// What a handshake is done with.
    pub config: Arc<rustls::ServerConfig>,
    /// What lets clients resume. Held here so that the next generation, or process, finds it: `config` has only what it
    /// needs of it.
    pub sessions: Arc<SessionState>,
    /// Until when its certificates are valid.
    pub ends: Box<[CertificateEnd]>,
}

/// Until when a certificate is valid.
pub struct CertificateEnd {
    /// Its first name.
    pub certificate: Box<str>,
    /// When it ends.
    pub not_after: SystemTime,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("name", &self.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Whether a PROXY protocol header is expected, and from whom.
pub struct ProxyProtocol {
    /// Off, optional or required.
    pub mode: ProxyProtocolMode,
    /// Who may send it.
    pub trusted: TrustedProxies,
    /// Whether peers on Unix sockets may.
    pub trust_unix: bool,
}

/// How long a client may take; see [`crate::config::listener::ListenerTimeouts`].
#[derive(Clone, Copy, Debug)]
pub struct ListenerTimeouts {
    /// PROXY header and TLS handshake together.
    pub handshake: Duration,
    /// To the first byte.
    pub first_byte: Duration,
    /// From a header's first byte to its last.
    pub header: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Between two pieces of a body.
    pub body: Duration,
    /// Without taking a byte of the answer.
    pub write: Duration,
}

/// The routes of a listener.
pub struct Routes {
    table: RouteTable,
    routes: Box<[Arc<Route>]>,
    /// Whether any of them has a cache.
    pub caches: bool,
    /// The parameters of the query in which any of them looks for a secret.
    pub secret_parameters: Box<[Arc<str>]>,
}

impl Routes {
    /// The route a request goes to.
    pub fn find(&self, request: &Request<'_>) -> Option<(&Arc<Route>, RouteMatch)> {
        let found = self.table.find(request)?;
        Some((&self.routes[found.index], found))
    }
}

/// Which policies and which end a request gets.
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// Whether plain HTTP is sent to HTTPS.
    pub https_redirect: bool,
    /// How large a header may be, where that is less than the listener allows.
    pub head: Option<RouteHeadLimits>,
    /// How its requests get their ids, where that is not as usual.
    pub request_id: Option<RequestId>,
    /// Which fields tell browsers to be careful.
    pub security_headers: Option<SecurityHeaders>,
    /// How large a body may be: `None` as the listener says, `Some(None)` without limit.
    pub max_body: Option<Option<u64>>,
    /// What decides whether a request may go on: the route's own, then its pool's.
    pub access: Policies,
    /// How many of them, from the first, cost little: they are asked before the process takes the request on.
    pub cheap: usize,
    /// The parameter of the query in which one of these looks for a secret.
    pub secret_parameter: Option<SecretParameter>,
    /// Which of its requests go first when the pool can't serve all at once.
    pub priority: PriorityRule,
    /// What is done with its cache, if it has one.
    pub cache: Option<Arc<Rule>>,
    /// What the endpoint sees instead of path or host.
    pub rewrite: Option<Rewrite>,
    /// Changes to the request's fields.
    pub request_headers: HeaderEdits,
    /// Changes to the response's fields.
    pub response_headers: HeaderEdits,
    /// Which of its answers are compressed.
    pub compress: Option<Compress>,
    /// When an attempt that failed is made again, where that is not as its pool says.
    pub retries: Option<Retries>,
    /// Where the request ends.
    pub end: End,
    /// The metrics of its cache, if it has one.
    pub cached: Option<CachedRouteMetrics>,
    /// Its metrics.
    pub metrics: RouteMetrics,
}

/// Where a request ends.
pub enum End {
    /// At an endpoint of this pool, with these times.
    Pool(Arc<Pool>, Timeouts),
    /// With a redirect.
    Redirect(Redirect),
    /// With a fixed response.
    Respond(Respond),
}
