//! Is this the whole header of an HTTP/1 request, and can it be read in only one way?
//!
//! Checked on the raw bytes, before any parser: what two parsers could read differently is how requests are smuggled.
//! Stricter than RFC 9112 where it leaves a choice: bare LF and CR, folded lines, white space around a field's name,
//! `Content-Length` beside `Transfer-Encoding`, two `Host` fields and any transfer coding but `chunked` are refused.

use memchr::memmem;

use super::chunked::Chunks;
use crate::error::Reason;
use crate::server::connection::Expect;

/// How much of a header is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole header.
    pub header: usize,
    /// Header fields.
    pub fields: usize,
    /// Bytes of the request target.
    pub uri: usize,
}

/// A complete header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Empty lines before it, which are dropped (RFC 9112 §2.2).
    pub skip: usize,
    /// Its length, the empty line at its end included.
    pub length: usize,
    /// What follows it.
    pub body: Expect,
}

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// More bytes are needed.
    More,
    /// The whole header is here.
    Head(Head),
    /// The client speaks HTTP/2 with prior knowledge (RFC 9113 §3.3).
    Http2,
}

/// The first bytes of an HTTP/2 connection (RFC 9113 §3.4).
pub const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Empty lines that are forgiven before a request.
const EMPTY_LINES: usize = 4;

/// Looks for a header at the start of `bytes`; `seen` are the bytes an earlier call has searched already.
///
/// # Errors
///
/// The reason for which the request is refused. What follows on the connection can't be trusted any more.
pub fn find(bytes: &[u8], seen: usize, limits: &HeadLimits, http2: bool) -> Result<Found, Reason> {
    if bytes.starts_with(b"PRI ") || (bytes.len() < 4 && b"PRI ".starts_with(bytes)) {
        if !http2 && bytes.len() >= 4 {
            return Err(Reason::BadRequest);
        }
        let common = bytes.len().min(HTTP2_PREFACE.len());
        if bytes[..common] != HTTP2_PREFACE[..common] {
            return Err(Reason::BadRequest);
        }
        return Ok(if common == HTTP2_PREFACE.len() {
            Found::Http2
        } else {
            Found::More
        });
    }
    let mut skip = 0;
    while bytes[skip..].starts_with(b"\r\n") {
        skip += 2;
        if skip > 2 * EMPTY_LINES {
            return Err(Reason::BadRequest);
        }
    }
    let bytes = &bytes[skip..];
    // The end may straddle what was seen before.
    let from = seen.saturating_sub(skip + 3).min(bytes.len());
    match memmem::find(&bytes[from..], b"\r\n\r\n") {
        Some(at) => {
            let length = from + at + 4;
            if length > limits.header {
                return Err(too_large(bytes, limits));
            }
            let body = inspect(&bytes[..length], limits)?;
            Ok(Found::Head(Head { skip, length, body }))
        }
        None if bytes.len() > limits.header => Err(too_large(bytes, limits)),
        None => {
            // A client that ends its lines with a bare LF would otherwise wait for an answer until its deadline.
            if memmem::find(&bytes[from..], b"\n\n").is_some() || bytes[from..].contains(&0) {
                return Err(Reason::BadRequest);
            }
            Ok(Found::More)
        }
    }
}

/// Whether it is the target or the fields that make a header too large.
fn too_large(bytes: &[u8], limits: &HeadLimits) -> Reason {
    let line = memchr::memchr(b'\n', bytes).map_or(bytes, |end| &bytes[..end]);
    // Method, version and spaces take less than this.
    const AROUND_TARGET: usize = 32;
    if line.len() > limits.uri + AROUND_TARGET {
        Reason::UriTooLong
    } else {
        Reason::HeaderTooLarge
    }
}

