//! Which endpoints stand behind a name, and how are they spoken to?

pub mod balancer;
pub mod breaker;
pub mod ejection;
pub mod health;
pub mod hedging;
pub mod limits;
pub mod retries;
pub mod sticky;

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::access::RateLimit;
use super::tls::PoolTls;
use super::units::Percent;
use super::{Spanned, Timespan};
pub use balancer::{Balancer, BalancerKind, Choose};
pub use breaker::{Breaker, BreakerScope, FailureKind};
pub use ejection::Ejection;
pub use health::Health;
pub use hedging::Hedging;
pub use limits::Limits;
pub use retries::{Retries, RouteRetries};
pub use sticky::{SameSite, Secure, Sticky, StickyCookie};

/// A named set of endpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// The name that routes use.
    pub name: Spanned<String>,
    /// Where the requests go: `IP:port`, `[IPv6]:port`, `name:port`, `srv:name` or `unix:/path`, or a mapping that says
    /// more. Names are looked up by a background task; each of their addresses (A and AAAA records, 1000 at most) is an
    /// endpoint of its own.
    pub endpoints: Vec<Spanned<Endpoint>>,
    /// How an endpoint is chosen: the name of an algorithm, or a mapping with `kind` and its settings. Default:
    /// round_robin.
    #[serde(default)]
    pub balancer: Spanned<Balancer>,
    /// What is spoken with the endpoints. Default: http1.
    #[serde(default)]
    pub protocol: Protocol,
    /// TLS with the endpoints. Default: none.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub tls: Option<PoolTls>,
    /// The `Host` that the endpoints see: `keep` (the client's), `endpoint` (the endpoint's address) or a name.
    /// Default: keep.
    #[serde(default = "keep")]
    pub host: Spanned<String>,
    /// How long an endpoint may take.
    #[serde(default)]
    pub timeouts: PoolTimeouts,
    /// Connections kept open between requests.
    #[serde(default)]
    pub keepalive: Keepalive,
    /// When an attempt that failed is made again.
    #[serde(default)]
    pub retries: Retries,
    /// When a second endpoint is asked while the first has not answered yet. Default: never.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub hedging: Option<Spanned<Hedging>>,
    /// How its endpoints are asked whether they are well; who is not gets no requests. Default: they are not asked.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub health: Option<Spanned<Health>>,
    /// When an endpoint is left out because its answers show that it is ill. Default: never.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub ejection: Option<Ejection>,
    /// When of no priority this percentage of the endpoints is healthy, drained ones left out, health and ejections are
    /// looked past: 0 (never) to 100. While backups are healthy, they serve. The operator's drain, breakers and limits
    /// hold all the same. Default: 0.
    #[serde(default = "never")]
    pub panic_threshold: Spanned<Percent>,
    /// When an endpoint is given a rest because its requests keep failing. Default: never.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub breaker: Option<Spanned<Breaker>>,
    /// How long the share of an endpoint grows, from a tenth, after it has joined the pool or recovered: up to 1d; 0s
    /// for its full share at once. One that a reload or a look-up brings joins, unless the pool has served nobody yet.
    /// Default: 0s.
    #[serde(default = "at_once")]
    pub slow_start: Spanned<Timespan>,
    /// How many requests may come, of all its routes together: limits as on the route `every-policy`, asked after that
    /// route's. Default: no limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate_limits: Vec<RateLimit>,
    /// How many requests are served at once, over all worker threads of the process, and how many wait.
    #[serde(default)]
    pub limits: Limits,
    /// What a client is known by when it comes back to its endpoint. Default: nothing.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub sticky: Option<Spanned<Sticky>>,
    /// The longest time after which host names and services among the endpoints are looked up again, 1s to 1d. They are
    /// when the TTL of their records is over, but not sooner than after 1s. A failed look-up, or one that finds no
    /// address, is tried again after 1s, then twice as long each time up to this; meanwhile the addresses that were
    /// known stay. Default: 30s.
    #[serde(default = "resolve_every")]
    pub resolve: Spanned<Timespan>,
}

fn keep() -> Spanned<String> {
    Spanned::new("keep".to_owned())
}

const fn at_once() -> Spanned<Timespan> {
    Spanned::new(Timespan::secs(0))
}

const fn never() -> Spanned<Percent> {
    Spanned::new(Percent::new(0))
}

const fn resolve_every() -> Spanned<Timespan> {
    Spanned::new(Timespan::secs(30))
}

/// One address in a pool: `host:port` or `srv:name`, or a mapping with a weight.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Endpoint {
    /// `IP:port`, `[IPv6]:port`, `name:port`, `srv:name` (SRV records) or `unix:/path`.
    Address(String),
    /// The same, with more to say.
    Full(EndpointSettings),
}

