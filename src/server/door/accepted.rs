//! What is a connection that was just accepted, before anyone knows whether it may come in?

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use tokio::net::{TcpStream, UnixStream};

use crate::server::connection::socket::Socket;

/// An accepted connection. Nothing was asked of the system about it yet: one that is refused costs no more than this.
#[derive(Debug)]
pub enum Accepted {
    /// TCP, from this address.
    Tcp(TcpStream, SocketAddr),
    /// A Unix stream socket.
    Unix(UnixStream),
}

/// A connection that came in.
#[derive(Debug)]
pub struct Arrival {
    /// Its socket.
    pub socket: Socket,
    /// The other end; `None` on a Unix socket.
    pub peer: Option<SocketAddr>,
    /// Our end; `None` on a Unix socket.
    pub local: Option<SocketAddr>,
}

impl Accepted {
    /// The address it comes from; `None` on a Unix socket. An IPv4 client of a socket for IPv6 and IPv4 is still an IPv4
    /// client.
    pub fn peer(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(_, peer) => Some(peer.ip().to_canonical()),
            Self::Unix(_) => None,
        }
    }

    /// The number of its descriptor.
    pub fn fd(&self) -> RawFd {
        match self {
            Self::Tcp(stream, _) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }

    /// Closes it at once: the client gets a reset, and the system has nothing left to remember of the connection.
    pub fn refuse(self) {
        if let Self::Tcp(stream, _) = self {
            Socket::from(stream).reset_on_close();
        }
    }

    /// Makes it ready to be read; `None` if the client has gone already: nothing else fails here.
    pub fn take_in(self) -> Option<Arrival> {
        match self {
            Self::Tcp(stream, peer) => {
                stream.set_nodelay(true).ok()?;
                let local = stream.local_addr().ok()?;
                Some(Arrival {
                    socket: Socket::from(stream),
                    peer: Some(peer),
                    local: Some(local),
                })
            }
            Self::Unix(stream) => Some(Arrival {
                socket: Socket::from(stream),
                peer: None,
                local: None,
            }),
        }
    }
}
