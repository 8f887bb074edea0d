//! Who does the load balancer in front say the client is? The PROXY protocol, versions 1 and 2, from the receiver's
//! side.
//!
//! The source is HAProxy's `proxy-protocol.txt`; the sections named here are its own. Whether a listener expects the
//! header is configuration, never a guess (section 5): [`Parsed::NotProxy`] is for an error message, not a way round.

mod crc32c;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest version 1 line, CRLF included (section 2.1).
const V1_MAX: usize = 107;
const V1_PREFIX: &[u8] = b"PROXY ";

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const V2_FIXED: usize = 16;
const V2_INET: usize = 12;
const V2_INET6: usize = 36;
const V2_UNIX: usize = 216;

const TLV_HEADER: usize = 3;
const TLV_CRC32C: u8 = 0x03;

/// The longest header [`parse`] accepts, in bytes: a listener needs no larger buffer. The format could announce 64 KiB,
/// but addresses, a server name and the TLS details fit in far less.
pub const MAX_HEADER: usize = 4096;

/// What the bytes received up to now are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The start of a header: call again when there are more bytes.
    NeedMore,
    /// Not a PROXY header, and no further byte can make it one.
    NotProxy,
    /// A whole header.
    Header {
        /// How many bytes the header has: the connection's own data start after them.
        length: usize,
        /// The client's address. `None` when the sender speaks for itself (`LOCAL`) or can't tell (`UNKNOWN`,
        /// `UNSPEC`, a Unix socket): then the connection's real address counts.
        source: Option<SocketAddr>,
        /// The address the client connected to; `None` as for `source`.
        destination: Option<SocketAddr>,
    },
}

/// Why a connection that began with a PROXY header must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A CR without LF, or a LF without CR.
    #[error("PROXY v1: the line does not end with CRLF")]
    LineEnd,
    /// No CRLF within the longest line there can be.
    #[error("PROXY v1: the line is longer than {V1_MAX} bytes")]
    LineTooLong,
    /// The family is not `TCP4`, `TCP6` or `UNKNOWN`, or the number of fields is wrong.
    #[error("PROXY v1: the line is not `PROXY TCP4|TCP6 source destination port port`")]
    Line,
    /// An address is not of the announced family.
    #[error("PROXY v1: an address is not valid for its family")]
    Address,
    /// A port is not a decimal number from 0 to 65535 without leading zeros.
    #[error("PROXY v1: a port is not valid")]
    Port,
    /// A version other than 2 after the binary signature.
    #[error("PROXY v2: unknown version {0}")]
    Version(u8),
    /// A command other than LOCAL and PROXY.
    #[error("PROXY v2: unknown command {0}")]
    Command(u8),
    /// A reserved address family or transport.
    #[error("PROXY v2: unknown address family or transport {0:#04x}")]
    Family(u8),
    /// The header is longer than [`MAX_HEADER`].
    #[error("PROXY v2: a header of {0} bytes is longer than {MAX_HEADER}")]
    TooLong(usize),
    /// The announced length has no room for the family's addresses.
    #[error("PROXY v2: {0} bytes are too few for the addresses")]
    TooShort(usize),
    /// A TLV ends after the header's end, or is not as long as its type demands.
    #[error("PROXY v2: malformed TLV")]
    Tlv,
    /// The header carries a checksum, and it is wrong.
    #[error("PROXY v2: the CRC32c checksum does not match")]
    Checksum,
}

/// Reads a PROXY header from the start of a connection's `bytes`.
///
/// Pure: it keeps nothing between calls. The caller passes everything received so far and, on [`Parsed::NeedMore`],
/// calls again with more. The answer does not depend on how the bytes were cut: once it is not `NeedMore`, more bytes
/// never change it, and `NeedMore` is never the answer to [`MAX_HEADER`] bytes.
///
/// # Errors
///
/// The bytes are a PROXY header but not a valid one; the connection must be closed (section 2.1).
pub fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    if is_prefix(bytes, V1_PREFIX) || is_prefix(bytes, V2_SIGNATURE) {
        Ok(Parsed::NeedMore)
    } else if bytes.starts_with(V1_PREFIX) {
        parse_v1(bytes)
    } else if bytes.starts_with(V2_SIGNATURE) {
        parse_v2(bytes)
    } else {
        Ok(Parsed::NotProxy)
    }
}

/// Whether `bytes` are a proper beginning of `whole`.
fn is_prefix(bytes: &[u8], whole: &[u8]) -> bool {
    bytes.len() < whole.len() && whole.starts_with(bytes)
}

fn parse_v1(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let window = &bytes[..bytes.len().min(V1_MAX)];
    let Some(end) = window.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if window.len() == V1_MAX {
            Err(ParseError::LineTooLong)
        } else {
            Ok(Parsed::NeedMore)
        };
    };
    match (window[end], window.get(end + 1)) {
        (b'\r', Some(b'\n')) => {}
        (b'\r', None) if end + 1 == V1_MAX => return Err(ParseError::LineTooLong),
        (b'\r', None) => return Ok(Parsed::NeedMore),
        _ => return Err(ParseError::LineEnd),
    }
    let length = end + 2;
    let line = str::from_utf8(&window[V1_PREFIX.len()..end]).map_err(|_| ParseError::Line)?;
    let mut fields = line.split(' ');
    let (source, destination) = match fields.next() {
        // Whatever follows is to be ignored (section 2.1).
        Some("UNKNOWN") => return Ok(header(length, None)),
        Some("TCP4") => v1_addresses::<Ipv4Addr>(fields)?,
        Some("TCP6") => v1_addresses::<Ipv6Addr>(fields)?,
        _ => return Err(ParseError::Line),
    };
    Ok(header(length, Some((source, destination))))
}

