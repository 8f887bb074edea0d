//! How does the origin prove who it is, and whom does it let in?

use std::io;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConnection, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

/// Certificate and key of an origin, and who may connect.
#[derive(Clone)]
pub struct TlsSettings {
    /// The certificate chain, leaf first, in PEM.
    pub cert_pem: String,
    /// The private key of the leaf in PEM (PKCS#8, PKCS#1 or SEC1).
    pub key_pem: String,
    /// If given, only clients with a certificate issued by one of these (PEM) get in.
    pub client_ca_pem: Option<String>,
}

impl std::fmt::Debug for TlsSettings {
    /// Leaves the private key out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsSettings")
            .field("cert_pem", &self.cert_pem)
            .field("client_ca_pem", &self.client_ca_pem)
            .finish_non_exhaustive()
    }
}

impl TlsSettings {
    /// TLS 1.2 and 1.3 with ALPN `h2` and `http/1.1` (RFC 7301).
    pub(crate) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(invalid)?;
        let builder = match &self.client_ca_pem {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(pem)? {
                    roots.add(certificate).map_err(invalid)?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(invalid)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(invalid)?;
        let mut config = builder
            .with_single_cert(certificates(&self.cert_pem)?, key)
            .map_err(invalid)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(pem: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(invalid)
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

/// What `/echo` tells of a TLS session: `version`, `alpn`, `sni` and the number of
/// `client_certificates`.
pub(crate) fn facts(session: &ServerConnection) -> Value {
    json!({
        "version": session.protocol_version().and_then(|version| version.as_str().map(str::to_owned)),
        "alpn": session.alpn_protocol().map(String::from_utf8_lossy),
        "sni": session.server_name(),
        "client_certificates": session.peer_certificates().map_or(0, <[_]>::len),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pem_without_a_key_is_an_error_and_no_panic() {
        let settings = TlsSettings {
            cert_pem: String::new(),
            key_pem: "nothing".to_owned(),
            client_ca_pem: None,
        };
        let error = settings.acceptor().map(|_| ()).expect_err("no key");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
