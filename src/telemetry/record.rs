//! What is known about one finished request?

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use crate::error::{Phase, Reason};

/// One finished request, built once at its end from what the request borrowed on its way.
///
/// Everything a client chose is here as it was received: whoever writes it somewhere escapes it there.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When the first byte of the request was read.
    pub time: SystemTime,
    /// From `time` to the end of the response.
    pub duration: Duration,
    /// The listener that accepted the connection.
    pub listener: &'a str,
    /// The route that matched.
    pub route: Option<&'a str>,
    /// The pool the route points to.
    pub pool: Option<&'a str>,
    /// The endpoint of the last attempt.
    pub endpoint: Option<&'a str>,
    /// The client, after PROXY protocol and trusted `Forwarded` fields. None if there is no address, as on a UNIX socket.
    pub client: Option<IpAddr>,
    /// Who the client has shown to be, if a policy of the route asked.
    pub user: Option<&'a str>,
    /// The other end of the connection.
    pub peer: Option<Peer>,
    /// The request's method.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The host of the request's authority, empty if it has none.
    pub host: &'a str,
    /// Path and query, as received.
    pub target: &'a str,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'a str,
    /// The status code of the response; 499 if the client went away before one was sent.
    pub status: u16,
    /// Why the request failed, if it did.
    pub reason: Option<Reason>,
    /// Where it failed, if it did.
    pub phase: Option<Phase>,
    /// Bytes of the request's body.
    pub bytes_received: u64,
    /// Bytes of the response's body.
    pub bytes_sent: u64,
    /// How many attempts were made at endpoints.
    pub attempts: u32,
    /// How long the request waited for a slot of its pool. None if it did not have to.
    pub queue: Option<Duration>,
    /// How many of them because the one before had failed.
    pub retries: u32,
    /// How long the last attempt took to connect, TLS included. None if it used an idle connection.
    pub connect: Option<Duration>,
    /// From the request sent to the first byte of the endpoint's response.
    pub first_byte: Option<Duration>,
    /// The status code of the endpoint's response.
    pub upstream_status: Option<u16>,
    /// How the cache served it, if its route has one: a word of [`Outcome`](crate::cache::Outcome).
    pub cache: Option<&'a str>,
    /// The value of the request's id field, received or made here.
    pub request_id: &'a str,
    /// The `User-Agent` field; any bytes.
    pub user_agent: Option<&'a [u8]>,
    /// The `Referer` field; any bytes.
    pub referer: Option<&'a [u8]>,
    /// The version of TLS between client and listener.
    pub tls_version: Option<&'a str>,
    /// The cipher suite between client and listener.
    pub tls_cipher: Option<&'a str>,
    /// The name in the client's TLS hello (RFC 6066 §3).
    pub sni: Option<&'a str>,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address and port.
    Inet(SocketAddr),
    /// A process on this machine: its socket has no name worth logging.
    Unix,
}

impl Peer {
    /// The text of [`Peer::Unix`].
    pub(super) const UNIX: &'static str = "unix:";
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Inet(address) => address.fmt(f),
            Peer::Unix => f.write_str(Peer::UNIX),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A record with every field set, and one with only those that can't be missing.
    pub(in crate::telemetry) fn full() -> Record<'static> {
        Record {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_735_787_045_678),
            duration: Duration::from_micros(1_500_250),
            listener: "edge",
            route: Some("api"),
            pool: Some("api-v2"),
            endpoint: Some("10.0.0.7:8080"),
            client: Some(IpAddr::from([203, 0, 113, 9])),
            user: Some("ada"),
            peer: Some(Peer::Inet(SocketAddr::from(([198, 51, 100, 4], 40_112)))),
            method: "POST",
            scheme: "https",
            host: "example.org",
            target: "/v2/items?page=2",
            protocol: "HTTP/2",
            status: 502,
            reason: Some(Reason::UpstreamReset),
            phase: Some(Phase::Response),
            bytes_received: 17,
            bytes_sent: 12_345,
            attempts: 2,
            queue: Some(Duration::from_millis(120)),
            retries: 1,
            connect: Some(Duration::from_micros(420)),
            first_byte: Some(Duration::from_millis(31)),
            upstream_status: Some(200),
            cache: Some("expired"),
            request_id: "0194256b-7d2e-7c1a-9a55-3f6f0a6f2b11",
            user_agent: Some(b"curl/8.5.0"),
            referer: Some(b"https://example.org/"),
            tls_version: Some("TLSv1.3"),
            tls_cipher: Some("TLS13_AES_128_GCM_SHA256"),
            sni: Some("example.org"),
        }
    }

    pub(in crate::telemetry) fn bare() -> Record<'static> {
        Record {
            route: None,
            pool: None,
            endpoint: None,
            client: None,
            user: None,
            peer: None,
            reason: None,
            phase: None,
            queue: None,
            connect: None,
            first_byte: None,
            upstream_status: None,
            cache: None,
            user_agent: None,
            referer: None,
            tls_version: None,
            tls_cipher: None,
            sni: None,
            ..full()
        }
    }

    #[test]
    fn a_peer_is_its_address_or_unix() {
        let address: SocketAddr = "[2001:db8::1]:443".parse().expect("an address");
        assert_eq!(Peer::Inet(address).to_string(), "[2001:db8::1]:443");
        assert_eq!(Peer::Unix.to_string(), "unix:");
    }
}
