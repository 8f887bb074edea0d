//! Where is an endpoint, or a listener: what does `host:port` mean?

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// An address that can be connected to at once, without a look-up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// TCP.
    Inet(SocketAddr),
    /// A Unix socket's path.
    Unix(Arc<PathBuf>),
}

impl Address {
    /// Whether sockets at both would compete for the same connections: every address of the machine covers each.
    pub fn overlaps(&self, other: &Self) -> bool {
        let covers = |a: &SocketAddr, b: &SocketAddr| match (a.ip(), b.ip()) {
            // A socket for every IPv6 address takes IPv4 as well.
            (IpAddr::V6(any), _) if any.is_unspecified() => true,
            (IpAddr::V4(any), IpAddr::V4(_)) if any.is_unspecified() => true,
            (a, b) => a == b,
        };
        match (self, other) {
            (Self::Inet(a), Self::Inet(b)) => {
                a.port() != 0 && a.port() == b.port() && (covers(a, b) || covers(b, a))
            }
            (Self::Unix(a), Self::Unix(b)) => a == b,
            _ => false,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address as an operator writes it; the names in it are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenAddress {
    /// `IP:port`, `[IPv6]:port` or `unix:/path`.
    Known(Address),
    /// `name:port`, which takes a look-up.
    Named {
        /// The host name, in lower case.
        host: String,
        /// The port.
        port: u16,
    },
    /// `srv:name`: SRV records (RFC 2782), which name hosts, ports, priorities and weights.
    Service {
        /// Their name, in lower case.
        name: String,
    },
}

/// Why an address can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no port.
    #[error("the port is missing; write `{0}:8080`")]
    NoPort(String),
    /// There is only a port.
    #[error(
        "`{0}` is only a port; write `127.0.0.1:{0}`, or `:{0}` for a listener on every address"
    )]
    OnlyPort(String),
    /// The port is not a number from 0 to 65535.
    #[error("`{0}` is not a port")]
    BadPort(String),
    /// An IPv6 address without brackets.
    #[error("an IPv6 address goes in brackets, as `[::1]:8080`")]
    Unbracketed,
    /// The part in brackets is no IPv6 address.
    #[error("`{0}` is not an IPv6 address")]
    BadIpv6(String),
    /// The host name has characters no host name has.
    #[error("`{0}` is not a host name or an IP address")]
    BadHost(String),
    /// A service with a port.
    #[error("`srv:{0}` takes no port: it stands in the SRV records")]
    PortOfService(String),
    /// A service without a name that could be looked up.
    #[error("`{0}` is not the name of SRV records; write it as `srv:_http._tcp.example.com`")]
    BadService(String),
    /// A URL instead of an address.
    #[error("write only the address, without `{0}://`; TLS is set by the pool's `tls`")]
    Url(String),
    /// A Unix socket's path that is not absolute, empty, or too long for the kernel.
    #[error("a Unix socket is written as `unix:` and an absolute path of at most 107 bytes")]
    BadPath,
}

/// The kernel's limit for a Unix socket's path, without the closing NUL (`sun_path`).
const UNIX_PATH_BYTES: usize = 107;

