//! What can be wrong with certificates, keys and TLS settings, and what is the operator to do about it?

use std::io;

/// Why a certificate, a key or a TLS configuration can't be used. Each message names the file and ends with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file does not exist.
    #[error("{file}: no such file; check the path, and that it is visible to Portcullis's process")]
    Missing {
        /// The file.
        file: String,
    },
    /// The file exists but can't be read.
    #[error("{file}: can't be read ({cause}); let the user Portcullis runs as read it")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is far larger than any certificate or key.
    #[error("{file}: larger than {limit} bytes; this is not a file of certificates or keys")]
    TooLarge {
        /// The file.
        file: String,
        /// The largest size that is read, in bytes.
        limit: u64,
    },
    /// The file has a broken PEM section.
    #[error("{file}: broken PEM ({cause}); copy the file again from where it was made")]
    MalformedPem {
        /// The file.
        file: String,
        /// What the parser said.
        cause: String,
    },
    /// The file has no certificate.
    #[error(
        "{file}: no certificate in it (`-----BEGIN CERTIFICATE-----`); if it is in DER form, convert it with \
         `openssl x509 -inform der -in FILE`"
    )]
    NoCertificate {
        /// The file.
        file: String,
    },
    /// A certificate in the file can't be read.
    #[error("{file}: certificate {number} in it can't be read ({cause}); have it issued again")]
    MalformedCertificate {
        /// The file.
        file: String,
        /// Its place in the file, from 1.
        number: usize,
        /// What the parser said.
        cause: String,
    },
    /// The file has no private key.
    #[error(
        "{file}: no private key in it (`-----BEGIN PRIVATE KEY-----`, or with `RSA` or `EC`); name the key's file, or \
         convert a DER key with `openssl pkey -inform der -in FILE`"
    )]
    NoPrivateKey {
        /// The file.
        file: String,
    },
    /// The private key is protected with a password.
    #[error(
        "{file}: the private key is encrypted, which is not supported; decrypt it with `openssl pkey -in FILE -out NEW` \
         and protect the new file by its permissions"
    )]
    EncryptedKey {
        /// The file.
        file: String,
    },
    /// The file has several private keys.
    #[error(
        "{file}: {count} private keys in it; leave only the one that belongs to the certificate"
    )]
    SeveralKeys {
        /// The file.
        file: String,
        /// How many.
        count: usize,
    },
    /// The private key is broken or of a kind TLS has no use for.
    #[error(
        "{file}: the private key can't be used ({cause}); use an ECDSA P-256 or P-384, Ed25519 or RSA key"
    )]
    UnusableKey {
        /// The file.
        file: String,
        /// What rustls said.
        cause: rustls::Error,
    },
    /// The private key belongs to another certificate.
    #[error(
        "{key_file}: the private key does not match the certificate in {certificate_file}; the two must come from the \
         same issuance"
    )]
    KeyMismatch {
        /// The certificate's file.
        certificate_file: String,
        /// The key's file.
        key_file: String,
    },
    /// A certificate can't serve as a certificate authority.
    #[error(
        "{file}: certificate {number} in it can't be a certificate authority ({cause}); leave it out"
    )]
    UnusableAuthority {
        /// The file.
        file: String,
        /// Its place in the file, from 1.
        number: usize,
        /// What rustls said.
        cause: rustls::Error,
    },
    /// Endpoints are to be verified with the system's certificate authorities, and there are none.
    #[error(
        "this machine has no certificate authorities to verify endpoints with{causes}; install the package \
         `ca-certificates`, or name the pool's own CA file, or turn verification off for the pool"
    )]
    NoSystemRoots {
        /// What went wrong while looking for them, each after `; `. Empty if nothing did.
        causes: String,
    },
    /// A client authority list can't be used for verification.
    #[error("client certificates can't be verified ({cause}); check the client CA file")]
    ClientVerifier {
        /// What rustls said.
        cause: String,
    },
    /// No certificate can be made for these names.
    #[error("no certificate can be made ({cause}); use DNS names and IP addresses")]
    SelfSigned {
        /// What rcgen said.
        cause: rcgen::Error,
    },
    /// The cryptography library failed, for instance because the system gives no random bytes.
    #[error(
        "the TLS library failed ({0}); this is a fault of the machine or of Portcullis, please report it"
    )]
    Library(#[from] rustls::Error),
}
