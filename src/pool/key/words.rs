//! What does a request have for a word of a key's rule?

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use super::Word;
use crate::pool::sticky::cookie;
use crate::route::{Request, query_value};

/// What `take` makes of the word's value; `None` if the request has none, or an empty one.
pub(super) fn value<T>(
    word: &Word,
    request: &Request<'_>,
    client: Option<IpAddr>,
    take: impl FnOnce(&[u8]) -> T,
) -> Option<T> {
    let value = match word {
        Word::ClientIp => return client.map(|ip| take(IpText::new(ip).as_bytes())),
        Word::Path => request.path.as_bytes(),
        Word::Host => request.host.as_bytes(),
        Word::Header(name) => request.headers.get(name)?.as_bytes(),
        Word::Cookie(name) => cookie::values(request.headers, name).next()?,
        Word::Query(name) => {
            let value = query_value(request.query?, name)?;
            return (!value.is_empty()).then(|| take(&value));
        }
    };
    (!value.is_empty()).then(|| take(value))
}

/// An IP address as text, without an allocation.
struct IpText {
    bytes: [u8; Self::LONGEST],
    len: usize,
}

impl IpText {
    /// Of `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`.
    const LONGEST: usize = 45;

    fn new(ip: IpAddr) -> Self {
        let mut text = Self {
            bytes: [0; Self::LONGEST],
            len: 0,
        };
        // It fits: an address has at most that many characters.
        let _ = write!(text, "{ip}");
        text
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl fmt::Write for IpText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
