//! With which keys may a token be signed, and is it?

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::algorithm::{Algorithm, Kind};
use super::fault::Fault;
use super::token::Token;

/// How many keys a set may have.
pub const MOST_KEYS: usize = 100;
/// How many keys are tried for a token that names none: each costs a verification, whoever has sent the token.
const MOST_TRIED: usize = 8;
/// The shortest RSA modulus, in bytes: 2048 bits (RFC 7518 §3.3). The longest is 8192 bits.
const RSA_LENGTHS: std::ops::RangeInclusive<usize> = 256..=1024;

/// What a set was made of: the SHA-256 of the text it stood in.
pub type Version = [u8; 32];

/// Keys that tokens may be signed with. Each knows with which algorithms: a token's word on that is only compared.
pub struct KeySet {
    keys: Box<[Key]>,
    version: Version,
}

struct Key {
    /// What tokens call it; a key without a name may be meant by any of them.
    id: Option<Box<str>>,
    checks: Box<[(Algorithm, Check)]>,
}

/// A key made ready for one algorithm.
enum Check {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

/// Why there are no keys in a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no public key in PEM.
    #[error("it holds no public key in PEM (`-----BEGIN PUBLIC KEY-----`)")]
    NoPem,
    /// It is a key that none of the algorithms takes.
    #[error(
        "it is no key that tokens can be signed with: RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519"
    )]
    Unfit,
    /// It is no JWKS.
    #[error("it is no JSON Web Key Set: {0}")]
    NoSet(String),
    /// None of its keys can verify a token.
    #[error("none of its {0} keys can verify a token")]
    NoneFits(usize),
    /// It has too many keys.
    #[error("it has {0} keys, more than {MOST_KEYS}")]
    TooMany(usize),
}

/// A public key, in the terms of RFC 7518 §6 and RFC 8037 §2.
enum Public {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// The curve, and a point in its uncompressed form.
    Ec(Algorithm, Vec<u8>),
    Ed(Vec<u8>),
}

/// A key as it stands in a set (RFC 7517 §4). What is of another form than it should be leaves that key out.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    r#use: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Value>,
}

impl KeySet {
    /// The one secret of HS256, HS384 and HS512; only of those for which it is long enough.
    pub fn of_secret(secret: &[u8]) -> Self {
        let symmetric = Algorithm::ALL.into_iter().filter_map(|algorithm| {
            let Kind::Secret(hash) = algorithm.kind() else {
                return None;
            };
            let long_enough = secret.len() >= algorithm.shortest_secret();
            long_enough.then(|| {
                (
                    algorithm,
                    Check::Secret(Box::new(hmac::Key::new(hash, secret))),
                )
            })
        });
        let key = Key {
            id: None,
            checks: symmetric.collect(),
        };
        Self::new(vec![key], secret)
    }

    /// The one public key that stands in a PEM text.
    ///
    /// # Errors
    ///
    /// A [`KeyError`] if there is none that can be used.
    pub fn of_pem(text: &str) -> Result<Self, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes());
        let der = der.map_err(|_| KeyError::NoPem)?;
        let checks = Public::of_der(&der)
            .map(|public| public.checks(None))
            .unwrap_or_default();
        if checks.is_empty() {
            return Err(KeyError::Unfit);
        }
        Ok(Self::new(vec![Key { id: None, checks }], text.as_bytes()))
    }

    /// The public keys of a JSON Web Key Set (RFC 7517 §5). Keys of another kind, for other uses and of unknown algorithms
    /// are left out, and so are secrets: whoever reads a set of keys could sign with them.
    ///
    /// # Errors
    ///
    /// A [`KeyError`] if no key is left, or if it is no set.
    pub fn of_jwks(text: &[u8]) -> Result<Self, KeyError> {
        let Jwks { keys: written } =
            serde_json::from_slice(text).map_err(|error| KeyError::NoSet(error.to_string()))?;
        let count = written.len();
        if count > MOST_KEYS {
            return Err(KeyError::TooMany(count));
        }
        let keys: Vec<Key> = written.into_iter().filter_map(Key::of_jwk).collect();
        if keys.is_empty() {
            return Err(KeyError::NoneFits(count));
        }
        Ok(Self::new(keys, text))
    }

    fn new(keys: Vec<Key>, text: &[u8]) -> Self {
        let mut version = Version::default();
        version.copy_from_slice(digest(&SHA256, text).as_ref());
        Self {
            keys: keys.into(),
            version,
        }
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has no key; that never is so.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What it was made of.
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// Whether one of its keys is for this algorithm.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| key.check(algorithm).is_some())
    }

    /// Whether one of its keys has signed the token, with one of the algorithms that are `allowed`.
    ///
    /// # Errors
    ///
    /// The [`Fault`] if none has.
    pub fn verify(&self, token: &Token<'_>, allowed: &[Algorithm]) -> Result<(), Fault> {
        if !allowed.contains(&token.algorithm) {
            return Err(Fault::Algorithm);
        }
        let meant = || self.keys.iter().filter(|key| key.is_meant_by(token));
        if meant().next().is_none() {
            return Err(Fault::UnknownKey);
        }
        let mut checks = meant()
            .filter_map(|key| key.check(token.algorithm))
            .peekable();
        if checks.peek().is_none() {
            return Err(Fault::Algorithm);
        }
        let signed = checks.take(MOST_TRIED).any(|check| match check {
            Check::Secret(key) => hmac::verify(key, token.signed, &token.signature).is_ok(),
            Check::Public(key) => key.verify_sig(token.signed, &token.signature).is_ok(),
        });
        signed.then_some(()).ok_or(Fault::Signature)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.keys.len())
    }
}

