//! Is this certificate, with this key, fit to be presented?

use super::{Pem, TlsError, names, provider};
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

/// A certificate with its chain and its key, checked, and what the rest of Portcullis wants to know about it.
#[derive(Clone, Debug)]
pub struct LoadedCertificate {
    /// What rustls presents: the chain, leaf first, and the key.
    pub certified_key: Arc<CertifiedKey>,
    /// The DNS names, in lower case and with their wildcards, and the IP addresses it stands for.
    pub names: Vec<String>,
    /// From when it is valid.
    pub not_before: SystemTime,
    /// Until when it is valid.
    pub not_after: SystemTime,
    /// The subject's distinguished name.
    pub subject: String,
    /// The serial number in hexadecimal, its bytes separated by colons.
    pub serial: String,
    /// What was wrong with the chain's order.
    chain_warning: Option<CertificateWarning>,
}

/// What an operator should look at, although the certificate can be presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateWarning {
    /// It is no longer valid.
    Expired {
        /// For how long.
        since: Duration,
    },
    /// It is not valid yet.
    NotYetValid {
        /// For how long it will not be.
        starts_in: Duration,
    },
    /// It has no subject alternative name: no client accepts it for any name.
    NoNames,
    /// The certificate that belongs to the key is not the first in the file. It is presented first all the same.
    LeafNotFirst {
        /// Its place in the file, from 1.
        number: usize,
    },
    /// A certificate was not issued by the one that follows it. The order is presented as it is in the file.
    ChainOrder {
        /// The place of the certificate whose issuer does not follow, from 1.
        number: usize,
    },
}

impl fmt::Display for CertificateWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { since } => write!(f, "expired {} ago; renew it", Roughly(*since)),
            Self::NotYetValid { starts_in } => write!(
                f,
                "not valid for another {}; check this machine's clock",
                Roughly(*starts_in)
            ),
            Self::NoNames => f.write_str(
                "has no subject alternative name, so no client accepts it; have it issued with one",
            ),
            Self::LeafNotFirst { number } => write!(
                f,
                "certificate {number} in the file belongs to the key; put it first"
            ),
            Self::ChainOrder { number } => write!(
                f,
                "certificate {number} in the file is not followed by its issuer, so some clients will not find the \
                 way to a root; order the file from leaf to root"
            ),
        }
    }
}

/// A duration in the unit an operator would use.
struct Roughly(Duration);

impl fmt::Display for Roughly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.0.as_secs() / 3600;
        match hours {
            0 => f.write_str("less than an hour"),
            1..48 => write!(f, "{hours} h"),
            _ => write!(f, "{} days", hours / 24),
        }
    }
}

impl LoadedCertificate {
    /// Loads a certificate with its chain, and its key. The two paths may be the same.
    ///
    /// # Errors
    ///
    /// One for everything that keeps it from being presented; see [`TlsError`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Self::from_pem(&Pem::read(certificate)?, &Pem::read(key)?)
    }

    /// As [`LoadedCertificate::load`], of files that have been read.
    ///
    /// # Errors
    ///
    /// As [`LoadedCertificate::load`].
    pub fn from_pem(certificate: &Pem, key: &Pem) -> Result<Self, TlsError> {
        let mut chain = certificate.certificates()?;
        let parsed = parse_all(&chain, certificate.name())?;
        let chain_order =
            first_break(&parsed).map(|number| CertificateWarning::ChainOrder { number });
        let signing_key = provider()
            .key_provider
            .load_private_key(key.private_key()?)
            .map_err(|cause| TlsError::UnusableKey {
                file: key.name().to_owned(),
                cause,
            })?;
        let public_key = signing_key.public_key();
        // The comparison `CertifiedKey::keys_match` makes, for any place in the chain. A key that can't tell its public
        // half gets the benefit of the doubt, as it does there.
        let belongs = |leaf: &X509Certificate<'_>| {
            public_key
                .as_ref()
                .is_none_or(|key| key.as_ref() == leaf.public_key().raw)
        };
        let Some((leaf, facts)) = parsed
            .iter()
            .position(belongs)
            .map(|leaf| (leaf, Facts::of(&parsed[leaf])))
        else {
            return Err(TlsError::KeyMismatch {
                certificate_file: certificate.name().to_owned(),
                key_file: key.name().to_owned(),
            });
        };
        let chain_warning = match leaf {
            0 => chain_order,
            _ => Some(CertificateWarning::LeafNotFirst { number: leaf + 1 }),
        };
        chain[..=leaf].rotate_right(1);
        Ok(Self {
            certified_key: Arc::new(CertifiedKey::new(chain, signing_key)),
            names: facts.names,
            not_before: facts.not_before,
            not_after: facts.not_after,
            subject: facts.subject,
            serial: facts.serial,
            chain_warning,
        })
    }

    /// What it is called by in metrics: its first name; its subject where it has none.
    pub fn first_name(&self) -> &str {
        self.names.first().unwrap_or(&self.subject)
    }

    /// What an operator should look at, as of `now`.
    pub fn warnings(&self, now: SystemTime) -> Vec<CertificateWarning> {
        let expired = now
            .duration_since(self.not_after)
            .ok()
            .filter(|since| !since.is_zero())
            .map(|since| CertificateWarning::Expired { since });
        let not_yet = self
            .not_before
            .duration_since(now)
            .ok()
            .filter(|starts_in| !starts_in.is_zero())
            .map(|starts_in| CertificateWarning::NotYetValid { starts_in });
        let no_names = self.names.is_empty().then_some(CertificateWarning::NoNames);
        let all = [expired, not_yet, no_names, self.chain_warning.clone()];
        all.into_iter().flatten().collect()
    }
}

/// What is read out of the leaf.
struct Facts {
    names: Vec<String>,
    not_before: SystemTime,
    not_after: SystemTime,
    subject: String,
    serial: String,
}

impl Facts {
    fn of(leaf: &X509Certificate<'_>) -> Self {
        Self {
            names: names::of(leaf),
            not_before: time(leaf.validity().not_before),
            not_after: time(leaf.validity().not_after),
            subject: leaf.subject().to_string(),
            serial: leaf.raw_serial_as_string(),
        }
    }
}

fn parse_all<'a>(
    chain: &'a [CertificateDer<'static>],
    file: &str,
) -> Result<Vec<X509Certificate<'a>>, TlsError> {
    let parse = |(index, der): (usize, &'a CertificateDer<'static>)| {
        X509Certificate::from_der(der)
            .map(|(_, certificate)| certificate)
            .map_err(|cause| TlsError::MalformedCertificate {
                file: file.to_owned(),
                number: index + 1,
                cause: cause.to_string(),
            })
    };
    chain.iter().enumerate().map(parse).collect()
}

/// The place, from 1, of the first certificate whose issuer is not the next one.
fn first_break(chain: &[X509Certificate<'_>]) -> Option<usize> {
    chain
        .windows(2)
        .position(|pair| pair[0].issuer().as_raw() != pair[1].subject().as_raw())
        .map(|index| index + 1)
}

fn time(time: ASN1Time) -> SystemTime {
    let seconds = Duration::from_secs(time.timestamp().unsigned_abs());
    if time.timestamp() < 0 {
        UNIX_EPOCH - seconds
    } else {
        UNIX_EPOCH + seconds
    }
}

#[cfg(test)]
mod tests;
