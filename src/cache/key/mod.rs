//! Which requests mean the same object?
//!
//! A key is bytes that say, one after the other and each with its length, all that tells objects apart: two requests have
//! the same key if and only if they mean the same object. What a rule leaves out of the query, the endpoint does not get
//! either ([`KeyRule::query`]): it could answer by it, and everyone else would have that answer.

mod query;

use std::borrow::Cow;
use std::fmt::Write as _;

use http::{HeaderMap, HeaderName};

use crate::route::cookie;
pub use query::{NamePattern, Names, QueryRule};

/// How keys are written; another way of writing them has another number, so that what was stored before is not found.
const VERSION: u8 = 1;
/// The second byte says what of this is in the key.
const SCHEME: u8 = 1;
const HOST: u8 = 1 << 1;
const PORT: u8 = 1 << 2;
const QUERY: u8 = 1 << 3;
const FIELDS: u8 = 1 << 4;

/// What a key is made of.
#[derive(Clone, Copy, Debug)]
pub struct KeyParts<'r> {
    /// `http` or `https`.
    pub scheme: &'r str,
    /// The host in lower case, without port; empty if the request names none.
    pub host: &'r str,
    /// The port; `None` if it is the scheme's own.
    pub port: Option<u16>,
    /// The path in its normal form.
    pub path: &'r str,
    /// What is behind the `?`.
    pub query: Option<&'r str>,
    /// The request's fields.
    pub fields: &'r HeaderMap,
}

/// What of a request goes into its key, beside the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRule {
    /// Whether answers over HTTP and over HTTPS are told apart.
    pub scheme: bool,
    /// Whether those for one host and port are told from those for another.
    pub host: bool,
    /// Which parameters of the query go into it, and to the endpoint.
    pub query: QueryRule,
    /// Whether they are brought into the order of their names first.
    pub sort_query: bool,
    /// Fields that go into it.
    pub headers: Box<[HeaderName]>,
    /// Cookies that go into it.
    pub cookies: Box<[Box<str>]>,
}

impl Default for KeyRule {
    fn default() -> Self {
        Self {
            scheme: true,
            host: true,
            query: QueryRule::All,
            sort_query: false,
            headers: Box::default(),
            cookies: Box::default(),
        }
    }
}

impl KeyRule {
    /// Writes the key of a request at the end of `out`.
    pub fn write(&self, space: &str, parts: &KeyParts<'_>, out: &mut Vec<u8>) {
        let query = self.query(parts.query);
        let port = parts.port.filter(|_| self.host);
        let has_fields = !self.is_url_alone();
        let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
        out.push(VERSION);
        out.push(
            flag(self.scheme, SCHEME)
                | flag(self.host, HOST)
                | flag(port.is_some(), PORT)
                | flag(query.is_some(), QUERY)
                | flag(has_fields, FIELDS),
        );
        framed(space.as_bytes(), out);
        if self.scheme {
            framed(parts.scheme.as_bytes(), out);
        }
        if self.host {
            framed(parts.host.as_bytes(), out);
        }
        if let Some(port) = port {
            out.extend_from_slice(&port.to_be_bytes());
        }
        framed(parts.path.as_bytes(), out);
        if let Some(query) = query {
            framed(query.as_bytes(), out);
        }
        if has_fields {
            self.write_fields(parts.fields, out);
        }
    }

    /// Fields and cookies are written with their names: a reload may change which they are, and what was stored before must
    /// not be found by the values of others.
    fn write_fields(&self, fields: &HeaderMap, out: &mut Vec<u8>) {
        length(self.headers.len(), out);
        for name in &self.headers {
            framed(name.as_str().as_bytes(), out);
            // How many lines: none is not an empty one.
            let lines = || fields.get_all(name).iter();
            length(lines().count(), out);
            lines().for_each(|line| framed(line.as_bytes(), out));
        }
        length(self.cookies.len(), out);
        for name in &self.cookies {
            framed(name.as_bytes(), out);
            length(cookie::values(fields, name).count(), out);
            cookie::values(fields, name).for_each(|value| framed(value, out));
        }
    }

    /// The query as it stands in the key, and as the endpoint is to be asked.
    pub fn query<'q>(&self, query: Option<&'q str>) -> Option<Cow<'q, str>> {
        let kept = self.query.apply(query?)?;
        Some(match self.sort_query {
            true => query::sorted(kept),
            false => kept,
        })
    }

    /// What a purge finds objects by: `host[:port]/path?query`, as far as the key goes by it. Where it does not go by the
    /// host, it begins with the path.
    pub fn url(&self, parts: &KeyParts<'_>) -> String {
        let query = self.query(parts.query);
        let length = query.as_ref().map_or(0, |query| query.len() + 1);
        let longest_port = ":65535".len();
        let mut url =
            String::with_capacity(parts.host.len() + longest_port + parts.path.len() + length);
        if self.host {
            url.push_str(parts.host);
            if let Some(port) = parts.port {
                // Memory is all it needs.
                let _ = write!(url, ":{port}");
            }
        }
        url.push_str(parts.path);
        if let Some(query) = query {
            url.push('?');
            url.push_str(&query);
        }
        url
    }

    /// Whether the key goes by no fields and no cookies, so that a URL has one object (for each scheme).
    pub fn is_url_alone(&self) -> bool {
        self.headers.is_empty() && self.cookies.is_empty()
    }
}

/// What a key is looked up by. It finds, and the key itself tells whether it is the right one.
pub fn hash(key: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128(key)
}

/// Bytes behind their length.
fn framed(bytes: &[u8], out: &mut Vec<u8>) {
    length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// A number, seven bits a byte and the lowest first; each byte but the last has its highest bit set.
fn length(mut number: usize, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests;
