//! How does a listening socket take connections, to the last one that waits at it?

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

use super::accepted::Accepted;
use super::turn_away::turn_away;

/// The kernel's queue of connections that nobody has accepted yet; it takes no more than `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 65_535;

/// A listening socket.
#[derive(Debug)]
pub enum ListeningSocket {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix stream socket.
    Unix(UnixListener),
}

impl ListeningSocket {
    /// Another descriptor of the same socket.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
        })
    }

    /// Lets the kernel take connections, which then wait for an [`Acceptor`]; nothing new for a socket that listens.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn listen(&self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => SockRef::from(socket).listen(BACKLOG),
            Self::Unix(_) => Ok(()),
        }
    }
}

impl AsFd for ListeningSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// A listening socket in a runtime.
#[derive(Debug)]
pub enum Acceptor {
    /// TCP.
    Tcp(tokio::net::TcpListener),
    /// A Unix stream socket.
    Unix(tokio::net::UnixListener),
}

impl AsFd for Acceptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

impl Acceptor {
    /// Hands a listening socket to the runtime this is called in.
    ///
    /// # Errors
    ///
    /// The runtime can't watch it.
    pub fn new(socket: ListeningSocket) -> io::Result<Self> {
        Ok(match socket {
            ListeningSocket::Tcp(socket) => Self::Tcp(tokio::net::TcpListener::from_std(socket)?),
            ListeningSocket::Unix(socket) => {
                Self::Unix(tokio::net::UnixListener::from_std(socket)?)
            }
        })
    }

    /// The next connection.
    ///
    /// # Errors
    ///
    /// The system's: mostly that no descriptor is left.
    pub async fn accept(&self) -> io::Result<Accepted> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Accepted::Tcp(stream, peer)
            }
            Self::Unix(listener) => Accepted::Unix(listener.accept().await?.0),
        })
    }

    /// Closes it, and takes the connections that were waiting in the kernel's queue, and those whose handshake was under
    /// way and ends within this time: a socket that is closed resets them.
    pub async fn close(self, handshakes: Duration, mut take: impl FnMut(Accepted)) {
        if let Self::Tcp(listener) = &self {
            match turn_away(listener) {
                Ok(()) => {
                    // Nobody new can begin, so they only become fewer.
                    let _ = tokio::time::timeout(handshakes, async {
                        while let Ok(accepted) = self.accept().await {
                            take(accepted);
                        }
                    })
                    .await;
                }
                Err(error) => log::debug!("a connection may be reset: {error}"),
            }
        }
        // The sockets don't block, so either loop ends with the queue, or with the last descriptor; the bound is there for
        // a queue that is filled as fast as it is emptied.
        match self {
            Self::Tcp(listener) => {
                let Ok(listener) = listener.into_std() else {
                    return;
                };
                for _ in 0..BACKLOG {
                    let Ok((stream, peer)) = listener.accept() else {
                        return;
                    };
                    if stream.set_nonblocking(true).is_ok()
                        && let Ok(stream) = TcpStream::from_std(stream)
                    {
                        take(Accepted::Tcp(stream, peer));
                    }
                }
            }
            Self::Unix(listener) => {
                let Ok(listener) = listener.into_std() else {
                    return;
                };
                for _ in 0..BACKLOG {
                    let Ok((stream, _)) = listener.accept() else {
                        return;
                    };
                    if stream.set_nonblocking(true).is_ok()
                        && let Ok(stream) = tokio::net::UnixStream::from_std(stream)
                    {
                        take(Accepted::Unix(stream));
                    }
                }
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;

    use socket2::SockFilter;

    use super::*;
    use crate::server::door::HANDSHAKES;

    /// Lets the kernel see only the first packet of a handshake, so that it stays under way.
    fn keeps_handshakes_open(listener: &TcpListener) {
        let step = |code: u32, jump_true, jump_false, value| {
            SockFilter::new(code as u16, jump_true, jump_false, value)
        };
        // The flags of a TCP header, and SYN among them.
        let filter = [
            step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, 13),
            step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, 0x02),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        ];
        SockRef::from(listener)
            .attach_filter(&filter)
            .expect("a filter");
    }

    #[tokio::test]
    async fn who_has_begun_a_handshake_when_a_socket_closes_is_taken_in() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        listener.set_nonblocking(true).expect("set");
        let address = listener.local_addr().expect("an address");
        keeps_handshakes_open(&listener);
        // For the client it is complete.
        let mut client = std::net::TcpStream::connect(address).expect("connected");
        let acceptor = Acceptor::new(ListeningSocket::Tcp(listener)).expect("watched");
        let taken = std::cell::Cell::new(0);
        let mut closing =
            std::pin::pin!(acceptor.close(HANDSHAKES, |_| taken.set(taken.get() + 1)));
        // Now the other filter is there, which holds up those only who begin.
        tokio::select! {
            biased;
            () = &mut closing => panic!("it should wait"),
            () = std::future::ready(()) => {}
        }
        client.write_all(b"hello").expect("sent");
        closing.await;
        assert_eq!(taken.get(), 1);
    }
}
