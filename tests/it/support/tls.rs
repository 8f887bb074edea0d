//! How does a test's client do a TLS handshake?

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::in_time;

/// A connection through TLS.
pub type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// A client's settings: whom it trusts, which versions it speaks, which protocols it offers (ALPN).
pub fn client_config(
    roots: &Arc<RootCertStore>,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions the provider knows")
        .with_root_certificates(Arc::clone(roots))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// Connects and does the handshake, asking for `name`; an IP address asks for none (RFC 6066 §3).
///
/// # Errors
///
/// Why the handshake failed.
pub async fn tls(
    address: SocketAddr,
    name: &str,
    config: &Arc<ClientConfig>,
) -> io::Result<TlsStream> {
    let stream = TcpStream::connect(address).await.expect("connected");
    tls_over(stream, name, config).await
}

/// As [`tls`], on a connection on which something was sent already.
///
/// # Errors
///
/// Why the handshake failed.
pub async fn tls_over(
    stream: TcpStream,
    name: &str,
    config: &Arc<ClientConfig>,
) -> io::Result<TlsStream> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let connector = TlsConnector::from(Arc::clone(config));
    in_time("the TLS handshake", connector.connect(name, stream)).await
}
