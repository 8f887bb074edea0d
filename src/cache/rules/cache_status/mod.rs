//! What does an answer say of the cache's part in it?

use http::{HeaderName, HeaderValue, StatusCode};

use super::directives;

/// The field (RFC 9211). Its value is appended: each cache on the way adds its own, the one closest to the client last.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Why a request went on to an endpoint (RFC 9211 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The route's rules keep it out of the cache.
    Bypass,
    /// By its method.
    Method,
    /// Nothing was stored under its address.
    UriMiss,
    /// Something was, but no variant for its fields.
    VaryMiss,
    /// Nothing was stored that could be used, and it is not known which of the two it was.
    Miss,
    /// The client did not want what was stored.
    Request,
    /// What was stored is stale.
    Stale,
    /// Only a part of it was stored.
    Partial,
}

impl Forward {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

/// What the cache did for a request (RFC 9211).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus {
    /// Why the request went on to an endpoint; `None` where it did not: then it was a hit, if there was an answer stored.
    pub fwd: Option<Forward>,
    /// Whether it was answered with what was stored. Not told where the request went on.
    pub hit: bool,
    /// What the endpoint's answer was, where the client's is another.
    pub fwd_status: Option<StatusCode>,
    /// For how many seconds the answer is still fresh; less than nothing if it is stale.
    pub ttl: Option<i64>,
    /// Whether the answer was stored.
    pub stored: bool,
    /// Whether another request's fetch answered this one too.
    pub collapsed: bool,
    /// Anything else there is to say, as a token.
    pub detail: Option<&'static str>,
}

impl CacheStatus {
    /// An answer from the store, fresh for so many seconds.
    pub const fn hit(ttl: i64) -> Self {
        Self {
            fwd: None,
            hit: true,
            fwd_status: None,
            ttl: Some(ttl),
            stored: false,
            collapsed: false,
            detail: None,
        }
    }

    /// A request that went on.
    pub const fn forwarded(why: Forward) -> Self {
        Self {
            fwd: Some(why),
            hit: false,
            fwd_status: None,
            ttl: None,
            stored: false,
            collapsed: false,
            detail: None,
        }
    }

    /// What is appended to `Cache-Status`.
    pub fn value(&self) -> HeaderValue {
        let mut line = Line::new();
        line.push(b"portcullis");
        if let Some(why) = self.fwd {
            line.push(b"; fwd=");
            line.push(why.as_str().as_bytes());
            if let Some(status) = self.fwd_status {
                line.push(b"; fwd-status=");
                line.push_number(i64::from(status.as_u16()));
            }
        } else if self.hit {
            line.push(b"; hit");
        }
        if let Some(ttl) = self.ttl {
            line.push(b"; ttl=");
            line.push_number(ttl);
        }
        if self.stored {
            line.push(b"; stored");
        }
        if self.collapsed {
            line.push(b"; collapsed");
        }
        if let Some(detail) = self.detail {
            line.push(b"; detail=");
            line.push_word(detail);
        }
        line.value()
    }
}

/// A token of a structured field (RFC 8941 §3.3.4).
fn is_token(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '*')
        && word
            .bytes()
            .all(|byte| directives::is_token(byte) || matches!(byte, b':' | b'/'))
}

/// The largest number in a structured field (RFC 8941 §3.3.1).
const MOST: i64 = 999_999_999_999_999;

/// The value on its way, without an allocation.
struct Line {
    bytes: [u8; 192],
    length: usize,
}

impl Line {
    const fn new() -> Self {
        Self {
            bytes: [0; 192],
            length: 0,
        }
    }

    /// Leaves out what finds no room.
    fn push(&mut self, text: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.length..self.length + text.len()) {
            room.copy_from_slice(text);
            self.length += text.len();
        }
    }

    /// A token if it is one, else a string (RFC 8941 §3.3.3, §3.3.4).
    fn push_word(&mut self, word: &str) {
        if is_token(word) {
            return self.push(word.as_bytes());
        }
        self.push(b"\"");
        for byte in word.bytes().filter(|byte| matches!(byte, b' '..=b'~')) {
            if matches!(byte, b'"' | b'\\') {
                self.push(b"\\");
            }
            self.push(&[byte]);
        }
        self.push(b"\"");
    }

    fn push_number(&mut self, number: i64) {
        let number = number.clamp(-MOST, MOST);
        let mut digits = [0; 20];
        let mut start = digits.len();
        let mut rest = number.unsigned_abs();
        loop {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            start -= 1;
            digits[start] = b'-';
        }
        self.push(&digits[start..]);
    }

    fn value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.bytes[..self.length])
            .unwrap_or(HeaderValue::from_static("portcullis"))
    }
}

#[cfg(test)]
mod tests;
