//! Where does a certificate come from when nobody has issued one? It is made on the spot, for the demo and the tests.

use super::TlsError;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const VALID_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// A client whose clock is a little behind should not see a certificate from its future.
const CLOCK_SKEW: Duration = Duration::from_secs(60 * 60);

/// A certificate that vouches for itself, and its key.
pub struct SelfSigned {
    /// The certificate in PEM form; clients that shall trust it take the same text as their CA.
    pub certificate: String,
    /// The private key, ECDSA P-256, in PEM form.
    pub key: String,
}

/// Makes a certificate for `names`, DNS names and IP addresses, which is valid for 90 days.
///
/// # Errors
///
/// A name is not ASCII.
pub fn self_signed<N: Into<String>>(
    names: impl IntoIterator<Item = N>,
) -> Result<SelfSigned, TlsError> {
    let names: Vec<String> = names.into_iter().map(Into::into).collect();
    make(names).map_err(|cause| TlsError::SelfSigned { cause })
}

fn make(names: Vec<String>) -> Result<SelfSigned, rcgen::Error> {
    let common_name = names
        .first()
        .map_or("portcullis", String::as_str)
        .to_owned();
    let mut params = CertificateParams::new(names)?;
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = date_time_ymd(1970, 1, 1) + since_epoch;
    params.not_before = now - CLOCK_SKEW;
    params.not_after = now + VALID_FOR;
    params.distinguished_name.remove(DnType::CommonName);
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    Ok(SelfSigned {
        certificate: params.self_signed(&key)?.pem(),
        key: key.serialize_pem(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{LoadedCertificate, Pem};

    #[test]
    fn it_loads_without_a_warning_and_has_its_names() {
        let made = self_signed(["localhost", "*.a.example", "::1"]).expect("a certificate");
        let loaded = LoadedCertificate::from_pem(
            &Pem::inline("cert.pem", made.certificate),
            &Pem::inline("key.pem", made.key),
        )
        .expect("it loads");
        assert_eq!(loaded.names, ["localhost", "*.a.example", "::1"]);
        assert_eq!(loaded.subject, "CN=localhost");
        assert_eq!(loaded.warnings(SystemTime::now()), []);
    }

    #[test]
    fn a_name_that_no_certificate_can_hold_is_an_error() {
        assert!(matches!(
            self_signed(["bücher.example"]),
            Err(TlsError::SelfSigned { .. })
        ));
    }
}
