//! What does a PEM file hold? Reads files, and picks certificates or the one private key out of them.

use super::TlsError;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The largest file that is read, in bytes: a system's whole CA bundle is a quarter of a megabyte. The bound is there
/// for the day a path points to a device or a log.
const MAX_FILE: u64 = 8 << 20;

/// The text of a PEM file, with the name messages call it by.
///
/// Certificate and key may be in the same file: each is picked from among the other sections.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    name: String,
    text: Vec<u8>,
}

impl Pem {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// The file is missing, unreadable or larger than 8 MiB.
    pub fn read(path: &Path) -> Result<Self, TlsError> {
        let name = path.display().to_string();
        let mut text = Vec::new();
        let read = File::open(path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut text))
            .map_err(|cause| match cause.kind() {
                io::ErrorKind::NotFound => TlsError::Missing { file: name.clone() },
                _ => TlsError::Unreadable {
                    file: name.clone(),
                    cause,
                },
            })?;
        if read as u64 > MAX_FILE {
            return Err(TlsError::TooLarge {
                file: name,
                limit: MAX_FILE,
            });
        }
        Ok(Self { name, text })
    }

    /// Takes a `text` that is at hand; messages call it `name`.
    pub fn inline(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// The path, or the name given to [`Pem::inline`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What stands in it.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// All certificates, in the order of the file; at least one.
    ///
    /// # Errors
    ///
    /// There is none, or the PEM is broken. The certificates themselves are not looked into.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.text)
            .collect::<Result<_, _>>()
            .map_err(|cause| self.malformed(&cause))?;
        if certificates.is_empty() {
            return Err(TlsError::NoCertificate { file: self.file() });
        }
        Ok(certificates)
    }

    /// The only private key.
    ///
    /// # Errors
    ///
    /// There is none, there are several, it is encrypted, or the PEM is broken.
    pub fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        // The old form of encryption, inside a section of the usual name, would only look like broken base64.
        if self.contains("\nProc-Type: 4,ENCRYPTED") {
            return Err(TlsError::EncryptedKey { file: self.file() });
        }
        let mut keys: Vec<_> = PrivateKeyDer::pem_slice_iter(&self.text)
            .collect::<Result<_, _>>()
            .map_err(|cause| self.malformed(&cause))?;
        match (keys.pop(), keys.len()) {
            (Some(key), 0) => Ok(key),
            (Some(_), others) => Err(TlsError::SeveralKeys {
                file: self.file(),
                count: others + 1,
            }),
            (None, _) if self.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") => {
                Err(TlsError::EncryptedKey { file: self.file() })
            }
            (None, _) => Err(TlsError::NoPrivateKey { file: self.file() }),
        }
    }

    fn contains(&self, marker: &str) -> bool {
        let marker = marker.as_bytes();
        self.text.windows(marker.len()).any(|text| text == marker)
    }

    fn malformed(&self, cause: &pem::Error) -> TlsError {
        TlsError::MalformedPem {
            file: self.file(),
            cause: describe(cause),
        }
    }

    fn file(&self) -> String {
        self.name.clone()
    }
}

/// The parser shows lines as lists of numbers, which nobody can read, and a line could be a key's.
fn describe(cause: &pem::Error) -> String {
    match cause {
        pem::Error::MissingSectionEnd { end_marker } => {
            // Despite its name, this is the section's label only.
            let label = String::from_utf8_lossy(end_marker);
            format!("the line `-----END {label}-----` is missing")
        }
        pem::Error::IllegalSectionStart { .. } => "a `-----BEGIN` line is not complete".into(),
        pem::Error::Base64Decode(_) => "a section is not base64".into(),
        other => other.to_string(),
    }
}

/// Without the text: it may hold a key.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pem").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::self_signed;

    fn key_error(text: &str) -> String {
        let pem = Pem::inline("k.pem", text);
        pem.private_key().expect_err("no usable key").to_string()
    }

    #[test]
    fn a_missing_file_and_a_directory_are_named() {
        let missing = Pem::read(Path::new("/nonexistent/a.pem")).expect_err("missing");
        assert!(
            missing
                .to_string()
                .starts_with("/nonexistent/a.pem: no such file")
        );
        let directory = Pem::read(Path::new("/")).expect_err("a directory");
        assert!(
            matches!(directory, TlsError::Unreadable { .. }),
            "{directory}"
        );
    }

    #[test]
    fn an_endless_file_is_not_read_to_its_end() {
        let error = Pem::read(Path::new("/dev/zero")).expect_err("endless");
        assert!(matches!(error, TlsError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn a_file_without_a_certificate_says_how_to_convert_der() {
        let error = Pem::inline("c.pem", b"\x30\x82".as_slice()).certificates();
        let text = error.expect_err("no certificate").to_string();
        assert!(text.starts_with("c.pem: no certificate"), "{text}");
        assert!(text.contains("openssl x509 -inform der"), "{text}");
    }

    #[test]
    fn broken_pem_is_described_in_words() {
        let made = self_signed(["a.example"]).expect("a certificate");
        let half = made.certificate.len() / 2;
        let error = Pem::inline("c.pem", &made.certificate[..half]).certificates();
        let text = error.expect_err("cut off").to_string();
        assert!(
            text.contains("`-----END CERTIFICATE-----` is missing"),
            "{text}"
        );
        let text = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        let error = Pem::inline("c.pem", text)
            .certificates()
            .expect_err("no base64");
        assert!(error.to_string().contains("not base64"), "{error}");
    }

    #[test]
    fn an_encrypted_key_in_either_form_is_said_to_be_unsupported() {
        let new =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n\
                   -----END RSA PRIVATE KEY-----\n";
        for text in [new, old] {
            assert!(key_error(text).contains("encrypted, which is not supported"));
        }
    }

    #[test]
    fn no_key_and_several_keys_are_told_apart() {
        let made = self_signed(["a.example"]).expect("a certificate");
        assert!(key_error(&made.certificate).contains("no private key in it"));
        let twice = made.key.repeat(2);
        assert!(key_error(&twice).contains("2 private keys"));
    }

    #[test]
    fn certificate_and_key_may_share_a_file() {
        let made = self_signed(["a.example"]).expect("a certificate");
        let pem = Pem::inline("both.pem", made.key + &made.certificate);
        assert_eq!(pem.certificates().expect("the certificate").len(), 1);
        assert!(pem.private_key().is_ok());
    }

    #[test]
    fn debug_does_not_show_a_key() {
        assert_eq!(
            format!("{:?}", Pem::inline("k.pem", "secret")),
            "Pem(\"k.pem\")"
        );
    }
}
