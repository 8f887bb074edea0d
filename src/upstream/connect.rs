//! How is a connection to an endpoint opened, and why could it not be?

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pingora_timeout::fast_timeout::fast_timeout;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::connection::{EndpointConnection, EndpointWire};
use super::{Peer, PeerTls};
use crate::error::Reason;
use crate::pool::Address;
use crate::server::connection::socket::Socket;

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The system said no.
    #[error("connect: {0}")]
    Connect(#[source] io::Error),
    /// TLS did not come about.
    #[error("TLS handshake: {0}")]
    Tls(#[source] io::Error),
    /// It took too long.
    #[error("not connected after {0:?}")]
    Timeout(Duration),
}

impl ConnectError {
    /// The reason a request that needed the connection ends with.
    pub fn reason(&self) -> Reason {
        match self {
            ConnectError::Connect(error) => of_connect(error),
            ConnectError::Tls(_) => Reason::UpstreamTls,
            ConnectError::Timeout(_) => Reason::ConnectTimeout,
        }
    }
}

/// What the system's word about a failed connect means.
pub fn of_connect(error: &io::Error) -> Reason {
    if is_shortage(error) {
        return Reason::Overloaded;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Reason::ConnectRefused,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        _ => Reason::ConnectFailed,
    }
}

/// Whether the system could not do what it was asked for want of descriptors. That is no endpoint's fault.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Opens a connection, TLS included, within `limit`.
///
/// # Errors
///
/// [`ConnectError`], which knows its [`Reason`].
pub async fn connect(peer: &Peer, limit: Duration) -> Result<EndpointConnection, ConnectError> {
    match fast_timeout(limit, open(&peer.address, peer.tls.as_ref())).await {
        Ok(opened) => opened,
        Err(_) => Err(ConnectError::Timeout(limit)),
    }
}

/// Opens a connection, TLS included. How long that may take is the caller's business.
///
/// # Errors
///
/// [`ConnectError`], but no time-out.
pub async fn open(
    address: &Address,
    tls: Option<&PeerTls>,
) -> Result<EndpointConnection, ConnectError> {
    let socket = match address {
        Address::Inet(address) => {
            let stream = TcpStream::connect(address)
                .await
                .map_err(ConnectError::Connect)?;
            stream.set_nodelay(true).map_err(ConnectError::Connect)?;
            Socket::from(stream)
        }
        Address::Unix(path) => Socket::from(
            UnixStream::connect(path.as_path())
                .await
                .map_err(ConnectError::Connect)?,
        ),
    };
    let Some(tls) = tls else {
        return Ok(EndpointWire::Plain(socket).into());
    };
    let stream = TlsConnector::from(Arc::clone(&tls.settings.config))
        .connect(tls.name.clone(), socket)
        .await
        .map_err(ConnectError::Tls)?;
    Ok(EndpointWire::Tls(Box::new(stream)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_want_of_descriptors_is_ours_and_no_endpoint_is_blamed_for_it() {
        for (code, reason) in [
            (libc::EMFILE, Reason::Overloaded),
            (libc::ENFILE, Reason::Overloaded),
            (libc::ECONNREFUSED, Reason::ConnectRefused),
            (libc::ETIMEDOUT, Reason::ConnectTimeout),
            (libc::ENETUNREACH, Reason::ConnectFailed),
        ] {
            assert_eq!(of_connect(&io::Error::from_raw_os_error(code)), reason);
        }
    }
}
