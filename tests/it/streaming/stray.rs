//! Does what an endpoint sends unasked ever reach another client?

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::*;

/// The header, padded so that it and the body are exactly what Pingora reads at once: then nothing of what follows is
/// seen by its session.
fn exactly_one_read() -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\nX-Padding: ".to_vec();
    answer.resize(96 - 4, b'x');
    answer.extend_from_slice(b"\r\n\r\n");
    answer.resize(4096, b'a');
    answer
}

const STRAY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON";
const OWN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown";

/// Answers `/first` with an answer and a stray one behind it, in one write, and everything else with its own.
async fn play(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let mut heard = Vec::new();
    loop {
        if stream.read_buf(&mut heard).await? == 0 {
            return Ok(());
        }
        if !heard.ends_with(b"\r\n\r\n") {
            continue;
        }
        if heard.starts_with(b"GET /first") {
            stream
                .write_all(&[&exactly_one_read(), STRAY].concat())
                .await?;
        } else {
            stream.write_all(OWN).await?;
        }
        stream.flush().await?;
        heard.clear();
    }
}

async fn endpoint(identity: Option<Identity>) -> SocketAddr {
    let acceptor = identity.map(|identity| {
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![identity.der()], key)
            .expect("a certificate");
        TlsAcceptor::from(Arc::new(config))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Portcullis closes what it does not trust; that ends the play.
                let _ = match acceptor {
                    None => play(stream).await,
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => play(stream).await,
                        Err(error) => Err(error),
                    },
                };
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_nobody_asked_for_is_nobodys_answer() {
    both_carriers(async |carrier| {
        let authority = Authority::new();
        for tls in [false, true] {
            let address = endpoint(tls.then(|| authority.issue(&["inner.test"]))).await;
            let mut yaml = site("", Some(address));
            if tls {
                yaml = yaml.replace("]}]", "], tls: {ca: ca.pem, name: inner.test}}]");
            }
            let portcullis = Portcullis::builder(&yaml)
                .file("ca.pem", authority.pem())
                .carrier(carrier)
                .start()
                .await;
            for _ in 0..5 {
                let mut first = http1(portcullis.listener("http")).await;
                let answer = first.get("/first").await;
                assert_eq!(answer.status, 200);
                assert_eq!(answer.body.len(), 4000);
                let mut second = http1(portcullis.listener("http")).await;
                let answer = second.get("/second").await;
                assert_eq!(answer.body, "own", "TLS: {tls}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_not_used_again_do_not_stay_open() {
    for settings in [
        "keepalive: {idle: 0s}",
        "keepalive: {connections: 0}",
        "timeouts: {first_byte: 20s, read: 40s}",
    ] {
        let origin = origin().await;
        let yaml = site("", origin.address()).replace("]}]", &format!("], {settings}}}]"));
        let portcullis = Portcullis::start(&yaml).await;
        for _ in 0..10 {
            let mut client = http1(portcullis.listener("http")).await;
            assert_eq!(client.post("/upload", "a body").await.status, 200);
        }
        let journal = origin.journal();
        assert!(
            journal
                .becomes(PATIENCE, |journal| journal.open_connections() == 0)
                .await,
            "{settings}: {journal:?}"
        );
    }
}
