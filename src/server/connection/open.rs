//! How does an accepted socket become a connection: PROXY header, then TLS?

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::{Buf, BytesMut};
use rustls::HandshakeKind;
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsAcceptor;

use super::proxy_protocol::{self, Parsed};
use super::socket::Socket;
use super::waiting::Patience;
use super::wire::Wire;
use crate::admission::connections::Permit;
use crate::config::listener::ProxyProtocolMode;
use crate::proxy::{About, TlsAbout};
use crate::server::connection::Connection;
use crate::server::door::accepted::Arrival;
use crate::server::door::stay::Stay;
use crate::server::door::{Door, admit};
use crate::snapshot::{Listener, Snapshot};
use crate::telemetry::metrics::{RefusedReason, TlsVersion};

/// How many plaintext bytes of an answer rustls may hold back, beside our own write buffer.
const TLS_BUFFER: usize = 64 * 1024;

/// A connection that is ready for its first request.
pub struct Opened {
    /// The connection.
    pub connection: Box<Connection>,
    /// Whether HTTP/2 was agreed on.
    pub http2: bool,
    /// What is known about it.
    pub about: Arc<About>,
}

/// Reads what comes before HTTP. The caller bounds its time.
///
/// # Errors
///
/// Why the connection is refused; it is just closed.
pub async fn open(
    door: Arc<Door>,
    stay: Stay,
    arrival: Arrival,
    snapshot: &ArcSwap<Snapshot>,
    permit: &mut Permit,
) -> Result<Opened, RefusedReason> {
    let listener = door.listener();
    let mut ahead = BytesMut::new();
    let Arrival {
        mut socket,
        peer,
        mut local,
    } = arrival;
    let mut peer = peer.map(canonical);
    if listener.proxy_protocol.mode != ProxyProtocolMode::Off {
        let told = proxy_header(&listener, &mut socket, peer, &mut ahead).await?;
        let client = match told {
            // Who may say that somebody else comes, and does not, comes for itself.
            Told::Nothing => peer.filter(|peer| admit::announces_clients(&listener, peer.ip())),
            Told::Ends {
                source,
                destination,
            } => {
                local = destination.or(local);
                source.map(canonical)
            }
        };
        if let Some(client) = client {
            let ip = client.ip();
            if let Err(reason) = admit::behind_header(&snapshot.load(), &listener, ip, permit) {
                admit::tell(&listener, reason, Some(ip));
                socket.reset_on_close();
                return Err(reason);
            }
            peer = Some(client);
        }
    }
    let local_port = local.map(|local| local.port());
    let (wire, tls, http2) = match &listener.tls {
        None => (Wire::Plain(socket), None, false),
        Some(tls) => {
            socket.replay(std::mem::take(&mut ahead));
            let begun = Instant::now();
            let accepted = TlsAcceptor::from(Arc::clone(&tls.config))
                .accept(socket)
                .await;
            let mut stream = accepted.map_err(|error| {
                log::debug!("listener {}: TLS handshake: {error}", listener.name);
                RefusedReason::TlsHandshake
            })?;
            let session = stream.get_mut().1;
            session.set_buffer_limit(Some(TLS_BUFFER));
            let tls = about_tls(session);
            let version = match tls.version {
                "TLSv1.3" => TlsVersion::Tls13,
                _ => TlsVersion::Tls12,
            };
            let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
            let metrics = &listener.metrics;
            metrics.tls_handshake(version, resumed, begun.elapsed());
            let http2 = session.alpn_protocol() == Some(b"h2");
            (Wire::Tls(Box::new(stream)), Some(tls), http2)
        }
    };
    let patience = Patience::of(&listener);
    let about = Arc::new(About {
        door,
        stay,
        peer,
        local_port,
        tls,
        too_slow: AtomicBool::new(false),
    });
    let digest = About::digest(&about).map_err(|_| RefusedReason::TlsHandshake)?;
    let connection = Box::new(Connection::new(wire, ahead, patience, digest));
    Ok(Opened {
        connection,
        http2,
        about,
    })
}

/// An IPv4 client of a socket for IPv6 and IPv4 is still an IPv4 client.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn about_tls(session: &rustls::ServerConnection) -> TlsAbout {
    TlsAbout {
        version: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        },
        cipher: match session
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
        {
            // OpenSSL and rustls write `TLS13_AES_…` and `TLS_AES_…` for the same suite; the registry's name is the latter.
            Some(name) => Cow::Owned(name.replacen("TLS13_", "TLS_", 1)),
            None => Cow::Borrowed(""),
        },
        name: session.server_name().map(str::to_owned),
    }
}

/// What stands before everything else where a PROXY header may.
enum Told {
    /// No such header.
    Nothing,
    /// The connection's ends, as far as it says them: a balancer's own check has none.
    Ends {
        source: Option<SocketAddr>,
        destination: Option<SocketAddr>,
    },
}

/// Reads the PROXY header, and gives what it says about the connection's ends.
async fn proxy_header(
    listener: &Listener,
    socket: &mut Socket,
    peer: Option<SocketAddr>,
    ahead: &mut BytesMut,
) -> Result<Told, RefusedReason> {
    let rules = &listener.proxy_protocol;
    let trusted = peer.map_or(rules.trust_unix, |peer| rules.trusted.contains(peer.ip()));
    let required = rules.mode == ProxyProtocolMode::Required;
    if required && !trusted {
        return Err(RefusedReason::ProxyHeader);
    }
    loop {
        let parsed = proxy_protocol::parse(ahead).map_err(|error| {
            log::debug!("listener {}: PROXY header: {error}", listener.name);
            RefusedReason::ProxyHeader
        })?;
        match parsed {
            Parsed::Header {
                length,
                source,
                destination,
            } if trusted => {
                ahead.advance(length);
                return Ok(Told::Ends {
                    source,
                    destination,
                });
            }
            Parsed::Header { .. } => return Err(RefusedReason::ProxyHeader),
            Parsed::NotProxy if required => return Err(RefusedReason::ProxyHeader),
            Parsed::NotProxy => return Ok(Told::Nothing),
            Parsed::NeedMore => {}
        }
        match socket.read_buf(ahead).await {
            Ok(0) | Err(_) => return Err(RefusedReason::ProxyHeader),
            Ok(_) => {}
        }
    }
}