impl Key {
    fn of_jwk(written: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(written).ok()?;
        if jwk.r#use.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        if let Some(operations) = &jwk.key_ops
            && !operations.iter().any(|operation| operation == "verify")
        {
            return None;
        }
        let only = match &jwk.alg {
            Some(name) => Some(Algorithm::named(name)?),
            None => None,
        };
        let checks = Public::of_jwk(&jwk)?.checks(only);
        let key = Self {
            id: jwk.kid.map(String::into_boxed_str),
            checks,
        };
        (!key.checks.is_empty()).then_some(key)
    }

    fn is_meant_by(&self, token: &Token<'_>) -> bool {
        match (&self.id, &token.key) {
            (Some(id), Some(wanted)) => **id == **wanted,
            _ => true,
        }
    }

    fn check(&self, algorithm: Algorithm) -> Option<&Check> {
        let mut checks = self.checks.iter();
        checks
            .find(|(one, _)| *one == algorithm)
            .map(|(_, check)| check)
    }
}

impl Public {
    fn of_jwk(jwk: &Jwk) -> Option<Self> {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
        match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Some(Self::Rsa {
                modulus: bytes(&jwk.n)?,
                exponent: bytes(&jwk.e)?,
            }),
            ("EC", Some(curve)) => {
                let (algorithm, length) = match curve {
                    "P-256" => (Algorithm::Es256, 32),
                    "P-384" => (Algorithm::Es384, 48),
                    "P-521" => (Algorithm::Es512, 66),
                    _ => return None,
                };
                let (x, y) = (bytes(&jwk.x)?, bytes(&jwk.y)?);
                // RFC 7518 §6.2.1.2: with the zeros in front.
                let whole = x.len() == length && y.len() == length;
                whole.then(|| Self::Ec(algorithm, [&[4][..], &x, &y].concat()))
            }
            ("OKP", Some("Ed25519")) => Some(Self::Ed(bytes(&jwk.x)?)),
            _ => None,
        }
    }

    fn of_der(der: &[u8]) -> Option<Self> {
        let (_, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
        match info.parsed().ok()? {
            PublicKey::RSA(key) => Some(Self::Rsa {
                modulus: key.modulus.to_vec(),
                exponent: key.exponent.to_vec(),
            }),
            PublicKey::EC(point) => {
                let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
                let algorithm = match curve.to_id_string().as_str() {
                    "1.2.840.10045.3.1.7" => Algorithm::Es256,
                    "1.3.132.0.34" => Algorithm::Es384,
                    "1.3.132.0.35" => Algorithm::Es512,
                    _ => return None,
                };
                Some(Self::Ec(algorithm, point.data().to_vec()))
            }
            // RFC 8410 §3.
            _ if info.algorithm.algorithm.to_id_string() == "1.3.101.112" => {
                Some(Self::Ed(info.subject_public_key.data.to_vec()))
            }
            _ => None,
        }
    }

    /// The key made ready for every algorithm that it can be used with, or for `only` that one.
    fn checks(&self, only: Option<Algorithm>) -> Box<[(Algorithm, Check)]> {
        let algorithms = Algorithm::ALL.into_iter();
        let algorithms = algorithms.filter(|algorithm| only.is_none_or(|only| only == *algorithm));
        algorithms
            .filter_map(|algorithm| Some((algorithm, Check::Public(self.parsed(algorithm)?))))
            .collect()
    }

    fn parsed(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        match (self, algorithm.kind()) {
            (Self::Rsa { modulus, exponent }, Kind::Rsa(parameters)) => {
                let (n, e) = (without_zeros(modulus), without_zeros(exponent));
                let key = RsaPublicKeyComponents { n, e };
                let fits = RSA_LENGTHS.contains(&n.len());
                fits.then(|| key.to_parsed_public_key(parameters).ok())?
            }
            (Self::Ec(curve, point), Kind::Ec(parameters)) if *curve == algorithm => {
                ParsedPublicKey::new(parameters, point).ok()
            }
            (Self::Ed(point), Kind::Ed(parameters)) if point.len() == 32 => {
                ParsedPublicKey::new(parameters, point).ok()
            }
            _ => None,
        }
    }
}

/// Some write a number's sign as one more byte in front.
fn without_zeros(number: &[u8]) -> &[u8] {
    let first = number.iter().position(|byte| *byte != 0);
    first.map_or(&[], |first| &number[first..])
}