fn v1_addresses<'a, A: std::str::FromStr + Into<IpAddr>>(
    mut fields: impl Iterator<Item = &'a str>,
) -> Result<(SocketAddr, SocketAddr), ParseError> {
    let mut field = || fields.next().ok_or(ParseError::Line);
    let (source, destination, source_port, destination_port) =
        (field()?, field()?, field()?, field()?);
    if fields.next().is_some() {
        return Err(ParseError::Line);
    }
    let address = |text: &str, port: &str| -> Result<SocketAddr, ParseError> {
        let ip: A = text.parse().map_err(|_| ParseError::Address)?;
        Ok(SocketAddr::new(ip.into(), v1_port(port)?))
    };
    Ok((
        address(source, source_port)?,
        address(destination, destination_port)?,
    ))
}

fn v1_port(text: &str) -> Result<u16, ParseError> {
    // `u16::from_str` alone would take "+80" and "080".
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse()
        .ok()
        .filter(|_| canonical)
        .ok_or(ParseError::Port)
}

fn parse_v2(bytes: &[u8]) -> Result<Parsed, ParseError> {
    // Each byte is judged as soon as it is there, in their order, so that the answer never depends on how they were cut.
    let Some(&version_command) = bytes.get(12) else {
        return Ok(Parsed::NeedMore);
    };
    let local = match (version_command >> 4, version_command & 0x0f) {
        (2, 0) => true,
        (2, 1) => false,
        (2, command) => return Err(ParseError::Command(command)),
        (version, _) => return Err(ParseError::Version(version)),
    };
    let Some(&family_transport) = bytes.get(13) else {
        return Ok(Parsed::NeedMore);
    };
    let (family, transport) = (family_transport >> 4, family_transport & 0x0f);
    // A LOCAL header's family is to be ignored, whatever it is.
    if !local && (family > 3 || transport > 2) {
        return Err(ParseError::Family(family_transport));
    }
    let Some(&[high, low]) = bytes.get(14..V2_FIXED) else {
        return Ok(Parsed::NeedMore);
    };
    let length = V2_FIXED + usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_HEADER {
        return Err(ParseError::TooLong(length));
    }
    let Some(whole) = bytes.get(..length) else {
        return Ok(Parsed::NeedMore);
    };
    // Without addresses there is nothing whose end would tell where TLVs start: the whole block is skipped.
    if local || family == 0 || transport == 0 {
        return Ok(header(length, None));
    }
    let block = &whole[V2_FIXED..];
    let (addresses, size) = match family {
        1 => (v2_inet(block)?, V2_INET),
        2 => (v2_inet6(block)?, V2_INET6),
        _ if block.len() < V2_UNIX => return Err(ParseError::TooShort(block.len())),
        _ => (None, V2_UNIX),
    };
    check_tlvs(whole, V2_FIXED + size)?;
    Ok(header(length, addresses))
}

type Addresses = Option<(SocketAddr, SocketAddr)>;

fn v2_inet(block: &[u8]) -> Result<Addresses, ParseError> {
    let Some(&[a, b, c, d, e, f, g, h, ref ports @ ..]) = block.first_chunk::<V2_INET>() else {
        return Err(ParseError::TooShort(block.len()));
    };
    Ok(Some(with_ports([a, b, c, d], [e, f, g, h], *ports)))
}

fn v2_inet6(block: &[u8]) -> Result<Addresses, ParseError> {
    let short = ParseError::TooShort(block.len());
    let (source, rest) = block.split_first_chunk::<16>().ok_or(short)?;
    let (destination, rest) = rest.split_first_chunk::<16>().ok_or(short)?;
    let ports = rest.first_chunk::<4>().ok_or(short)?;
    Ok(Some(with_ports(*source, *destination, *ports)))
}

fn with_ports(
    source: impl Into<IpAddr>,
    destination: impl Into<IpAddr>,
    [a, b, c, d]: [u8; 4],
) -> (SocketAddr, SocketAddr) {
    (
        SocketAddr::new(source.into(), u16::from_be_bytes([a, b])),
        SocketAddr::new(destination.into(), u16::from_be_bytes([c, d])),
    )
}

fn header(length: usize, addresses: Addresses) -> Parsed {
    Parsed::Header {
        length,
        source: addresses.map(|(source, _)| source),
        destination: addresses.map(|(_, destination)| destination),
    }
}

/// Walks the TLVs from `start` to the end of the header; a checksum among them must match (section 2.2.3).
fn check_tlvs(whole: &[u8], start: usize) -> Result<(), ParseError> {
    let mut at = start;
    let mut checksum_at = None;
    while at < whole.len() {
        let Some(&[kind, high, low]) = whole.get(at..at + TLV_HEADER) else {
            return Err(ParseError::Tlv);
        };
        let value = at + TLV_HEADER;
        let length = usize::from(u16::from_be_bytes([high, low]));
        at = value + length;
        if at > whole.len() {
            return Err(ParseError::Tlv);
        }
        if kind == TLV_CRC32C && (length != 4 || checksum_at.replace(value).is_some()) {
            return Err(ParseError::Tlv);
        }
    }
    match checksum_at {
        Some(value) if !checksum_matches(whole, value) => Err(ParseError::Checksum),
        _ => Ok(()),
    }
}

fn checksum_matches(whole: &[u8], value: usize) -> bool {
    let (before, rest) = whole.split_at(value);
    let Some((sent, after)) = rest.split_first_chunk::<4>() else {
        return false;
    };
    // The checksum is taken over the header with zeros in the checksum's own place.
    let computed = crc32c::of([before, &[0; 4], after]);
    computed == u32::from_be_bytes(*sent)
}

#[cfg(test)]
mod tests;
