//! Does the origin speak TLS to those it should?

use std::sync::Arc;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use origin::{Origin, TlsSettings};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair,
    generate_simple_self_signed,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client::{collect, request};

/// A certificate and its key, in PEM.
type Identity = (String, String);

fn origin_identity() -> Identity {
    let made = generate_simple_self_signed(["origin.test".to_owned()]).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// The certificate of an authority and a client it vouches for.
fn client_identity() -> (String, Identity) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
        .expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let client = CertificateParams::new(["client.test".to_owned()])
        .expect("parameters")
        .signed_by(&key, &authority)
        .expect("a certificate");
    (authority.pem(), (client.pem(), key.serialize_pem()))
}

/// What `/echo` says of the TLS session, or nothing if there is no answer.
async fn session(
    origin: &Origin,
    trusted: &str,
    alpn: &[&str],
    identity: Option<&Identity>,
) -> Option<Value> {
    let mut roots = RootCertStore::empty();
    let trusted = CertificateDer::from_pem_slice(trusted.as_bytes()).expect("PEM");
    roots.add(trusted).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some((cert, key)) => {
            let cert = CertificateDer::from_pem_slice(cert.as_bytes()).expect("PEM");
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
            config
                .with_client_auth_cert(vec![cert], key)
                .expect("a pair")
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let address = origin.address().expect("an address");
    let stream = TcpStream::connect(address).await.expect("connected");
    let name = ServerName::try_from("origin.test").expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let io = TokioIo::new(stream.await.ok()?);
    let ask = request("GET", "/echo", "");
    let response = if alpn == ["h2"] {
        let executor = hyper_util::rt::TokioExecutor::new();
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
            .await
            .ok()?;
        tokio::spawn(connection);
        sender.send_request(ask).await.ok()?
    } else {
        let (mut sender, connection) = http1::handshake(io).await.ok()?;
        tokio::spawn(connection);
        sender.send_request(ask).await.ok()?
    };
    Some(collect(response).await.ok()?.json()["tls"].take())
}

#[tokio::test]
async fn rfc7301_the_protocol_is_agreed_by_alpn() {
    let (cert_pem, key_pem) = origin_identity();
    let settings = TlsSettings {
        cert_pem: cert_pem.clone(),
        key_pem,
        client_ca_pem: None,
    };
    let origin = Origin::builder().tls(settings).start().await;
    let origin = origin.expect("started");
    for (offered, agreed) in [
        (&["h2"][..], json!("h2")),
        (&["http/1.1"][..], json!("http/1.1")),
        (&[][..], Value::Null),
    ] {
        let session = session(&origin, &cert_pem, offered, None).await;
        let expected = json!({
            "version": "TLSv1_3",
            "alpn": agreed,
            "sni": "origin.test",
            "client_certificates": 0,
        });
        assert_eq!(session, Some(expected));
    }
}

#[tokio::test]
async fn with_a_client_authority_only_its_clients_get_in() {
    let (cert_pem, key_pem) = origin_identity();
    let (authority_pem, client) = client_identity();
    let (_, stranger) = client_identity();
    let settings = TlsSettings {
        cert_pem: cert_pem.clone(),
        key_pem,
        client_ca_pem: Some(authority_pem),
    };
    let origin = Origin::builder().tls(settings).start().await;
    let origin = origin.expect("started");
    let let_in = session(&origin, &cert_pem, &["h2"], Some(&client)).await;
    assert_eq!(let_in.expect("an answer")["client_certificates"], 1);
    let unknown = session(&origin, &cert_pem, &["h2"], Some(&stranger)).await;
    assert_eq!(unknown, None);
    assert_eq!(session(&origin, &cert_pem, &["h2"], None).await, None);
    assert_eq!(origin.journal().requests(), 1);
}
