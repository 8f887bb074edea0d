//! What is known about one finished request?

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderMap;

use crate::error::{Phase, Reason};

/// One finished request, built once at its end from what the request borrowed on its way.
///
/// Everything a client chose is here as it was received: whoever writes it somewhere escapes and masks it there.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When the request's header was there.
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
    pub scheme: &'static str,
    /// The host of the request's authority, empty if it has none.
    pub host: &'a str,
    /// Path and query, as received; any bytes.
    pub target: &'a [u8],
    /// Parameters of the query in which any route of the listener looks for a key or a token. Those of all routes: a
    /// request may go to another one than was meant, or come from a page of another one.
    pub secrets: &'a [Arc<str>],
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
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
    /// How many of them because the one before had failed.
    pub retries: u32,
    /// What became of each, if it was more than one.
    pub upstream: &'a [Attempt],
    /// How long the request waited for a slot of its pool. None if it did not have to.
    pub queue: Option<Duration>,
    /// How long the last attempt took to connect, TLS included. None if it used an idle connection.
    pub connect: Option<Duration>,
    /// From the request sent to the first byte of the endpoint's response.
    pub first_byte: Option<Duration>,
    /// The status code of the endpoint's response.
    pub upstream_status: Option<u16>,
    /// How the cache served it, if its route has one: a word of [`CacheResult`](crate::cache::CacheResult).
    pub cache: Option<&'static str>,
    /// The value of the request's id field, received or made here.
    pub request_id: &'a str,
    /// The `User-Agent` field; any bytes.
    pub user_agent: Option<&'a [u8]>,
    /// The `Referer` field; any bytes.
    pub referer: Option<&'a [u8]>,
    /// The request's fields, or at least those a line may show.
    pub request_headers: Option<&'a HeaderMap>,
    /// The answer's fields.
    pub response_headers: Option<&'a HeaderMap>,
    /// The version of TLS between client and listener.
    pub tls_version: Option<&'static str>,
    /// The cipher suite between client and listener.
    pub tls_cipher: Option<&'a str>,
    /// The name in the client's TLS hello (RFC 6066 §3).
    pub sni: Option<&'a str>,
}

impl<'a> Record<'a> {
    /// The path alone, as received.
    pub fn path(&self) -> &'a [u8] {
        let end = memchr::memchr2(b'?', b'#', self.target);
        &self.target[..end.unwrap_or(self.target.len())]
    }
}

/// One attempt at an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The endpoint.
    pub endpoint: Arc<str>,
    /// The status code of its answer.
    pub status: Option<u16>,
    /// Why it failed, if it did.
    pub reason: Option<Reason>,
    /// How long it took to connect, TLS included. None if it used an idle connection, or got none.
    pub connect: Option<Duration>,
    /// From the request sent to the header of the answer.
    pub first_byte: Option<Duration>,
    /// From the choice of the endpoint to the header of its answer, or to its failure.
    pub duration: Duration,
    /// Whether it was made beside another one.
    pub hedge: bool,
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
    use proptest::prelude::*;

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
            target: b"/v2/items?page=2",
            secrets: &[],
            protocol: "HTTP/2",
            status: 502,
            reason: Some(Reason::UpstreamReset),
            phase: Some(Phase::Response),
            bytes_received: 17,
            bytes_sent: 12_345,
            attempts: 2,
            upstream: &[],
            queue: Some(Duration::from_millis(120)),
            retries: 1,
            connect: Some(Duration::from_micros(420)),
            first_byte: Some(Duration::from_millis(31)),
            upstream_status: Some(200),
            cache: Some("expired"),
            request_id: "0194256b-7d2e-7c1a-9a55-3f6f0a6f2b11",
            user_agent: Some(b"curl/8.5.0"),
            referer: Some(b"https://example.org/"),
            request_headers: None,
            response_headers: None,
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

    /// Bytes that could end a field, a line, a string or a screen's attributes more often than chance would have it.
    pub(in crate::telemetry) fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..6),
            prop::sample::select(b"\"\\\n\r\t\0\x1b\x7f\x80\x9b\xff {}[],:?&=;#%".to_vec())
                .prop_map(|byte| vec![byte]),
            prop::sample::select(vec!["\u{2028}", "\u{2029}", "\u{85}", "\\u0022", "\\x22"])
                .prop_map(|text| text.as_bytes().to_vec()),
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    #[test]
    fn the_path_ends_where_the_query_begins() {
        for (target, path) in [("/a?b?c", "/a"), ("/a#b", "/a"), ("/a", "/a"), ("", "")] {
            let record = Record {
                target: target.as_bytes(),
                ..bare()
            };
            assert_eq!(record.path(), path.as_bytes());
        }
    }

    #[test]
    fn a_peer_is_its_address_or_unix() {
        let address: SocketAddr = "[2001:db8::1]:443".parse().expect("an address");
        assert_eq!(Peer::Inet(address).to_string(), "[2001:db8::1]:443");
        assert_eq!(Peer::Unix.to_string(), "unix:");
    }
}
