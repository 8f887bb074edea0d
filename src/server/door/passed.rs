//! Which sockets has whoever started the process opened for it? systemd does so for a socket unit (sd_listen_fds(3)): it
//! needs no right to a low port then, and who connects before it serves, or while it is started anew, waits.

use std::collections::HashMap;
use std::env;
use std::io;
use std::sync::Arc;

use listenfd::ListenFd;
use socket2::{SockRef, Socket};

use super::bind::{BindError, explain, prepare_tcp, spread};
use super::doors::{Given, Inherited};
use super::listen::ListeningSocket;
use crate::pool::Address;

/// More are not believed: a process may have about a thousand descriptors unless it asks for more.
const MOST: usize = 1024;

/// Sockets that were passed to the process and that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Passed {
    sockets: Vec<PassedSocket>,
    /// What else was passed, in words.
    unfit: Vec<String>,
}

#[derive(Debug)]
struct PassedSocket {
    /// `FileDescriptorName=` of its unit.
    name: String,
    address: Address,
    socket: ListeningSocket,
}

/// Where a passed socket may be wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What the door is found by.
    pub key: &'a str,
    /// Its address as written.
    pub address: &'a Address,
    /// How many accept there.
    pub workers: usize,
}

impl Passed {
    /// Those that `$LISTEN_FDS` counts, if `$LISTEN_PID` is this process. To be called first of all: what has their numbers
    /// is taken for them.
    pub fn from_environment() -> Self {
        let says = |name| env::var(name).unwrap_or_default();
        if says("LISTEN_PID") != std::process::id().to_string() {
            return Self::default();
        }
        let count = says("LISTEN_FDS");
        match count.parse::<usize>() {
            Ok(0..=MOST) => {}
            _ => {
                return Self {
                    unfit: vec![format!("LISTEN_FDS={count:?}: not a number up to {MOST}")],
                    ..Self::default()
                };
            }
        }
        let names = says("LISTEN_FDNAMES");
        let mut names = names.split(':').filter(|name| !name.is_empty());
        // It removes the variables: whom this process starts they don't concern.
        let mut descriptors = ListenFd::from_env();
        let mut passed = Self::default();
        for index in 0..descriptors.len() {
            let name = names.next().unwrap_or("unknown").to_owned();
            match take(&mut descriptors, index) {
                Ok((address, socket)) => passed.sockets.push(PassedSocket {
                    name,
                    address,
                    socket,
                }),
                Err(error) => passed
                    .unfit
                    .push(format!("`{name}`: {error}; it is closed")),
            }
        }
        passed
    }

    /// Gives the sockets to those who have their addresses, and tells about those that nobody wants and that are closed.
    /// `[::]:80`, which `:80` means, takes the one at `0.0.0.0:80` as well.
    ///
    /// Where there are fewer than accept there, several accept from one. Sockets bound beside it (SO_REUSEPORT) would not
    /// do: the kernel grants them only to the user who has bound it, which is root, and who waits at them would be lost
    /// when the process ends.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn claim(
        self,
        wanted: &[Wanted<'_>],
        inherited: &mut Inherited,
    ) -> Result<Vec<String>, BindError> {
        let mut told = self.unfit;
        // By door and address: who accepts at two addresses accepts at both of them.
        let mut found = HashMap::<(usize, Address), Vec<ListeningSocket>>::new();
        for one in self.sockets {
            let find = |fits: fn(&Address, &Address) -> bool| {
                wanted
                    .iter()
                    .position(|door| fits(door.address, &one.address))
            };
            match find(Address::eq).or_else(|| find(covers)) {
                Some(door) => {
                    let sockets = found.entry((door, one.address)).or_default();
                    sockets.push(one.socket);
                }
                None => told.push(format!(
                    "`{}` at {}: no listener has this address; it is closed",
                    one.name, one.address
                )),
            }
        }
        for ((door, address), mut sockets) in found {
            let door = wanted[door];
            spread(&mut sockets, door.workers).map_err(|error| explain(&address, error))?;
            let given = inherited.entry(door.key.to_owned()).or_insert(Given {
                address: address.clone(),
                sockets: Vec::new(),
                passed: true,
            });
            if address == *door.address {
                given.address = address;
            }
            given.sockets.extend(sockets);
        }
        Ok(told)
    }
}

/// Whether a listener at every address takes the connections of this one.
fn covers(written: &Address, is: &Address) -> bool {
    match (written, is) {
        (Address::Inet(written), Address::Inet(is)) => {
            written.is_ipv6()
                && written.ip().is_unspecified()
                && is.is_ipv4()
                && is.ip().is_unspecified()
                && written.port() == is.port()
        }
        _ => false,
    }
}

/// The socket of this number. What is something else is closed.
fn take(descriptors: &mut ListenFd, index: usize) -> Result<(Address, ListeningSocket), String> {
    if let Ok(Some(socket)) = descriptors.take_tcp_listener(index) {
        return tcp(socket.into()).map_err(|error| error.to_string());
    }
    if let Ok(Some(socket)) = descriptors.take_unix_listener(index) {
        return unix(socket.into()).map_err(|error| error.to_string());
    }
    if let Ok(Some(other)) = descriptors.take_raw_fd(index) {
        // If nothing has this number, there is nothing to close.
        let _ = nix::unistd::close(other);
    }
    Err("neither a TCP nor a Unix stream socket".to_owned())
}

