//! How do written certificates and authorities become a pool's TLS?

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pingora::utils::tls::CertKey;
use rustls::pki_types::ServerName;

use super::files::Sources;
use super::listeners::beside;
use super::reporter::Reporter;
use crate::config::Spanned;
use crate::pool::Protocol;
use crate::tls::{
    Authorities, ConnectAlpn, ConnectSettings, LoadedCertificate, Pem, TlsError, Verification,
    client_config,
};
use crate::upstream::{PoolTls, system_roots, wrap_certificates};

/// Compiles it; what is wrong is reported.
pub(super) fn pool_tls(
    tls: &crate::config::tls::PoolTls,
    protocol: Protocol,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Arc<PoolTls>> {
    if let Some(name) = &tls.name
        && ServerName::try_from(name.value.clone()).is_err()
    {
        reporter.error(
            "tls.name",
            name,
            format!("`{}` is not a host name", name.value.escape_debug()),
            None,
        );
    }
    if let (Some(ca), false) = (&tls.ca, tls.verify) {
        reporter.error(
            "tls.ca",
            ca,
            "has no effect while `verify` is false",
            Some("remove one of them"),
        );
    }
    let mut hasher = DefaultHasher::new();
    (tls.verify, protocol as u8).hash(&mut hasher);
    let read = |key: &str, path: &Spanned<String>, reporter: &mut Reporter<'_>| match sources
        .pem(&beside(path))
    {
        Ok(pem) => Some(pem),
        Err(error) => {
            reporter.error(key, path, error.to_string(), None);
            None
        }
    };
    let ca = tls
        .ca
        .as_ref()
        .map(|path| (path, read("tls.ca", path, reporter)));
    let authorities = match &ca {
        Some((path, Some(pem))) => {
            match Authorities::from_pem(pem).and_then(|ca| Ok((ca, pem.certificates()?))) {
                Ok(authorities) => Some(authorities),
                Err(error) => {
                    reporter.error("tls.ca", path, error.to_string(), None);
                    None
                }
            }
        }
        _ => None,
    };
    let client = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let pems = (
                read("tls.certificate", certificate, reporter),
                read("tls.key", key, reporter),
            );
            match pems {
                (Some(certificate_pem), Some(key_pem)) => {
                    match client_certificate(&certificate_pem, &key_pem) {
                        Ok(client) => Some(client),
                        Err(error) => {
                            reporter.error("tls.certificate", certificate, error.to_string(), None);
                            None
                        }
                    }
                }
                _ => None,
            }
        }
        (Some(alone), None) => {
            reporter.error(
                "tls.key",
                alone,
                "a certificate needs its key",
                Some("give `key` as well"),
            );
            None
        }
        (None, Some(alone)) => {
            reporter.error(
                "tls.certificate",
                alone,
                "a key needs its certificate",
                Some("give `certificate` as well"),
            );
            None
        }
        (None, None) => None,
    };
    if let Some((_, certificates)) = &authorities {
        for certificate in certificates {
            certificate.as_ref().hash(&mut hasher);
        }
    }
    if let Some((loaded, _)) = &client {
        for certificate in &loaded.certified_key.cert {
            certificate.as_ref().hash(&mut hasher);
        }
    }
    let settings = ConnectSettings {
        verification: match (&authorities, tls.verify) {
            (_, false) => Verification::Off,
            (Some((authorities, _)), true) => Verification::Authorities(authorities.clone()),
            (None, true) if tls.ca.is_some() => return None,
            (None, true) => Verification::SystemRoots,
        },
        client_certificate: client.as_ref().map(|(loaded, _)| Arc::clone(loaded)),
        alpn: match protocol {
            Protocol::Http1 => ConnectAlpn::Http1,
            Protocol::Http2 => ConnectAlpn::Http2,
        },
    };
    match client_config(&settings, &sources.state.roots) {
        Ok(config) => Some(Arc::new(PoolTls {
            config,
            verify: tls.verify,
            authorities: match authorities {
                Some((_, certificates)) => Some(wrap_certificates(&certificates)),
                None => system_roots::instead(),
            },
            client_certificate: client.map(|(_, for_duplex)| for_duplex),
            fingerprint: hasher.finish(),
        })),
        Err(error) => {
            let name = Spanned {
                value: (),
                position: tls.name.as_ref().and_then(|name| name.position.clone()),
            };
            reporter.error(
                "tls",
                &name,
                error.to_string(),
                Some("give the authorities as `ca`, or set `verify: false`"),
            );
            None
        }
    }
}

/// The certificate in the forms of both carriers.
fn client_certificate(
    certificate: &Pem,
    key: &Pem,
) -> Result<(Arc<LoadedCertificate>, Arc<CertKey>), TlsError> {
    let loaded = LoadedCertificate::from_pem(certificate, key)?;
    let chain = loaded
        .certified_key
        .cert
        .iter()
        .map(|certificate| certificate.to_vec())
        .collect();
    let for_duplex = CertKey::new(chain, key.private_key()?.secret_der().to_vec());
    Ok((Arc::new(loaded), Arc::new(for_duplex)))
}
