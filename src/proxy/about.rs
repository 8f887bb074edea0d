//! What do the hooks know about the connection a request came on?

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pingora::http::ResponseHeader;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::proxy::Session;

use crate::server::door::Door;
use crate::server::door::stay::Stay;

/// A client's connection, as it was accepted.
#[derive(Debug)]
pub struct About {
    /// Where it came in. Not the listener of that time, which would keep its whole generation in memory.
    pub door: Arc<Door>,
    /// Whether it may stay.
    pub stay: Stay,
    /// The other end, after the PROXY protocol; `None` on a Unix socket.
    pub peer: Option<SocketAddr>,
    /// This end's port, after the PROXY protocol; `None` on a Unix socket.
    pub local_port: Option<u16>,
    /// TLS, if it is spoken.
    pub tls: Option<TlsAbout>,
    /// Whether it was closed because its client takes its answers too slowly.
    pub too_slow: AtomicBool,
}

/// What was agreed on in the TLS handshake.
#[derive(Debug)]
pub struct TlsAbout {
    /// The version, as `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite.
    pub cipher: Cow<'static, str>,
    /// The name the client asked for.
    pub name: Option<String>,
}

impl About {
    /// Puts it where Pingora's sessions carry it: the digest of a proxy before us, with room for any data.
    ///
    /// # Errors
    ///
    /// None that an input leads to: the digest wants a response header, and 200 is one.
    pub fn digest(self: &Arc<Self>) -> Result<Arc<ProxyDigest>, pingora::BError> {
        let header = Box::new(ResponseHeader::build(200, Some(0))?);
        Ok(Arc::new(ProxyDigest::new(
            header,
            Some(Box::new(Arc::clone(self))),
        )))
    }

    /// What the session carries.
    pub fn of(session: &Session) -> Option<&Arc<Self>> {
        Self::told(session.digest()?.proxy_digest.as_ref()?)
    }

    /// What was put there.
    pub fn told(digest: &ProxyDigest) -> Option<&Arc<Self>> {
        digest.user_data.as_ref()?.downcast_ref::<Arc<Self>>()
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> super::forward::Scheme {
        if self.tls.is_some() {
            super::forward::Scheme::Https
        } else {
            super::forward::Scheme::Http
        }
    }
}