/// Reads `IP:port`, `[IPv6]:port`, `name:port`, `srv:name`, `:port` (every IPv6 and IPv4 address) or `unix:/path`.
///
/// # Errors
///
/// An [`AddressError`] that says what to write instead.
pub fn parse(written: &str) -> Result<WrittenAddress, AddressError> {
    if let Some(path) = written.strip_prefix("unix:") {
        if !path.starts_with('/') || path.len() > UNIX_PATH_BYTES || path.contains('\0') {
            return Err(AddressError::BadPath);
        }
        return Ok(WrittenAddress::Known(Address::Unix(Arc::new(
            PathBuf::from(path),
        ))));
    }
    if let Some(name) = written.strip_prefix("srv:") {
        return match name.split_once(':') {
            None if is_host_name(name) => Ok(WrittenAddress::Service {
                name: name.to_ascii_lowercase(),
            }),
            Some((name, _)) if is_host_name(name) => {
                Err(AddressError::PortOfService(name.to_owned()))
            }
            _ => Err(AddressError::BadService(name.to_owned())),
        };
    }
    if let Some((scheme, _)) = written.split_once("://") {
        return Err(AddressError::Url(scheme.to_owned()));
    }
    if let Some(rest) = written.strip_prefix('[') {
        let (ip, rest) = rest
            .split_once(']')
            .ok_or_else(|| AddressError::BadIpv6(written.to_owned()))?;
        let ip: Ipv6Addr = ip
            .parse()
            .map_err(|_| AddressError::BadIpv6(ip.to_owned()))?;
        let port = rest
            .strip_prefix(':')
            .ok_or_else(|| AddressError::NoPort(format!("[{ip}]")))?;
        return Ok(inet(IpAddr::V6(ip), port_number(port)?));
    }
    if written.parse::<Ipv6Addr>().is_ok() || written.matches(':').count() > 1 {
        return Err(AddressError::Unbracketed);
    }
    if !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AddressError::OnlyPort(written.to_owned()));
    }
    let (host, port) = written
        .split_once(':')
        .ok_or_else(|| AddressError::NoPort(written.to_owned()))?;
    let port = port_number(port)?;
    if host.is_empty() {
        return Ok(inet(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(inet(ip, port));
    }
    if !is_host_name(host) {
        return Err(AddressError::BadHost(host.to_owned()));
    }
    Ok(WrittenAddress::Named {
        host: host.to_ascii_lowercase(),
        port,
    })
}

fn inet(ip: IpAddr, port: u16) -> WrittenAddress {
    WrittenAddress::Known(Address::Inet(SocketAddr::new(ip, port)))
}

fn port_number(text: &str) -> Result<u16, AddressError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AddressError::BadPort(text.to_owned()));
    }
    text.parse()
        .map_err(|_| AddressError::BadPort(text.to_owned()))
}

/// Letters, digits, `-`, `_` and `.`, with a letter in the last label: `10.0.0.300` is a mistyped IP address, no name.
fn is_host_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253
        && last.bytes().any(|byte| byte.is_ascii_alphabetic())
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_an_address_is_read() {
        let known = |text: &str| match parse(text) {
            Ok(WrittenAddress::Known(address)) => address.to_string(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(known("127.0.0.1:80"), "127.0.0.1:80");
        assert_eq!(known("[::1]:80"), "[::1]:80");
        assert_eq!(known(":80"), "[::]:80");
        assert_eq!(known("unix:/run/app.sock"), "unix:/run/app.sock");
        assert_eq!(
            parse("App.internal:8080"),
            Ok(WrittenAddress::Named {
                host: "app.internal".to_owned(),
                port: 8080
            })
        );
        for name in ["_http._tcp.example.com", "Web.service.consul"] {
            let service = WrittenAddress::Service {
                name: name.to_ascii_lowercase(),
            };
            assert_eq!(parse(&format!("srv:{name}")), Ok(service));
        }
    }

    #[test]
    fn a_mistyped_address_is_told_what_is_wrong() {
        for (text, part) in [
            ("127.0.0.1", "port is missing"),
            ("8080", "is only a port"),
            ("::1", "brackets"),
            ("[::g]:80", "not an IPv6 address"),
            ("10.0.0.300:80", "not a host name"),
            ("a b:80", "not a host name"),
            ("a:99999", "not a port"),
            ("a:+1", "not a port"),
            ("http://a:80", "without `http://`"),
            ("unix:run/x", "absolute path"),
            ("srv:_http._tcp.example.com:80", "takes no port"),
            ("srv:", "not the name of SRV records"),
            ("srv:10.0.0.1", "not the name of SRV records"),
            ("srv:a b", "not the name of SRV records"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _ = parse(&text);
        }
    }
}
