//! How does a listener speak TLS with its clients?

use super::{Authorities, CertificateSet, SessionState, TlsError, provider};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use std::sync::Arc;

/// How many tickets a TLS 1.3 client gets. A ticket is used once, so a client of HTTP/1.1 with several connections
/// resumes more of them with two; each costs about a hundredth of the handshake.
const TICKETS: usize = 2;

/// How many it gets if it asks for more (RFC 9149).
const MAX_TICKETS: usize = 4;

/// The oldest version of TLS that is spoken. Older ones than these are not to be used (RFC 8996).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2 (RFC 5246), and of it only the suites with forward secrecy and authenticated encryption.
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// Whether clients show a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    None,
    /// They are asked, and may decline. A certificate that does not verify still ends the handshake.
    Optional(Authorities),
    /// They have to.
    Required(Authorities),
}

/// How a listener speaks TLS. The default is TLS 1.2 or later, any client, and no ALPN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptSettings {
    /// The oldest version spoken.
    pub min_version: MinVersion,
    /// Offer HTTP/2 by ALPN (RFC 7301), before HTTP/1.1.
    pub h2: bool,
    /// Offer HTTP/1.1 by ALPN. With neither, ALPN is not spoken at all.
    pub http1: bool,
    /// Whether clients show a certificate.
    pub client_auth: ClientAuth,
}

/// The rustls configuration of a listener that presents the certificates in `set`.
///
/// rustls keeps no buffer before there is something in it, and a record is as large as TLS allows (16 KiB), which costs
/// the fewest system calls; what a connection may hold unsent is for the caller to bound, with `set_buffer_limit`.
///
/// # Errors
///
/// The client authorities can't be used, or the cryptography library fails.
pub fn server_config(
    set: Arc<CertificateSet>,
    settings: &AcceptSettings,
    tickets: &SessionState,
) -> Result<Arc<ServerConfig>, TlsError> {
    let versions = match settings.min_version {
        MinVersion::Tls12 => &[&TLS13, &TLS12][..],
        MinVersion::Tls13 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(client_verifier(&settings.client_auth)?)
        .with_cert_resolver(set);
    let sessions = tickets.of(&settings.client_auth)?;
    config.ticketer = sessions.ticketer;
    config.session_storage = sessions.cache;
    config.send_tls13_tickets = TICKETS;
    config.max_tls13_tickets = MAX_TICKETS;
    // Clients know whether their processor is faster at AES or ChaCha20.
    config.ignore_client_order = false;
    if settings.h2 {
        config.alpn_protocols.push(b"h2".to_vec());
    }
    if settings.http1 {
        config.alpn_protocols.push(b"http/1.1".to_vec());
    }
    Ok(Arc::new(config))
}

fn client_verifier(auth: &ClientAuth) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let (authorities, optional) = match auth {
        ClientAuth::None => return Ok(WebPkiClientVerifier::no_client_auth()),
        ClientAuth::Optional(authorities) => (authorities, true),
        ClientAuth::Required(authorities) => (authorities, false),
    };
    let builder = WebPkiClientVerifier::builder_with_provider(authorities.store(), provider());
    let builder = if optional {
        builder.allow_unauthenticated()
    } else {
        builder
    };
    builder.build().map_err(|cause| TlsError::ClientVerifier {
        cause: cause.to_string(),
    })
}