fn tcp(socket: Socket) -> io::Result<(Address, ListeningSocket)> {
    check_listens(&socket)?;
    let address = socket.local_addr()?.as_socket();
    let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
    prepare_tcp(&socket)?;
    Ok((Address::Inet(address), ListeningSocket::Tcp(socket.into())))
}

fn unix(socket: Socket) -> io::Result<(Address, ListeningSocket)> {
    check_listens(&socket)?;
    let address = socket.local_addr()?;
    let path = address
        .as_pathname()
        .ok_or_else(|| io::Error::other("a Unix socket without a path"))?;
    let address = Address::Unix(Arc::new(path.to_owned()));
    Ok((address, ListeningSocket::Unix(socket.into())))
}

/// With `Accept=yes` systemd passes connections.
fn check_listens(socket: &Socket) -> io::Result<()> {
    if !SockRef::from(socket).is_listener()? {
        return Err(io::Error::other(
            "a connection, where a listening socket is expected (`Accept=no`)",
        ));
    }
    socket.set_nonblocking(true)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn passed(address: &str) -> PassedSocket {
        let socket = TcpListener::bind(address).expect("a socket");
        let (address, socket) = tcp(socket.into()).expect("a listening socket");
        PassedSocket {
            name: "a.socket".to_owned(),
            address,
            socket,
        }
    }

    fn at(ip: &str, other: &Address) -> Address {
        match other {
            Address::Inet(inet) => {
                Address::Inet(SocketAddr::new(ip.parse().expect("an IP"), inet.port()))
            }
            Address::Unix(_) => panic!("{other}"),
        }
    }

    fn claim(sockets: Vec<PassedSocket>, wanted: &[(&str, &Address)]) -> (Inherited, Vec<String>) {
        let mut inherited = Inherited::new();
        let passed = Passed {
            sockets,
            unfit: Vec::new(),
        };
        let wanted: Vec<_> = wanted
            .iter()
            .map(|&(key, address)| Wanted {
                key,
                address,
                workers: 3,
            })
            .collect();
        let told = passed.claim(&wanted, &mut inherited).expect("descriptors");
        (inherited, told)
    }

    #[test]
    fn a_socket_goes_to_the_listener_at_its_address_and_every_worker_accepts_from_it() {
        let (one, two) = (passed("127.0.0.1:0"), passed("127.0.0.1:0"));
        let (first, second) = (one.address.clone(), two.address.clone());
        let (mut inherited, told) = claim(vec![one, two], &[("a", &second)]);
        let given = inherited.remove("a").expect("its socket");
        assert!(inherited.is_empty() && given.passed);
        assert_eq!((given.address, given.sockets.len()), (second, 3));
        let unused = format!("`a.socket` at {first}: no listener has this address; it is closed");
        assert_eq!(told, [unused]);
    }

    #[test]
    fn a_listener_at_every_address_takes_the_socket_for_ipv4_unless_another_one_does() {
        let v4 = passed("0.0.0.0:0");
        let exact = v4.address.clone();
        let every = at("::", &exact);
        let (inherited, told) = claim(vec![v4], &[("every", &every)]);
        assert_eq!(inherited["every"].address, exact);
        assert!(told.is_empty());
        let v4 = passed("0.0.0.0:0");
        let exact = v4.address.clone();
        let every = at("::", &exact);
        let (inherited, _) = claim(vec![v4], &[("every", &every), ("v4", &exact)]);
        assert!(inherited.len() == 1 && inherited.contains_key("v4"));
        let local = passed("127.0.0.1:0");
        let every = at("::", &local.address);
        let (inherited, told) = claim(vec![local], &[("every", &every)]);
        assert!(
            inherited.is_empty() && told.len() == 1,
            "it is not every address"
        );
    }

    #[test]
    fn of_two_addresses_of_one_listener_every_worker_has_both() {
        let v4 = passed("0.0.0.0:0");
        let every = at("::", &v4.address);
        let v6 = PassedSocket {
            name: "b.socket".to_owned(),
            address: every.clone(),
            socket: passed("127.0.0.1:0").socket,
        };
        let (inherited, _) = claim(vec![v4, v6], &[("every", &every)]);
        let given = &inherited["every"];
        assert_eq!((&given.address, given.sockets.len()), (&every, 6));
    }

    #[test]
    fn of_two_sockets_at_one_address_both_are_accepted_from() {
        let (one, mut two) = (passed("127.0.0.1:0"), passed("127.0.0.1:0"));
        two.address = one.address.clone();
        let address = one.address.clone();
        let (inherited, _) = claim(vec![one, two], &[("a", &address)]);
        let port = |socket: &ListeningSocket| match socket {
            ListeningSocket::Tcp(socket) => socket.local_addr().map(|at| at.port()).ok(),
            ListeningSocket::Unix(_) => None,
        };
        let ports: Vec<_> = inherited["a"].sockets.iter().map(port).collect();
        assert_eq!(ports.len(), 3);
        assert!(ports[0] != ports[1] && ports[0] == ports[2], "{ports:?}");
    }

    #[test]
    fn what_does_not_listen_or_has_no_path_is_of_no_use() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("an address");
        let connection = std::net::TcpStream::connect(address).expect("a connection");
        assert!(tcp(connection.into()).is_err());
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("socket");
        let named = UnixListener::bind(&path).expect("a socket");
        let (address, _) = unix(named.into()).expect("a listening socket");
        assert_eq!(address, Address::Unix(Arc::new(path)));
        let nameless = Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
        let nameless = nameless.expect("a socket");
        assert!(unix(nameless).is_err());
    }
}
