//! What does a token cost, when it is known and when it has to be verified?

use std::hint::black_box;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, criterion_group, criterion_main};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis::config::load::load_str;
use portcullis::config::{Config, Diagnostics};
use portcullis::policy::access::{Asked, Granted, Policies, Ruling, Verdict};
use portcullis::proxy::forward::Scheme;
use portcullis::route::Request;
use portcullis::snapshot;
use portcullis::state::State;
use portcullis::telemetry::Metrics;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| str::from_utf8(line).expect("text"))
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// A key to sign with, and how a route is told of it.
fn key(algorithm: Algorithm, file: &PathBuf) -> (EncodingKey, String) {
    let (key, public) = match algorithm {
        Algorithm::HS256 => {
            let key = EncodingKey::from_secret(SECRET.as_bytes());
            return (key, format!("secret: {SECRET}"));
        }
        Algorithm::RS256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
            let private: Pkcs8V1Der<'_> = pair.as_der().expect("DER");
            let private = pem("PRIVATE KEY", private.as_ref());
            let key = EncodingKey::from_rsa_pem(private.as_bytes()).expect("a key");
            let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("DER");
            (key, der)
        }
        Algorithm::ES256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
            let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().expect("DER").as_ref());
            (key, pair.public_key().as_der().expect("DER"))
        }
        _ => {
            let pair = Ed25519KeyPair::generate().expect("a key");
            let key = EncodingKey::from_ed_der(pair.to_pkcs8().expect("DER").as_ref());
            (key, pair.public_key().as_der().expect("DER"))
        }
    };
    std::fs::write(file, pem("PUBLIC KEY", public.as_ref())).expect("a file");
    (key, format!("key: '{}'", file.display()))
}

fn policies(state: &State, jwt: &str) -> Policies {
    let text = format!(
        "listeners: [{{ name: http, address: '127.0.0.1:0' }}]\n\
         routes: [{{ name: all, respond: {{}}, jwt: {{ {jwt} }} }}]\n"
    );
    let mut diagnostics = Diagnostics::default();
    let loaded = load_str("bench.yaml", &text, &|_| None, &mut diagnostics).expect("a document");
    let config = Config::read(&loaded.root, &mut diagnostics);
    let compiled = snapshot::compile(&config, state, &Default::default(), SystemTime::UNIX_EPOCH);
    let snapshot = compiled.snapshot.expect("a configuration that compiles");
    let request = Request {
        host: "a.test",
        path: "/",
        query: None,
        method: &Method::GET,
        headers: &HeaderMap::new(),
    };
    let (route, _) = snapshot.listeners[0]
        .routes
        .find(&request)
        .expect("a route");
    route.access.clone()
}

fn tokens(c: &mut Criterion) {
    let metrics = Metrics::new().expect("metrics that fit together");
    let state = State::new(Arc::new(metrics));
    let directory = tempfile::tempdir().expect("a directory");
    for algorithm in [
        Algorithm::RS256,
        Algorithm::ES256,
        Algorithm::EdDSA,
        Algorithm::HS256,
    ] {
        let (key, written) = key(
            algorithm,
            &directory.path().join(format!("{algorithm:?}.pem")),
        );
        let claims = serde_json::json!({
            "iss": "https://id.example/", "aud": ["api", "web"], "sub": "3b241101-e2bb-4255-8caf-4136c566a962",
            "exp": 4_000_000_000_u64, "iat": 1_700_000_000, "scope": "openid profile email",
            "realm_access": { "roles": ["user", "editor", "reviewer"] }, "name": "Ada Lovelace",
        });
        let token = jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).expect("a token");
        let mut headers = HeaderMap::new();
        headers.insert(
            AUTHORIZATION,
            format!("Bearer {token}").parse().expect("a value"),
        );
        let request = Request {
            host: "a.test",
            path: "/",
            query: None,
            method: &Method::GET,
            headers: &headers,
        };
        let asked = Asked {
            request: &request,
            told_query: request.query,
            target: b"/",
            client: Some(IpAddr::from([192, 0, 2, 1])),
            scheme: Scheme::Https,
            upgrade: false,
            now: Instant::now(),
            time: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        };
        let mut group = c.benchmark_group(format!("jwt/{algorithm:?}"));
        for (name, cache) in [("verified", 0), ("known", 1_000)] {
            let jwt = format!(
                "{written}, algorithms: [{algorithm:?}], issuer: https://id.example/, audience: api, cache: {cache}, \
                 claims_to_headers: {{ X-User: sub, X-Roles: realm_access.roles }}"
            );
            let policies = policies(&state, &jwt);
            group.bench_function(name, |b| {
                b.iter(|| {
                    let mut granted = Granted::default();
                    let verdict = policies[0].decide(black_box(&asked), &mut granted);
                    assert!(matches!(verdict, Verdict::Now(Ruling::Pass)));
                    granted
                });
            });
        }
    }
}

criterion_group!(benches, tokens);
criterion_main!(benches);
