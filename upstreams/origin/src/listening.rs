//! Where does the origin accept connections, and how does it stop at once?

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream as StdTcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream, lookup_host};

use crate::wire::Duplex;

/// Deep enough that a bench opening all of its connections at once is not refused.
const BACKLOG: u32 = 4096;

/// A place to listen on.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// `host:port`; port 0 lets the system choose.
    Tcp(String),
    /// The path of a Unix socket, created at start and removed at the end.
    Unix(PathBuf),
}

/// A bound socket.
pub(crate) enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// An accepted connection.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(crate) fn into_duplex(self) -> Box<dyn Duplex> {
        match self {
            Self::Tcp(stream) => Box::new(stream),
            Self::Unix(stream) => Box::new(stream),
        }
    }
}

impl Listening {
    /// Binds `place`; the error names it.
    pub(crate) async fn bind(place: &Place) -> io::Result<Self> {
        match place {
            Place::Tcp(address) => bind_tcp(address)
                .await
                .map(Self::Tcp)
                .map_err(|error| named(address, &error)),
            Place::Unix(path) => UnixListener::bind(path)
                .map(Self::Unix)
                .map_err(|error| named(&path.display().to_string(), &error)),
        }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// A way to close this socket from outside the task that accepts on it.
    pub(crate) fn closer(&self, place: Place) -> io::Result<Closer> {
        let socket: BorrowedFd<'_> = match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        };
        Ok(Closer {
            socket: StdTcpStream::from(socket.try_clone_to_owned()?),
            place,
        })
    }

    /// The next connection and the name of its peer.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, String)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Socket::Tcp(stream), peer.to_string()))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), "unix".to_owned()))
            }
        }
    }
}

async fn bind_tcp(address: &str) -> io::Result<TcpListener> {
    let mut last_error = io::Error::new(io::ErrorKind::NotFound, "no address of that name");
    for candidate in lookup_host(address).await? {
        match bind_one(candidate) {
            Ok(listener) => return Ok(listener),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // An origin that died is started again on its port while old connections are in TIME-WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn named(place: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {place}: {error}"))
}

/// Closes a listening socket when dropped.
///
/// Dropping the listener itself would have to wait until its task is polled, and a test that
/// connects in between would still be let in. Shutting the shared socket down makes the system
/// refuse connections before `drop` returns.
#[derive(Debug)]
pub(crate) struct Closer {
    /// Any socket can be shut down, but only a stream type offers it: the listening socket under
    /// another type, never read or written.
    socket: StdTcpStream,
    place: Place,
}

impl Drop for Closer {
    fn drop(&mut self) {
        // Nothing is left to do if either fails: the listener is dropped soon after anyway.
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Place::Unix(path) = &self.place {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_in_the_error() {
        let first = Listening::bind(&Place::Tcp("127.0.0.1:0".to_owned()))
            .await
            .expect("a free port");
        let address = first.address().expect("an address").to_string();
        let error = match Listening::bind(&Place::Tcp(address.clone())).await {
            Ok(_) => panic!("the port is taken"),
            Err(error) => error,
        };
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address), "{error}");
    }

    #[tokio::test]
    async fn a_dropped_closer_refuses_connections_while_the_listener_still_exists() {
        let place = Place::Tcp("127.0.0.1:0".to_owned());
        let listening = Listening::bind(&place).await.expect("a free port");
        let address = listening.address().expect("an address");
        drop(listening.closer(place).expect("a closer"));
        let error = StdTcpStream::connect(address).expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
