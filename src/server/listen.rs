//! How are the sockets of a listener opened, one for each worker?

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::socket::Socket as Stream;
use crate::pool::Address;

/// The kernel's queue of connections that nobody has accepted yet; it takes no more than `net.core.somaxconn`.
const BACKLOG: i32 = 65_535;

/// A listening socket.
#[derive(Debug)]
pub enum ListeningSocket {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix stream socket.
    Unix(UnixListener),
}

/// The sockets of one listener.
#[derive(Debug)]
pub struct Bound {
    /// Where it really is: the kernel's choice for port 0.
    pub address: Address,
    /// One for each worker.
    pub sockets: Vec<ListeningSocket>,
}

/// Why an address can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process, or another socket of this one, is there.
    #[error("{address}: {what} is taken by another process; stop it, or choose another address")]
    Taken {
        /// The address.
        address: Address,
        /// The port, or the path.
        what: String,
    },
    /// A file that is something else is there.
    #[error("{0}: there is a file that is not a socket; remove it, or choose another path")]
    NoSocket(Address),
    /// A port below 1024 needs a right.
    #[error(
        "{0}: this port needs the right to bind low ports (CAP_NET_BIND_SERVICE); give it to the process, or choose a \
         port from 1024 on"
    )]
    NotPermitted(Address),
    /// The address is not one of this machine.
    #[error("{0}: this machine has no such address")]
    NoSuchAddress(Address),
    /// Something else.
    #[error("{address}: {source}")]
    Other {
        /// The address.
        address: Address,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Opens `shards` sockets at `address`. TCP connections are spread over them by the kernel (SO_REUSEPORT), so that no
/// worker wakes another's.
///
/// # Errors
///
/// A [`BindError`] that names the port.
pub fn bind(address: &Address, shards: usize) -> Result<Bound, BindError> {
    match address {
        Address::Inet(inet) => bind_tcp(*inet, shards).map_err(|error| explain(address, error)),
        Address::Unix(path) => bind_unix(path, shards).map_err(|error| explain(address, error)),
    }
}

fn explain(address: &Address, source: io::Error) -> BindError {
    let address = address.clone();
    match source.kind() {
        io::ErrorKind::AddrInUse if matches!(&address, Address::Unix(path) if !is_socket(path)) => {
            BindError::NoSocket(address)
        }
        io::ErrorKind::AddrInUse => {
            let what = match &address {
                Address::Inet(inet) => format!("port {}", inet.port()),
                Address::Unix(path) => path.display().to_string(),
            };
            BindError::Taken { address, what }
        }
        io::ErrorKind::PermissionDenied if matches!(&address, Address::Inet(inet) if inet.port() < 1024) => {
            BindError::NotPermitted(address)
        }
        io::ErrorKind::AddrNotAvailable => BindError::NoSuchAddress(address),
        _ => BindError::Other { address, source },
    }
}

fn bind_tcp(address: SocketAddr, shards: usize) -> io::Result<Bound> {
    // Sockets that share a port must all say so, and any process of the same user could join them. This one does not
    // say so, and so finds out whether somebody is there.
    let (alone, address) = match tcp(address, false) {
        // A kernel without IPv6: every address of the machine is then every IPv4 address.
        Err(error)
            if error.raw_os_error() == Some(libc::EAFNOSUPPORT)
                && address.ip().is_unspecified() =>
        {
            let address = SocketAddr::from(([0, 0, 0, 0], address.port()));
            (tcp(address, false)?, address)
        }
        socket => (socket?, address),
    };
    let address = alone.local_addr()?.as_socket().unwrap_or(address);
    drop(alone);
    let sockets = (0..shards.max(1))
        .map(|_| Ok(ListeningSocket::Tcp(listening(tcp(address, true)?)?)))
        .collect::<io::Result<_>>()?;
    Ok(Bound {
        address: Address::Inet(address),
        sockets,
    })
}

fn tcp(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` takes IPv4 as well, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listening(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_unix(path: &Arc<std::path::PathBuf>, shards: usize) -> io::Result<Bound> {
    let first = match UnixListener::bind(path.as_path()) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path) => {
            std::fs::remove_file(path.as_path())?;
            UnixListener::bind(path.as_path())?
        }
        bound => bound?,
    };
    first.set_nonblocking(true)?;
    let mut sockets = Vec::with_capacity(shards);
    for _ in 1..shards {
        sockets.push(ListeningSocket::Unix(first.try_clone()?));
    }
    sockets.push(ListeningSocket::Unix(first));
    Ok(Bound {
        address: Address::Unix(Arc::clone(path)),
        sockets,
    })
}

fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

/// Whether a socket's file was left behind by a process that is gone.
fn is_abandoned(path: &Path) -> bool {
    is_socket(path)
        && matches!(UnixStream::connect(path), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}

/// A listening socket in a runtime.
#[derive(Debug)]
pub struct Acceptor {
    listener: Listening,
}

#[derive(Debug)]
enum Listening {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// An accepted connection, with both of its ends if it is TCP.
pub type Accepted = (Stream, Option<SocketAddr>, Option<SocketAddr>);

impl Acceptor {
    /// Hands a socket to the runtime this is called in.
    ///
    /// # Errors
    ///
    /// The runtime can't watch it.
    pub fn new(socket: ListeningSocket) -> io::Result<Self> {
        let listener = match socket {
            ListeningSocket::Tcp(socket) => {
                Listening::Tcp(tokio::net::TcpListener::from_std(socket)?)
            }
            ListeningSocket::Unix(socket) => {
                Listening::Unix(tokio::net::UnixListener::from_std(socket)?)
            }
        };
        Ok(Self { listener })
    }

    /// The next connection.
    ///
    /// # Errors
    ///
    /// The system's: mostly that no descriptor is left.
    pub async fn accept(&self) -> io::Result<Accepted> {
        match &self.listener {
            Listening::Tcp(listener) => loop {
                let (stream, peer) = listener.accept().await?;
                // Either fails only for a client that has gone already.
                if let (Ok(()), Ok(local)) = (stream.set_nodelay(true), stream.local_addr()) {
                    return Ok((Stream::from(stream), Some(peer), Some(local)));
                }
            },
            Listening::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::from(stream), None, None))
            }
        }
    }
}
