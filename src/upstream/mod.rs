//! How is an endpoint spoken to: what is dialled, over what, and which idle connections may be used again?
//!
//! The direct carrier, and who fetches without a client, use [`connect`] and the per-worker [`idle`] pool, with [`shared`]
//! connections beside it for HTTP/2; the duplex carrier gets the same facts as a Pingora `HttpPeer` and uses pingora's own
//! connector.

pub mod connect;
pub mod connection;
pub mod idle;
pub mod key_sets;
pub mod patient;
pub mod probe;
pub mod shared;
mod shown;
pub mod system_roots;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pingora::protocols::ALPN;
use pingora::upstreams::peer::{H1UpgradePolicy, HttpPeer, HttpUpstreamRequestPolicy, Scheme};
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls::pki_types::{CertificateDer, ServerName};

use patient::PatientConnector;

use crate::pool::{Address, Keepalive, Protocol, Timeouts};

/// HTTP/2 streams that are opened at most on one connection to an endpoint.
const HTTP2_STREAMS: usize = 100;

/// How to reach one endpoint.
#[derive(Clone)]
pub struct Peer {
    /// Where it is.
    pub address: Address,
    /// TLS with it.
    pub tls: Option<PeerTls>,
    /// Connections of equal ids may stand in for each other.
    pub id: PeerId,
    duplex: HttpPeer,
    /// What is spoken.
    pub protocol: Protocol,
    /// How its connections are kept between requests.
    pub keepalive: Keepalive,
}

/// Which connections may stand in for each other: those of one pool to the same address under the same TLS
/// settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerId(u64);

#[cfg(test)]
impl PeerId {
    /// An id for tests of what goes by it.
    pub(crate) const fn for_test(id: u64) -> Self {
        Self(id)
    }
}

/// TLS with an endpoint.
#[derive(Clone)]
pub struct PeerTls {
    /// The pool's settings, shared by its endpoints.
    pub settings: Arc<PoolTls>,
    /// The name that is asked for and checked.
    pub name: ServerName<'static>,
}

/// TLS with the endpoints of a pool, in the two forms the carriers need.
pub struct PoolTls {
    /// For the direct carrier.
    pub config: Arc<rustls::ClientConfig>,
    /// Whether the endpoint's certificate is checked.
    pub verify: bool,
    /// For the duplex carrier: the authorities to trust instead of those it has loaded itself.
    pub authorities: Option<Arc<[WrappedX509]>>,
    /// For the duplex carrier: the certificate to show.
    pub client_certificate: Option<Arc<CertKey>>,
    /// Tells settings apart: equal for equal files and switches.
    pub fingerprint: u64,
}

/// Certificates as pingora takes them. They must have been parsed before: pingora panics on what is no certificate.
pub fn wrap_certificates(certificates: &[CertificateDer<'static>]) -> Arc<[WrappedX509]> {
    certificates
        .iter()
        .map(|certificate| WrappedX509::new(certificate.to_vec(), parse_x509))
        .collect()
}

/// Numbers for connections that no other request may find.
static UNSHARED: AtomicU64 = AtomicU64::new(0);

impl Peer {
    /// What is needed to reach `address`. `pool` keeps the connections of different pools apart.
    ///
    /// # Errors
    ///
    /// A Unix socket's path that the kernel does not take.
    pub fn new(
        pool: &str,
        address: Address,
        protocol: Protocol,
        tls: Option<PeerTls>,
        timeouts: &Timeouts,
        keepalive: &Keepalive,
    ) -> Result<Self, pingora::BError> {
        let mut hasher = DefaultHasher::new();
        (pool, &address).hash(&mut hasher);
        if let Some(tls) = &tls {
            (tls.settings.fingerprint, tls.name.to_str()).hash(&mut hasher);
        }
        let id = PeerId(hasher.finish());

        let name = tls
            .as_ref()
            .map(|tls| tls.name.to_str().into_owned())
            .unwrap_or_default();
        let mut duplex = match &address {
            // A `SocketAddr` is never looked up, which is where `HttpPeer::new` could panic.
            Address::Inet(address) => HttpPeer::new(*address, tls.is_some(), name),
            Address::Unix(path) => HttpPeer::new_uds(&path.to_string_lossy(), tls.is_some(), name)?,
        };
        duplex.group_key = id.0;
        let options = &mut duplex.options;
        options.write_timeout = Some(timeouts.write);
        options.idle_timeout = keepalive.idle;
        options.max_h2_streams = HTTP2_STREAMS;
        options.alpn = match protocol {
            Protocol::Http1 => ALPN::H1,
            Protocol::Http2 => ALPN::H2,
        };
        // Portcullis strips hop-by-hop fields itself, the same way for both carriers; pingora's own policy stays on
        // for upgrades, which only it can carry.
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy {
            h1_upgrade: H1UpgradePolicy::WebSocketOnly,
            ..HttpUpstreamRequestPolicy::standard()
        };
        if let Some(tls) = &tls {
            options.verify_cert = tls.settings.verify;
            options.verify_hostname = tls.settings.verify;
            options.ca.clone_from(&tls.settings.authorities);
            duplex
                .client_cert_key
                .clone_from(&tls.settings.client_certificate);
        }
        Ok(Self {
            address,
            tls,
            id,
            duplex,
            protocol,
            keepalive: *keepalive,
        })
    }

    /// The peer for the duplex carrier, with the times of this request. `upgraded` is given for a request that wants to
    /// become a WebSocket, and turns true when it has. `alone` is one that must not find an idle connection: the one it
    /// found before was closed, and others may be as well.
    pub fn duplex(
        &self,
        timeouts: &Timeouts,
        upgraded: Option<Arc<AtomicBool>>,
        alone: bool,
    ) -> Box<HttpPeer> {
        let mut peer = Box::new(self.duplex.clone());
        peer.options.connection_timeout = Some(timeouts.connect);
        peer.options.total_connection_timeout = Some(timeouts.connect);
        let one_time = timeouts.first_byte == timeouts.read && upgraded.is_none();
        if one_time || self.protocol == Protocol::Http2 {
            peer.options.read_timeout = Some(timeouts.first_byte.max(timeouts.read));
        } else {
            // TLS is spoken by the connector.
            peer.scheme = Scheme::HTTP;
            peer.sni = String::new();
            let connector = PatientConnector::new(self.clone(), *timeouts, upgraded);
            peer.options.custom_l4 = Some(Arc::new(connector));
        }
        let one_request = self.keepalive.idle.is_none() || self.keepalive.connections == 0;
        if alone || one_request || peer.options.custom_l4.is_some() {
            // Nobody else has this number, so the connection is never found again. Counted down, it is far from where
            // hashes are likely to be.
            peer.group_key = !UNSHARED.fetch_add(1, Ordering::Relaxed);
            // Pingora pools it all the same; there it is closed at once.
            peer.options.idle_timeout = Some(Duration::ZERO);
        }
        peer
    }
}