/// An endpoint with more to say.
///
/// `srv:_http._tcp.example.com` stands for the endpoints that SRV records name, with their ports. The lowest of their
/// priorities becomes that of the endpoint here, each higher one the next number. Their weights are times the weight
/// here; where one is over 1000, all of its priority are scaled down, and 0 counts as 1. For `host: endpoint` the
/// `Host` is the name and port in the record; a certificate is checked against the pool's `tls.name`, which must be
/// given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointSettings {
    /// `IP:port`, `[IPv6]:port`, `name:port`, `srv:name` (SRV records) or `unix:/path`.
    pub address: String,
    /// Its share of the requests, against the other weights: 0 (none) to 1000. Default: 1.
    #[serde(default = "one", deserialize_with = "weight")]
    pub weight: u16,
    /// Endpoints of a higher number are used when none of a lower one is available: 0 to 255. Default: 0.
    #[serde(default)]
    pub priority: u8,
    /// Whether it is used only when no other endpoint is available; the same as priority 255. Default: false.
    #[serde(default)]
    pub backup: bool,
    /// Requests it may serve at once; 0 for what the pool's `limits.endpoint_requests` says. Default: 0.
    #[serde(default)]
    pub max_requests: u32,
}

const fn one() -> u16 {
    1
}

/// Reads a weight. Some that are too large are read as well: there is more to say about them than the range.
fn weight<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    struct Weight;

    impl Visitor<'_> for Weight {
        type Value = u16;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number from 0 to 1000")
        }

        fn visit_u16<E: de::Error>(self, weight: u16) -> Result<u16, E> {
            Ok(weight)
        }

        fn visit_u64<E: de::Error>(self, weight: u64) -> Result<u16, E> {
            u16::try_from(weight)
                .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(weight), &self))
        }
    }

    deserializer.deserialize_u16(Weight)
}

impl EndpointSettings {
    /// The priority in force.
    pub const fn priority(&self) -> u8 {
        if self.backup { u8::MAX } else { self.priority }
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not derived as untagged: that would answer every mistake with "did not match any variant".
        struct AddressOrSettings;

        impl<'de> Visitor<'de> for AddressOrSettings {
            type Value = Endpoint;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an address such as `10.0.0.1:8080`, or a mapping with `address` and `weight`",
                )
            }

            fn visit_str<E: de::Error>(self, address: &str) -> Result<Endpoint, E> {
                Ok(Endpoint::Address(address.to_owned()))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Endpoint, M::Error> {
                EndpointSettings::deserialize(MapAccessDeserializer::new(map)).map(Endpoint::Full)
            }
        }

        deserializer.deserialize_any(AddressOrSettings)
    }
}

impl Endpoint {
    /// The address as it was written.
    pub fn address(&self) -> &str {
        match self {
            Endpoint::Address(address) => address,
            Endpoint::Full(full) => &full.address,
        }
    }

    /// Everything that is said about it.
    pub fn settings(&self) -> EndpointSettings {
        match self {
            Endpoint::Address(address) => EndpointSettings {
                address: address.clone(),
                weight: one(),
                priority: 0,
                backup: false,
                max_requests: 0,
            },
            Endpoint::Full(full) => full.clone(),
        }
    }

    /// Its share of the requests.
    pub fn weight(&self) -> u16 {
        match self {
            Endpoint::Address(_) => one(),
            Endpoint::Full(full) => full.weight,
        }
    }
}

/// What is spoken with the endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, over TLS by ALPN, else by prior knowledge; gRPC needs it.
    Http2,
}

/// How long an endpoint may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PoolTimeouts {
    /// Opening a connection, TLS included (504). Default: 3s.
    pub connect: Spanned<Timespan>,
    /// From the sent request to the response's header (504). Default: 1m.
    pub first_byte: Spanned<Timespan>,
    /// Between two pieces of the response's body. Over HTTP/2 the longer of `first_byte` and `read` holds for both. A
    /// WebSocket may be silent for an hour. Default: 1m.
    pub read: Spanned<Timespan>,
    /// How long the endpoint may take no byte of the request that waits for it. Pingora then still waits for an answer
    /// that may have come early, for at most `first_byte`. Default: 30s.
    pub write: Spanned<Timespan>,
    /// The whole request, from its header to the last byte of the answer; not for upgraded connections. 0s for no
    /// limit. Default: 0s.
    pub total: Spanned<Timespan>,
}

impl Default for PoolTimeouts {
    fn default() -> Self {
        Self {
            connect: Spanned::new(Timespan::secs(3)),
            first_byte: Spanned::new(Timespan::secs(60)),
            read: Spanned::new(Timespan::secs(60)),
            write: Spanned::new(Timespan::secs(30)),
            total: Spanned::new(Timespan::secs(0)),
        }
    }
}

/// Connections kept open between requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Keepalive {
    /// How long an unused connection is kept; keep it below the endpoint's own idle time. 0s to keep none. Default:
    /// 55s.
    pub idle: Timespan,
    /// Unused connections kept for one endpoint by one worker thread; 0 to keep none. Connections that carried a body
    /// are kept by Pingora, 1024 for each worker. Default: 256.
    pub connections: u16,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            idle: Timespan::secs(55),
            connections: 256,
        }
    }
}
