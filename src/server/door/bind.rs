//! How are the sockets of a listener opened, one for each worker, and why can an address not be had?

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::doors::Given;
use super::listen::{BACKLOG, ListeningSocket};
use super::socket_file::{self, SocketError, SocketFile};
use crate::pool::Address;

/// The sockets of one listener.
#[derive(Debug)]
pub struct Bound {
    /// Where it really is: the kernel's choice for port 0.
    pub address: Address,
    /// One for each worker.
    pub sockets: Vec<ListeningSocket>,
    /// Of a Unix socket.
    pub file: Option<SocketFile>,
    /// Whether whoever started the process has the sockets as well, and keeps them.
    pub passed: bool,
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
/// worker wakes another's. `ours` are addresses that this process, or the one it follows, has open: one that overlaps
/// with them, such as `:80` with `127.0.0.1:80`, is not taken by somebody else. Its sockets don't
/// [listen](ListeningSocket::listen) yet, the others do.
///
/// # Errors
///
/// A [`BindError`] that names the port.
pub fn bind(address: &Address, shards: usize, ours: &[Address]) -> Result<Bound, BindError> {
    let shared = ours.iter().any(|own| own.overlaps(address));
    match address {
        Address::Inet(inet) => {
            bind_tcp(*inet, shards, shared).map_err(|error| explain(address, error))
        }
        Address::Unix(path) => bind_unix(path, shards).map_err(|error| match error {
            SocketError::InUse => taken(address),
            SocketError::NoSocket => BindError::NoSocket(address.clone()),
            SocketError::Other(error) => explain(address, error),
        }),
    }
}

fn taken(address: &Address) -> BindError {
    BindError::Taken {
        address: address.clone(),
        what: match address {
            Address::Inet(inet) => format!("port {}", inet.port()),
            Address::Unix(path) => path.display().to_string(),
        },
    }
}

/// Makes sockets that another process has opened this one's: as many as there are, and more where there are fewer than
/// `shards`.
///
/// # Errors
///
/// A [`BindError`] if no more can be had.
pub fn adopt(given: Given, shards: usize) -> Result<Bound, BindError> {
    let Given {
        address,
        mut sockets,
        passed,
    } = given;
    let more = match &address {
        // Not listening yet: until this process accepts, it must not get a share of the connections.
        Address::Inet(inet) if !passed => (sockets.len()..shards).try_for_each(|_| {
            sockets.push(ListeningSocket::Tcp(tcp(*inet, true)?.into()));
            Ok(())
        }),
        _ => spread(&mut sockets, shards),
    };
    more.map_err(|error| explain(&address, error))?;
    let file = match &address {
        // The predecessor's, until it has gone. One that somebody has removed stays away.
        Address::Unix(path) if !passed => SocketFile::at(path).ok(),
        _ => None,
    };
    Ok(Bound {
        address,
        sockets,
        file,
        passed,
    })
}

/// Makes at least `count` of these sockets, by further descriptors of the same ones.
///
/// # Errors
///
/// No descriptor is left, or there is no socket.
pub fn spread(sockets: &mut Vec<ListeningSocket>, count: usize) -> io::Result<()> {
    let had = sockets.len();
    for number in had..count {
        let of = number.checked_rem(had).and_then(|of| sockets.get(of));
        let copy = of.ok_or(io::ErrorKind::NotFound)?.try_clone()?;
        sockets.push(copy);
    }
    Ok(())
}

/// Why an address can't be had, in words for an operator.
pub fn explain(address: &Address, source: io::Error) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => taken(address),
        io::ErrorKind::PermissionDenied if matches!(address, Address::Inet(inet) if inet.port() < 1024) => {
            BindError::NotPermitted(address.clone())
        }
        io::ErrorKind::AddrNotAvailable => BindError::NoSuchAddress(address.clone()),
        _ => BindError::Other {
            address: address.clone(),
            source,
        },
    }
}

fn bind_tcp(address: SocketAddr, shards: usize, shared: bool) -> io::Result<Bound> {
    // Sockets that share a port must all say so, and any process of the same user could join them. This one does not
    // say so, and so finds out whether somebody is there.
    let (alone, address) = match tcp(address, shared) {
        // A kernel without IPv6: every address of the machine is then every IPv4 address.
        Err(error)
            if error.raw_os_error() == Some(libc::EAFNOSUPPORT)
                && address.ip().is_unspecified() =>
        {
            let address = SocketAddr::from(([0, 0, 0, 0], address.port()));
            (tcp(address, shared)?, address)
        }
        socket => (socket?, address),
    };
    let address = alone.local_addr()?.as_socket().unwrap_or(address);
    drop(alone);
    let sockets = (0..shards.max(1)).map(|_| {
        let socket = tcp(address, true)?;
        if !shared {
            socket.listen(BACKLOG)?;
        }
        // Otherwise it would take connections from the socket that is there before anyone accepts on it.
        Ok(ListeningSocket::Tcp(socket.into()))
    });
    let sockets = sockets.collect::<io::Result<_>>()?;
    Ok(Bound {
        address: Address::Inet(address),
        sockets,
        file: None,
        passed: false,
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
    prepare_tcp(&socket)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Sets what the connections of a listening socket inherit.
///
/// # Errors
///
/// The system's.
pub fn prepare_tcp(socket: &Socket) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT)?;
    Ok(())
}

/// How many bytes of answers that are not yet on their way the kernel holds for one connection. Left to itself it takes
/// megabytes from us for a client that takes none, which is memory that nothing here counts, and looks like progress.
/// Four times what is read from an endpoint at once, so that a fast client does not wait for us.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 256 * 1024;

fn bind_unix(path: &Arc<PathBuf>, shards: usize) -> Result<Bound, SocketError> {
    let (first, file) = socket_file::bind(path)?;
    let mut sockets = Vec::with_capacity(shards);
    for _ in 1..shards {
        sockets.push(ListeningSocket::Unix(first.try_clone()?));
    }
    sockets.push(ListeningSocket::Unix(first));
    Ok(Bound {
        address: Address::Unix(Arc::clone(path)),
        sockets,
        file: Some(file),
        passed: false,
    })
}
