//! Who signs the tokens of the tests?

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
    RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, AlgorithmFamily, EncodingKey, Header, crypto};
use serde_json::{Value, json};

use super::super::keys::KeySet;

/// A key pair of its own.
pub struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    /// Its public key in a set.
    pub jwk: Value,
    /// Its public key in PEM.
    pub pem: String,
    /// The same in DER.
    pub der: Vec<u8>,
}

impl Signer {
    pub fn new(algorithm: Algorithm, kid: &str) -> Self {
        let (key, mut jwk, der) = match algorithm.family() {
            AlgorithmFamily::Rsa => rsa(),
            AlgorithmFamily::Ec => ec(algorithm),
            AlgorithmFamily::Ed => ed(),
            AlgorithmFamily::Hmac => panic!("no key pair"),
        };
        jwk["kid"] = kid.into();
        Self {
            algorithm,
            key,
            jwk,
            pem: pem("PUBLIC KEY", &der),
            der,
        }
    }

    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = self.jwk["kid"].as_str().map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &self.key).expect("a token")
    }

    /// Signs whatever stands in the header.
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = crypto::sign(message.as_bytes(), &self.key, self.algorithm);
        format!("{message}.{}", signature.expect("a signature"))
    }
}

pub fn set(signers: &[&Signer]) -> KeySet {
    let keys: Vec<&Value> = signers.iter().map(|signer| &signer.jwk).collect();
    KeySet::of_jwks(json!({ "keys": keys }).to_string().as_bytes()).expect("a set")
}

pub fn with_secret(algorithm: Algorithm, secret: &[u8], claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("a token")
}

/// A key on P-521, and a token of it.
pub fn es512(claims: &Value) -> (Value, String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).expect("a key");
    let message = message(&json!({ "alg": "ES512" }), claims);
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(signature.expect("a signature"));
    (
        ec_jwk("P-521", pair.public_key().as_ref()),
        format!("{message}.{signature}"),
    )
}

pub fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().expect("three parts")
}

fn message(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}")
}

fn rsa() -> (EncodingKey, Value, Vec<u8>) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let private: Pkcs8V1Der<'_> = pair.as_der().expect("DER");
    let key = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes());
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    let [n, e] = [public.n, public.e].map(|number| URL_SAFE_NO_PAD.encode(number));
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("DER");
    let jwk = json!({ "kty": "RSA", "n": n, "e": e });
    (key.expect("a key"), jwk, der.as_ref().to_vec())
}

fn ec(algorithm: Algorithm) -> (EncodingKey, Value, Vec<u8>) {
    let (curve, parameters) = match algorithm {
        Algorithm::ES256 => ("P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
        _ => ("P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
    };
    let pair = EcdsaKeyPair::generate(parameters).expect("a key");
    let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().expect("DER").as_ref());
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("DER");
    let jwk = ec_jwk(curve, pair.public_key().as_ref());
    (key, jwk, der.as_ref().to_vec())
}

fn ec_jwk(curve: &str, point: &[u8]) -> Value {
    let (x, y) = point[1..].split_at(point.len() / 2);
    let [x, y] = [x, y].map(|number| URL_SAFE_NO_PAD.encode(number));
    json!({ "kty": "EC", "crv": curve, "x": x, "y": y })
}

fn ed() -> (EncodingKey, Value, Vec<u8>) {
    let pair = Ed25519KeyPair::generate().expect("a key");
    let key = EncodingKey::from_ed_der(pair.to_pkcs8().expect("DER").as_ref());
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("DER");
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
    (key, jwk, der.as_ref().to_vec())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&[u8]> = text.as_bytes().chunks(64).collect();
    let body = String::from_utf8(lines.join(&b'\n')).expect("text");
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}
