//! Where are connections accepted, and what may a client do there?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::{IpFilter, RateLimit};
use super::tls::ListenerTls;
use super::units::Rate;
use super::{ByteSize, Spanned, Timespan};

/// An address that accepts connections, with its TLS, protocol and limit settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// A name for logs, metrics and routes.
    pub name: Spanned<String>,
    /// `IP:port`, `[IPv6]:port`, `:port` (every address of the machine, IPv4 and IPv6) or `unix:/path`. Port 0 lets the
    /// kernel choose.
    pub address: Spanned<String>,
    /// TLS with clients. Default: none, plain HTTP.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub tls: Option<ListenerTls>,
    /// Whether HTTP/2 is spoken: over TLS by ALPN, else by prior knowledge on the same port (h2c). HTTP/1.1 always is.
    /// Connections that are open when a reload changes it end with their running requests. Default: true.
    #[serde(default = "yes")]
    pub http2: bool,
    /// Answers every request with a redirect; no route is asked. Default: none.
    #[serde(
        default,
        deserialize_with = "super::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub redirect: Option<Redirect>,
    /// The port that `redirect: https` leads to. Default: the port of the one listener with TLS, else 443.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_port: Option<u16>,
    /// Whether a PROXY protocol header (v1 or v2) comes before everything else. Connections that are open when a reload
    /// changes it end with their running requests.
    #[serde(default)]
    pub proxy_protocol: ProxyProtocol,
    /// Which clients may come in, by their own address (as far as the proxies in front are trusted), before a route is
    /// looked for; anyone else gets 403. Who is denied is closed before TLS, unless a proxy in between speaks for
    /// others as well: the process log has a line a second at most, and
    /// `portcullis_connections_refused_total{reason="ip_denied"}` counts them. Default: all.
    #[serde(default, skip_serializing_if = "IpFilter::is_empty")]
    pub ip_filter: IpFilter,
    /// How many requests may come, counted before a route is looked for: a list of limits, as on the route
    /// `every-policy` below. What is too much gets 429. Default: no limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate_limits: Vec<RateLimit>,
    /// How long a client may take. Each ends with 408 where an answer still makes sense, else with the connection.
    #[serde(default)]
    pub timeouts: ListenerTimeouts,
    /// How much a client may send, and how slowly, and how many may be connected.
    #[serde(default)]
    pub limits: ListenerLimits,
}

const fn yes() -> bool {
    true
}

/// Where a listener sends every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Redirect {
    /// 308 to the same host and path over HTTPS (RFC 9110 §15.4.9).
    Https,
}

/// The PROXY protocol on a listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyProtocol {
    /// Whether a header is expected, and from whom it is taken. Default: off.
    pub mode: ProxyProtocolMode,
    /// Addresses or networks (CIDR) that may send the header; `unix` for peers on a Unix socket. Must be given unless
    /// the mode is off. Default: none.
    pub trusted: Vec<Spanned<String>>,
}

/// Whether a PROXY protocol header is expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocolMode {
    /// No header is known; one that comes is a malformed request.
    #[default]
    Off,
    /// It is taken when it comes from a trusted address, and refused from anyone else.
    Optional,
    /// Connections without it, and those of anyone who is not trusted, are closed.
    Required,
}

/// How long a client may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerTimeouts {
    /// PROXY header and TLS handshake together. Default: 10s.
    pub handshake: Spanned<Timespan>,
    /// From the open connection to its first byte. Default: 30s.
    pub first_byte: Spanned<Timespan>,
    /// From a header's first byte to its last (408). Default: 10s.
    pub header: Spanned<Timespan>,
    /// Between two requests of a connection. Default: 75s.
    pub idle: Spanned<Timespan>,
    /// Between two pieces of a request's body (408). Default: 30s.
    pub body: Spanned<Timespan>,
    /// How long a client may take no byte of an answer that waits for it. Over HTTP/2 each piece of a stream's answer,
    /// 64KiB at most, must be taken within it: a connection with many slow downloads needs a longer time. Default: 30s.
    pub write: Spanned<Timespan>,
}

impl Default for ListenerTimeouts {
    fn default() -> Self {
        Self {
            handshake: Spanned::new(Timespan::secs(10)),
            first_byte: Spanned::new(Timespan::secs(30)),
            header: Spanned::new(Timespan::secs(10)),
            idle: Spanned::new(Timespan::secs(75)),
            body: Spanned::new(Timespan::secs(30)),
            write: Spanned::new(Timespan::secs(30)),
        }
    }
}

