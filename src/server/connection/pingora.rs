//! What does Pingora want to know about a connection?

use std::sync::Arc;

use ::pingora::protocols::raw_connect::ProxyDigest;
use ::pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};

use super::{Connection, Wire};

impl UniqueID for Connection {
    fn id(&self) -> UniqueIDType {
        self.wire.socket().fd()
    }
}

impl Ssl for Connection {
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        match &self.wire {
            Wire::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                Some(ALPN::H2)
            }
            _ => None,
        }
    }
}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.about))
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl Peek for Connection {}
