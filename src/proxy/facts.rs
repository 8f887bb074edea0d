//! What does a request ask for, in the one form everything later trusts?

use std::borrow::Cow;

use http::header::{CONNECTION, HOST, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Version};
use pingora::http::RequestHeader;

use super::forward::Scheme;
use crate::cache::KeyParts;
use crate::error::Reason;
use crate::route::{normalise_host, normalise_path};
use crate::snapshot::Listener;

/// A request's header in its normal form.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The host as it was written, with its port.
    pub authority: Option<HeaderValue>,
    /// The host in lower case, without port; empty if the request names none.
    pub host: Cow<'a, str>,
    /// The port the client wrote.
    pub port: Option<u16>,
    /// The normalised path, or `*`.
    pub path: Cow<'a, str>,
    /// What is behind the `?`.
    pub query: Option<&'a str>,
    /// Whether the endpoint must be given another target than came: the path was not in its normal form, or the target
    /// not in origin form.
    pub rewritten: bool,
    /// The body's announced length.
    pub content_length: Option<u64>,
}

impl<'a> Facts<'a> {
    /// Reads a header.
    ///
    /// # Errors
    ///
    /// The reason for which the request is refused.
    pub fn read(header: &'a RequestHeader, listener: &Listener) -> Result<Self, Reason> {
        if header.version == Version::HTTP_2 {
            // HTTP/1 headers were measured before they were parsed.
            within_limits(header, listener)?;
        }
        if header.method == Method::CONNECT || header.method == Method::TRACE {
            return Err(Reason::MethodNotAllowed);
        }
        let raw = header.raw_path();
        let (target, absolute) = if raw.starts_with(b"/") {
            (
                std::str::from_utf8(raw).map_err(|_| Reason::BadRequest)?,
                false,
            )
        } else if raw == b"*" && header.method == Method::OPTIONS {
            ("*", false)
        } else {
            // Absolute form (RFC 9112 §3.2.2); Pingora has checked its authority against `Host`, and taken what has no
            // scheme for the authority form, which is for CONNECT only.
            if !is_absolute(raw) {
                return Err(Reason::BadRequest);
            }
            let target = header.uri.path_and_query().ok_or(Reason::BadRequest)?;
            (target.as_str(), true)
        };
        if absolute && !target.starts_with('/') && !target.starts_with('?') {
            return Err(Reason::BadRequest);
        }
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let path = if path == "*" {
            Cow::Borrowed(path)
        } else if path.is_empty() {
            Cow::Borrowed("/")
        } else {
            normalise_path(path.as_bytes()).map_err(|_| Reason::AmbiguousPath)?
        };
        if query.is_some_and(|query| {
            query
                .bytes()
                .any(|byte| byte.is_ascii_control() || byte == b' ' || byte == b'#')
        }) {
            return Err(Reason::BadRequest);
        }
        let rewritten = absolute || matches!(path, Cow::Owned(_));
        let authority = authority(header)?;
        let written: &'a str = match &authority {
            Some(Authority::Field(value)) => value.to_str().map_err(|_| Reason::BadRequest)?,
            Some(Authority::Uri(text)) => text,
            None => "",
        };
        let (host, port) = host_and_port(written)?;
        let authority = match authority {
            Some(Authority::Field(value)) => Some(value.clone()),
            Some(Authority::Uri(text)) => {
                Some(HeaderValue::try_from(text).map_err(|_| Reason::BadRequest)?)
            }
            None => None,
        };
        let content_length = header
            .headers
            .get(http::header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.trim().parse().ok());
        Ok(Self {
            authority,
            host,
            port,
            path,
            query,
            rewritten,
            content_length,
        })
    }

    /// What the key of an object is made of, with the query as the endpoint is told it.
    pub fn key_parts<'p>(
        &'p self,
        query: Option<&'p str>,
        scheme: Scheme,
        fields: &'p HeaderMap,
    ) -> KeyParts<'p> {
        KeyParts {
            scheme: scheme.as_str(),
            host: &self.host,
            port: self.port.filter(|port| *port != scheme.port()),
            path: &self.path,
            query,
            fields,
        }
    }
}

/// The host in its normal form, and the port, of an authority as a client wrote it, which may name none.
///
/// # Errors
///
/// The reason for which a request with it is refused.
pub fn host_and_port(authority: &str) -> Result<(Cow<'_, str>, Option<u16>), Reason> {
    if authority.is_empty() {
        return Ok((Cow::Borrowed(""), None));
    }
    let host = normalise_host(authority).map_err(|_| Reason::BadRequest)?;
    let port = authority
        .rsplit_once(':')
        .filter(|(_, port)| !port.ends_with(']'))
        .and_then(|(_, port)| port.parse().ok());
    Ok((host, port))
}

/// A target of this path, and this query if there is one.
pub fn target(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => joined(path, query),
        None => path.to_owned(),
    }
}

/// A target of this path and query.
fn joined(path: &str, query: &str) -> String {
    let mut target = String::with_capacity(path.len() + 1 + query.len());
    target.push_str(path);
    target.push('?');
    target.push_str(query);
    target
}

fn is_absolute(target: &[u8]) -> bool {
    let begins_with = |scheme: &[u8]| {
        let start = target.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    begins_with(b"http://") || begins_with(b"https://")
}

/// Whether a request asks for a WebSocket (RFC 6455 §4.1), the one change of protocol that is passed on. Any other is
/// left out, and the request is one like all others.
pub fn wants_websocket(header: &RequestHeader) -> bool {
    let mut protocols = header.headers.get_all(UPGRADE).iter();
    let websocket = match (protocols.next(), protocols.next()) {
        (Some(only), None) => only.as_bytes().eq_ignore_ascii_case(b"websocket"),
        _ => false,
    };
    let mut options = header
        .headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    header.version == Version::HTTP_11
        && websocket
        && options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

enum Authority<'a> {
    Field(&'a HeaderValue),
    Uri(&'a str),
}

/// `:authority` (RFC 9113 §8.3.1) or `Host` (RFC 9110 §7.2).
fn authority(header: &RequestHeader) -> Result<Option<Authority<'_>>, Reason> {
    if header.version == Version::HTTP_2
        && let Some(authority) = header.uri.authority()
    {
        return Ok(Some(Authority::Uri(authority.as_str())));
    }
    match header.headers.get(HOST) {
        Some(value) => Ok(Some(Authority::Field(value))),
        None if header.version == Version::HTTP_10 => Ok(None),
        None => Err(Reason::BadRequest),
    }
}

fn within_limits(header: &RequestHeader, listener: &Listener) -> Result<(), Reason> {
    if header.raw_path().len() > listener.head.uri {
        return Err(Reason::UriTooLong);
    }
    if header.headers.len() > listener.head.fields {
        return Err(Reason::HeaderTooLarge);
    }
    let bytes: usize = header
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if bytes > listener.head.header {
        return Err(Reason::HeaderTooLarge);
    }
    Ok(())
}