/// How much a client may send, and how slowly, and how many may be connected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerLimits {
    /// A request's whole header, in bytes: 1KiB to 256KiB (431 beyond). Default: 32KiB.
    pub header: Spanned<ByteSize>,
    /// Fields of a request's header: 8 to 255 (431 beyond). Default: 100.
    pub fields: Spanned<u16>,
    /// A request's target, in bytes (414 beyond). Default: 8KiB.
    pub uri: Spanned<ByteSize>,
    /// A request's body, in bytes (413 beyond); a route may set its own. 0 for no limit. Default: 0.
    pub body: Spanned<ByteSize>,
    /// Requests of one connection; then it is closed in good order. 0 for no limit. Default: 10000.
    pub requests: Spanned<u32>,
    /// HTTP/2 streams open at once on one connection. Default: 100.
    pub streams: Spanned<u32>,
    /// Connections open at once, those that wait included; what is more is closed at once, before TLS. A limit that a
    /// reload lowers cuts nobody off. 0 for no limit. Default: 0.
    pub connections: Spanned<u32>,
    /// The connections open at once of one client: an IPv4 address, or an IPv6 network of `ipv6_prefix`. Proxies in
    /// `forwarding.trusted_proxies` speak for many clients and are not limited; with a PROXY header the client it names
    /// counts. 0 for no limit. Default: 0.
    pub connections_per_client: Spanned<u32>,
    /// How fast one client may open connections; what is faster is closed at once. 65536 clients are remembered, in
    /// 2MiB. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "20/s")]
    pub new_connections_per_client: Option<Spanned<Rate>>,
    /// How many of these connections may come at once: from 1 on. Default: as many as the rate gives in a second, 1 at
    /// least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = 40)]
    pub new_connections_burst: Option<Spanned<u32>>,
    /// How many bits of an IPv6 address tell clients apart, 1 to 128. Default: 64.
    pub ipv6_prefix: Spanned<u8>,
    /// Addresses or networks (CIDR) of clients that may have any number of connections, such as an office behind one
    /// address. Default: none.
    pub exempt_clients: Vec<Spanned<String>>,
    /// Bytes of a body that a client must send a second (408, `body_too_slow`). Only the time counts in which it is
    /// waited for; what has come before counts. It has 5 seconds to begin with and earns time with each byte, up to a
    /// quarter more than `timeouts.body`, which is all it has if that is less. Not asked of WebSockets, nor of gRPC
    /// from HTTP/2 clients to pools that speak HTTP/2. 0 for any rate. Default: 240.
    pub min_body_rate: Spanned<ByteSize>,
    /// Bytes of an answer that a client must take a second while some wait for it, else its connection is closed
    /// (`client_too_slow`); over HTTP/2, of all answers of a connection together. What it took before it was waited for
    /// counts. It has 5 seconds to begin with and earns time with each byte, up to `timeouts.write`, which is all it
    /// has if that is less. Not asked of WebSockets. 0 for any rate. Default: 240.
    pub min_send_rate: Spanned<ByteSize>,
}

impl ListenerLimits {
    /// How many connections of a client may come at once where their rate is limited.
    pub fn arrivals_burst(&self) -> Option<u32> {
        let rate = self.new_connections_per_client.as_ref()?.value;
        let written = self.new_connections_burst.as_ref();
        Some(written.map_or_else(|| rate.in_a_second(), |burst| burst.value))
    }

    /// Writes the default that is not written when it is read.
    pub fn fill_in(&mut self) {
        if let Some(burst) = self.arrivals_burst() {
            self.new_connections_burst
                .get_or_insert(Spanned::new(burst));
        }
    }
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            header: Spanned::new(ByteSize::kib(32)),
            fields: Spanned::new(100),
            uri: Spanned::new(ByteSize::kib(8)),
            body: Spanned::new(ByteSize::bytes(0)),
            requests: Spanned::new(10_000),
            streams: Spanned::new(100),
            connections: Spanned::new(0),
            connections_per_client: Spanned::new(0),
            new_connections_per_client: None,
            new_connections_burst: None,
            ipv6_prefix: Spanned::new(64),
            exempt_clients: Vec::new(),
            min_body_rate: Spanned::new(ByteSize::bytes(240)),
            min_send_rate: Spanned::new(ByteSize::bytes(240)),
        }
    }
}
