//! Who signs the tokens of a test, and where are the keys that they are verified with?

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::Identity;

/// A key pair on P-256.
pub struct SigningKey {
    key: EncodingKey,
    /// The public key, in a set.
    pub jwk: Value,
    /// The public key alone.
    pub point: Vec<u8>,
}

impl SigningKey {
    /// A new one of this name.
    pub fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|number| URL_SAFE_NO_PAD.encode(number));
        Self {
            key: EncodingKey::from_ec_der(pair.to_pkcs8v1().expect("DER").as_ref()),
            jwk: json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y }),
            point: pair.public_key().as_ref().to_vec(),
        }
    }

    /// A token with these claims, as the field `Authorization`; it is good for a minute unless they say otherwise.
    pub fn bearer(&self, claims: &Value) -> String {
        self.named(self.jwk["kid"].as_str().expect("a name"), claims)
    }

    /// The same, with another name for its key.
    pub fn named(&self, kid: &str, claims: &Value) -> String {
        let mut claims = claims.clone();
        if claims.get("exp").is_none() {
            claims["exp"] = in_seconds(60).into();
        }
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(kid.to_owned());
        let token = jsonwebtoken::encode(&header, &claims, &self.key).expect("a token");
        format!("Bearer {token}")
    }

    /// The same, of someone who has no private key: with an algorithm of that name, and signed with HMAC and this secret;
    /// not signed at all without one.
    pub fn forged(&self, algorithm: &str, secret: &[u8], claims: &Value) -> String {
        let mut claims = claims.clone();
        claims["exp"] = in_seconds(60).into();
        let header = json!({ "alg": algorithm, "kid": self.jwk["kid"] });
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = match secret {
            [] => String::new(),
            secret => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()))
            }
        };
        format!("Bearer {signed}.{signature}")
    }

    /// The set of these keys.
    pub fn set(keys: &[&Self]) -> String {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.jwk).collect();
        json!({ "keys": keys }).to_string()
    }
}

/// A time for a token, in seconds since 1970.
pub fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or(Duration::ZERO).as_secs();
    i64::try_from(now).expect("a time") + seconds
}

/// What is served in the place of keys.
#[derive(Clone)]
pub enum Serves {
    /// This body, with this status.
    Body(u16, String),
    /// Nothing; the connection stays open.
    Silence,
}

/// An address that serves keys. When it is dropped nobody listens there.
pub struct Issuer {
    /// Where.
    pub address: SocketAddr,
    serves: Arc<Mutex<Serves>>,
    asked: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Issuer {
    /// Serves these keys at a free port, or at this one; over TLS if there is an identity for it.
    pub async fn start(port: u16, tls: Option<&Identity>, keys: &[&SigningKey]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let serves = Arc::new(Mutex::new(Serves::Body(200, SigningKey::set(keys))));
        let asked = Arc::new(AtomicUsize::new(0));
        let acceptor = tls.map(acceptor);
        let mut tasks = JoinSet::new();
        let (answers, count) = (Arc::clone(&serves), Arc::clone(&asked));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, count) = (Arc::clone(&answers), Arc::clone(&count));
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    match acceptor {
                        None => answer(stream, &answers, &count).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                answer(stream, &answers, &count).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            serves,
            asked,
            _tasks: tasks,
        }
    }

    /// From now on these keys.
    pub fn has(&self, keys: &[&SigningKey]) {
        self.serve(Serves::Body(200, SigningKey::set(keys)));
    }

    /// From now on this.
    pub fn serve(&self, serves: Serves) {
        *self.serves.lock().expect("no panic inside") = serves;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn acceptor(identity: &Identity) -> TlsAcceptor {
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject;

    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("versions")
    .with_no_client_auth()
    .with_single_cert(vec![identity.der()], key);
    TlsAcceptor::from(Arc::new(config.expect("a certificate")))
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    serves: &Mutex<Serves>,
    asked: &AtomicUsize,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    asked.fetch_add(1, Ordering::Relaxed);
    let serves = serves.lock().expect("no panic inside").clone();
    match serves {
        Serves::Body(status, body) => {
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} So\r\nContent-Length: {length}\r\n\r\n{body}");
            // Who asked may not wait for it.
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Serves::Silence => std::future::pending().await,
    }
}
