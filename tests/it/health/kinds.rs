//! Can endpoints of every kind be checked: over TLS, HTTP/2, gRPC, TCP, Unix sockets, at another place?

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const FAST: &str = "interval: 50ms, timeout: 5s, fall: 2, rise: 2";

#[tokio::test]
async fn over_tcp_a_connection_is_enough() {
    // It accepts nobody: the system does.
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let listener = std::net::TcpListener::bind(address).expect("a port");
    let health = format!("type: tcp, initial: unhealthy, {FAST}");
    let portcullis = Portcullis::start(&checked(&[address], &health)).await;
    becomes(&portcullis, address, true).await;
    drop(listener);
    becomes(&portcullis, address, false).await;
}

#[tokio::test]
async fn a_unix_socket_is_checked() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("app.sock");
    let start = async || {
        let builder = origin::Origin::builder().listen_unix(&path);
        builder.start().await.expect("an origin")
    };
    let origin = start().await;
    let yaml = checked(&[], &format!("initial: checking, {FAST}")).replace(
        "endpoints: []",
        &format!("endpoints: [\"unix:{}\"]", path.display()),
    );
    let portcullis = Portcullis::start(&yaml).await;
    let healthy = "portcullis_upstream_healthy";
    eventually("it is healthy", async || {
        portcullis.metric(healthy).await == 1.0
    })
    .await;
    origin.stop().await;
    eventually("it is not", async || {
        portcullis.metric(healthy).await == 0.0
    })
    .await;
    portcullis.says("is unhealthy: no such socket").await;
    let _origin = start().await;
    eventually("it is again", async || {
        portcullis.metric(healthy).await == 1.0
    })
    .await;
}

#[tokio::test]
async fn over_http2_in_the_clear_and_over_tls_the_pool_s_protocol_is_spoken() {
    let authority = Authority::new();
    let identity = authority.issue(&["app.test"]);
    for protocol in ["http1", "http2"] {
        for tls in [false, true] {
            let mut builder = origin::Origin::builder();
            if tls {
                builder = builder.tls(origin::TlsSettings {
                    cert_pem: identity.certificate.clone(),
                    key_pem: identity.key.clone(),
                    client_ca_pem: None,
                });
            }
            let origin = builder.start().await.expect("an origin");
            let address = origin.address().expect("TCP");
            let tls = if tls {
                "tls: {ca: ca.pem, name: app.test}, "
            } else {
                ""
            };
            let version = if protocol == "http2" {
                "HTTP/2.0"
            } else {
                "HTTP/1.1"
            };
            // What it says about the request is how it was asked.
            let health =
                format!("health: {{path: /echo, body: '{version}', initial: unhealthy, {FAST}}}");
            let settings = format!("protocol: {protocol}, {tls}{health}");
            let portcullis = Portcullis::builder(&with_pool(&[address], &settings))
                .file("ca.pem", authority.pem())
                .start()
                .await;
            becomes(&portcullis, address, true).await;
            drop(origin);
            becomes(&portcullis, address, false).await;
        }
    }
}

#[tokio::test]
async fn an_endpoint_whose_certificate_is_not_good_is_unhealthy() {
    let (authority, other) = (Authority::new(), Authority::new());
    let identity = authority.issue(&["app.test"]);
    let builder = origin::Origin::builder().tls(origin::TlsSettings {
        cert_pem: identity.certificate.clone(),
        key_pem: identity.key.clone(),
        client_ca_pem: None,
    });
    let origin = builder.start().await.expect("an origin");
    let address = origin.address().expect("TCP");
    let yaml = with_pool(
        &[address],
        &format!("tls: {{ca: ca.pem, name: app.test}}, health: {{type: tcp, {FAST}}}"),
    );
    let portcullis = Portcullis::builder(&yaml)
        .file("ca.pem", other.pem())
        .start()
        .await;
    portcullis.says("is unhealthy: TLS handshake: ").await;
    // The right authority makes the check another one, for which one success is enough.
    portcullis.replace("ca.pem", authority.pem());
    portcullis.apply(&yaml).await;
    becomes(&portcullis, address, true).await;
}

