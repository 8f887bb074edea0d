//! How does a pool speak TLS with its endpoints?

use super::{Authorities, LoadedCertificate, Roots, TlsError, provider};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use std::sync::Arc;

/// By whom an endpoint's certificate has to be vouched for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// By one of the system's certificate authorities.
    #[default]
    SystemRoots,
    /// By one of these, and none of the system's.
    Authorities(Authorities),
    /// By nobody: any certificate for any name will do. The endpoint still has to own the certificate's key, and the
    /// connection is encrypted, but anyone in between can be the endpoint.
    Off,
}

/// Which versions of HTTP are offered by ALPN (RFC 7301).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectAlpn {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
    /// HTTP/2, or else HTTP/1.1.
    Both,
}

/// How a pool speaks TLS. The default verifies with the system's authorities, shows no certificate, and offers HTTP/1.1.
#[derive(Clone, Debug, Default)]
pub struct ConnectSettings {
    /// By whom the endpoint's certificate has to be vouched for.
    pub verification: Verification,
    /// The certificate to show to endpoints that ask for one.
    pub client_certificate: Option<Arc<LoadedCertificate>>,
    /// Which versions of HTTP are offered.
    pub alpn: ConnectAlpn,
}

/// The rustls configuration of a pool. It speaks TLS 1.2 and 1.3, and resumes sessions. The name to send and to verify
/// is given at each connection. `roots` is asked only if the settings want the system's authorities.
///
/// # Errors
///
/// The machine has no certificate authorities, but the settings want them.
pub fn client_config(
    settings: &ConnectSettings,
    roots: &Roots,
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier(&settings.verification, roots)?);
    let mut config = match &settings.client_certificate {
        Some(certificate) => {
            let own = SingleCertAndKey::from(Arc::clone(&certificate.certified_key));
            builder.with_client_cert_resolver(Arc::new(own))
        }
        None => builder.with_no_client_auth(),
    };
    let protocols: &[&[u8]] = match settings.alpn {
        ConnectAlpn::Http1 => &[b"http/1.1"],
        ConnectAlpn::Http2 => &[b"h2"],
        ConnectAlpn::Both => &[b"h2", b"http/1.1"],
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

fn verifier(
    verification: &Verification,
    roots: &Roots,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let store = match verification {
        Verification::SystemRoots => roots.get()?.store(),
        Verification::Authorities(authorities) => authorities.store(),
        Verification::Off => {
            let algorithms = provider().signature_verification_algorithms;
            return Ok(Arc::new(AnyCertificate { algorithms }));
        }
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(store, provider())
        .build()
        .map_err(|cause| Error::General(cause.to_string()))?;
    Ok(verifier)
}

/// Takes any certificate, but only from who has its key.
#[derive(Debug)]
struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
