//! How does a client get a connection?

use std::net::{SocketAddr, TcpStream as Socket};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ALL_VERSIONS, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::book::{What, within};
use crate::support::client_config;

/// A connection, plain or TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Which version of HTTP a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// Where all clients go in.
pub struct Door {
    address: SocketAddr,
    tls: Option<Tls>,
}

struct Tls {
    name: String,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Door {
    pub fn new(address: SocketAddr) -> Self {
        let tls = None;
        Self { address, tls }
    }

    pub fn with_tls(mut self, name: &str, roots: &Arc<RootCertStore>) -> Self {
        let config = |alpn| Arc::new(client_config(roots, ALL_VERSIONS, &[alpn]));
        self.tls = Some(Tls {
            name: name.to_owned(),
            http1: config("http/1.1"),
            http2: config("h2"),
        });
        self
    }

    /// What requests call the other end.
    pub fn authority(&self) -> String {
        match &self.tls {
            Some(tls) => format!("{}:{}", tls.name, self.address.port()),
            None => self.address.to_string(),
        }
    }

    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// A new connection, and a second hold on its socket, to look at and nothing else.
    ///
    /// # Errors
    ///
    /// [`What::NoConnection`], [`What::Late`].
    pub async fn open(&self, protocol: Protocol) -> Result<(Box<dyn Stream>, Socket), What> {
        let connecting = within("a connection", TcpStream::connect(self.address)).await?;
        let stream = connecting.map_err(|error| What::NoConnection(error.to_string()))?;
        let socket = stream.into_std().expect("a socket");
        let second = socket.try_clone().expect("a socket");
        let stream = TcpStream::from_std(socket).expect("a socket");
        let Some(tls) = &self.tls else {
            return Ok((Box::new(stream), second));
        };
        let config = match protocol {
            Protocol::Http1 => &tls.http1,
            Protocol::Http2 => &tls.http2,
        };
        let name = ServerName::try_from(tls.name.clone()).expect("a name");
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        let stream = within("a TLS handshake", handshake).await?;
        let stream = stream.map_err(|error| What::NoConnection(format!("TLS: {error}")))?;
        let agreed = stream.get_ref().1.alpn_protocol();
        if protocol == Protocol::Http2 && agreed != Some(b"h2") {
            let other = format!("TLS: agreed on {agreed:?} instead of HTTP/2");
            return Err(What::NoConnection(other));
        }
        Ok((Box::new(stream), second))
    }
}