#[tokio::test]
async fn a_check_may_go_to_another_port_or_address_and_without_the_pool_s_tls() {
    let (patient, elsewhere) = (Patient::start("a").await, Patient::start("b").await);
    let port = elsewhere.address().port();
    for place in [
        format!("port: {port}"),
        format!("address: '127.0.0.1:{port}'"),
    ] {
        elsewhere.says(200, "");
        let health = format!("path: /health, {place}, tls: false, initial: checking, {FAST}");
        let settings = format!("tls: {{verify: false}}, health: {{{health}}}");
        let yaml = with_pool(&[patient.address()], &settings);
        let portcullis = Portcullis::start(&yaml).await;
        becomes(&portcullis, patient.address(), true).await;
        elsewhere.says(500, "");
        becomes(&portcullis, patient.address(), false).await;
    }
    assert!(patient.checks().is_empty());
}

/// Answers `grpc.health.v1.Health/Check` for the service `shop` with this status, and for others that they are unknown;
/// over TLS if it has an identity.
async fn grpc(status: Arc<AtomicU8>, identity: Option<&Identity>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let tls = identity.map(|identity| TlsAcceptor::from(Arc::new(only_http2(identity))));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (status, tls) = (Arc::clone(&status), tls.clone());
            tokio::spawn(async move {
                // The end of the check ends the connection, in whatever way.
                let _ = match tls {
                    None => calls(stream, status).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => calls(stream, status).await,
                        Err(_) => Ok(()),
                    },
                };
            });
        }
    });
    address
}

fn only_http2(identity: &Identity) -> ServerConfig {
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![identity.der()], key)
        .expect("they belong together");
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

async fn calls(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    status: Arc<AtomicU8>,
) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        tokio::spawn(answer(request, respond, Arc::clone(&status)));
    }
    Ok(())
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    status: Arc<AtomicU8>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let mut message = Vec::new();
    while let Some(piece) = body.data().await {
        message.extend_from_slice(&piece?);
    }
    assert_eq!(head.uri.path(), "/grpc.health.v1.Health/Check");
    assert_eq!(head.headers["content-type"], "application/grpc");
    assert_eq!(head.headers["te"], "trailers");
    assert_eq!(head.method, http::Method::POST);
    let mut fields = HeaderMap::new();
    fields.insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut response = Response::new(());
    if message != b"\0\0\0\0\x06\x0a\x04shop" {
        fields.insert("grpc-status", HeaderValue::from_static("5"));
        fields.insert("grpc-message", HeaderValue::from_static("unknown service"));
        *response.headers_mut() = fields;
        respond.send_response(response, true)?;
        return Ok(());
    }
    *response.headers_mut() = fields;
    let mut stream = respond.send_response(response, false)?;
    // In two pieces, as anything may come.
    stream.send_data(Bytes::from_static(b"\0\0\0\0\x02\x08"), false)?;
    let status = Bytes::copy_from_slice(&[status.load(Ordering::Relaxed)]);
    stream.send_data(status, false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}

#[tokio::test]
async fn a_grpc_service_is_healthy_while_it_says_that_it_serves() {
    let authority = Authority::new();
    let identity = authority.issue(&["app.test"]);
    for (identity, tls) in [
        (None, ""),
        (Some(&identity), "tls: {ca: ca.pem, name: app.test}, "),
    ] {
        let status = Arc::new(AtomicU8::new(1));
        let address = grpc(Arc::clone(&status), identity).await;
        grpc_is_checked(address, tls, &authority, &status).await;
    }
}

async fn grpc_is_checked(address: SocketAddr, tls: &str, authority: &Authority, status: &AtomicU8) {
    let of = |service: &str| {
        let health = format!("type: grpc, service: {service}, initial: checking, {FAST}");
        with_pool(
            &[address],
            &format!("protocol: http2, {tls}health: {{{health}}}"),
        )
    };
    let portcullis = Portcullis::builder(&of("shop"))
        .file("ca.pem", authority.pem())
        .start()
        .await;
    becomes(&portcullis, address, true).await;
    status.store(2, Ordering::Relaxed);
    becomes(&portcullis, address, false).await;
    portcullis
        .says("is unhealthy: the service says NOT_SERVING")
        .await;
    status.store(1, Ordering::Relaxed);
    becomes(&portcullis, address, true).await;
    portcullis.apply(&of("other")).await;
    portcullis
        .says("is unhealthy: grpc-status 5 (unknown service)")
        .await;
}