/// Checks a complete header, and reads how its body is framed (RFC 9112 §6).
fn inspect(head: &[u8], limits: &HeadLimits) -> Result<Expect, Reason> {
    let mut lines = Lines { rest: head };
    let (target, version) = request_line(lines.next().ok_or(Reason::BadRequest)??, limits)?;
    let mut fields = 0;
    let mut host = None;
    let mut length: Option<u64> = None;
    let mut chunked = false;
    let mut websocket = false;
    let mut upgrade = false;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        fields += 1;
        if fields > limits.fields {
            return Err(Reason::HeaderTooLarge);
        }
        let colon = memchr::memchr(b':', line).ok_or(Reason::BadRequest)?;
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            // Also a folded line (RFC 9112 §5.2), which starts with white space.
            return Err(Reason::BadRequest);
        }
        if value
            .iter()
            .any(|&byte| byte.is_ascii_control() && byte != b'\t')
        {
            return Err(Reason::BadRequest);
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                let another = host.replace(value).is_some();
                // Nor may it name a user (RFC 9110 §4.2.4).
                if another || memchr::memchr(b'@', value).is_some() {
                    return Err(Reason::BadRequest);
                }
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                websocket = value.eq_ignore_ascii_case(b"websocket");
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                let mut options = value.split(|&byte| byte == b',');
                upgrade |= options.any(|option| trim(option).eq_ignore_ascii_case(b"upgrade"));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let this = decimal(value).ok_or(Reason::BadRequest)?;
                if length.is_some_and(|other| other != this) {
                    return Err(Reason::BadRequest);
                }
                length = Some(this);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Reason::BadRequest);
                }
                chunked = true;
            }
            _ => {}
        }
    }
    if host.is_none() && version == Version::Http11 {
        return Err(Reason::BadRequest);
    }
    // Both name who is asked, and must agree (RFC 9112 §3.2.2).
    if let (Some(host), Some(authority)) = (host, authority(target))
        && !host.eq_ignore_ascii_case(authority)
    {
        return Err(Reason::BadRequest);
    }
    if chunked && (length.is_some() || version == Version::Http10) {
        return Err(Reason::BadRequest);
    }
    Ok(match length {
        // A body keeps its bounds whatever else is asked for: only a request without one can give its connection away.
        _ if chunked => Expect::Chunked(Chunks::new()),
        Some(length) if length > 0 => Expect::Body(length),
        _ if websocket && upgrade && version == Version::Http11 => Expect::Stream,
        _ => Expect::Nothing,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// `method SP target SP version` (RFC 9112 §3), with single spaces.
fn request_line<'l>(line: &'l [u8], limits: &HeadLimits) -> Result<(&'l [u8], Version), Reason> {
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Reason::BadRequest);
    };
    if method.is_empty() || !method.iter().all(|&byte| is_token(byte)) {
        return Err(Reason::BadRequest);
    }
    if target.len() > limits.uri {
        return Err(Reason::UriTooLong);
    }
    // A fragment is never sent (RFC 9112 §3.2), and parsers disagree about what to do with one, as with bytes that no
    // URI has (RFC 3986 §2).
    let illegal = |byte: &u8| !byte.is_ascii_graphic() || matches!(byte, b'#' | b'<' | b'>' | b'`');
    if target.is_empty() || target.iter().any(illegal) {
        return Err(Reason::BadRequest);
    }
    // One is for forward proxies; the other shows a client's fields, cookies among them, to whoever can make it ask.
    if method == b"CONNECT" || method == b"TRACE" {
        return Err(Reason::MethodNotAllowed);
    }
    match version {
        b"HTTP/1.1" => Ok((target, Version::Http11)),
        b"HTTP/1.0" => Ok((target, Version::Http10)),
        _ => Err(Reason::BadRequest),
    }
}

/// Whom a target in absolute form asks.
fn authority(target: &[u8]) -> Option<&[u8]> {
    if target.starts_with(b"/") {
        return None;
    }
    let rest = &target[memmem::find(target, b"://")? + 3..];
    rest.split(|byte| matches!(byte, b'/' | b'?')).next()
}

/// The lines of a header, each ended by CR LF and free of NUL, CR and LF.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<&'a [u8], Reason>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(end) = memchr::memchr3(b'\r', b'\n', 0, self.rest) else {
            return Some(Err(Reason::BadRequest));
        };
        if !self.rest[end..].starts_with(b"\r\n") {
            return Some(Err(Reason::BadRequest));
        }
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 2..];
        Some(Ok(line))
    }
}

/// Without the optional white space around a value (RFC 9110 §5.5): space and tab, and no other.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A character of a method or a field's name (`tchar`, RFC 9110 §5.6.2).
const fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = matches!(
                byte as u8,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
                | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'
            );
            byte += 1;
        }
        table
    };
    TOKEN[byte as usize]
}

/// Digits and nothing else; not even `+`, which `str::parse` takes.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
