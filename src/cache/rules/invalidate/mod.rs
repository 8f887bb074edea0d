//! Which stored responses does an answer to an unsafe request put an end to?

use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, Method, StatusCode};

use crate::route::{normalise_host, normalise_path};

use super::validators::only;

/// Where a request went, as the client named it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'r> {
    /// `http` or `https`.
    pub scheme: &'r str,
    /// The host in normal form, without port.
    pub host: &'r str,
    /// The port; none if it is the scheme's own.
    pub port: Option<u16>,
    /// The path in normal form.
    pub path: &'r str,
    /// The query, without `?`.
    pub query: Option<&'r str>,
}

/// What is no longer what was stored of it. Scheme, host and port are those of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The path in normal form.
    pub path: String,
    /// The query, without `?`.
    pub query: Option<String>,
}

/// Whether the request may change what it asks for: all methods do that are not known to be safe (RFC 9110 §9.2.1, and
/// the registry of methods).
pub fn is_unsafe(method: &Method) -> bool {
    !matches!(
        method.as_str(),
        "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PROPFIND" | "QUERY" | "REPORT" | "SEARCH"
    )
}

/// What an answer invalidates (RFC 9111 §4.4): where the method is unsafe and the answer no error, that which was asked
/// for, and what `Location` and `Content-Location` name, if it is of the same origin. All that is stored under these
/// addresses is meant, every variant.
pub fn invalidated(
    method: &Method,
    status: StatusCode,
    fields: &HeaderMap,
    asked: &Place,
) -> Vec<Changed> {
    if !is_unsafe(method) || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let mut all = vec![Changed {
        path: asked.path.to_owned(),
        query: asked.query.map(str::to_owned),
    }];
    for name in [LOCATION, CONTENT_LOCATION] {
        if let Some(changed) = only(fields, &name)
            .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
            .and_then(|reference| resolved(reference.trim_ascii(), asked))
            && !all.contains(&changed)
        {
            all.push(changed);
        }
    }
    all
}

/// What a reference in an answer names, if that is of the origin that was asked (RFC 3986 §5.2).
fn resolved(reference: &str, asked: &Place) -> Option<Changed> {
    let reference = match reference.split_once('#') {
        Some((reference, _)) => reference,
        None => reference,
    };
    let local = match scheme(reference) {
        Some((scheme, rest)) => {
            if !scheme.eq_ignore_ascii_case(asked.scheme) {
                return None;
            }
            // `http:path` names no origin.
            of_same_origin(rest.strip_prefix("//")?, asked)?
        }
        None => match reference.strip_prefix("//") {
            Some(rest) => of_same_origin(rest, asked)?,
            None => reference,
        },
    };
    let whole = local.len() < reference.len();
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (local, None),
    };
    let (path, query) = if path.starts_with('/') {
        (normalise_path(path.as_bytes()).ok()?.into_owned(), query)
    } else if !path.is_empty() {
        let folder = &asked.path[..=asked.path.rfind('/')?];
        let path = format!("{folder}{path}");
        (normalise_path(path.as_bytes()).ok()?.into_owned(), query)
    } else if whole {
        ("/".to_owned(), query)
    } else {
        (asked.path.to_owned(), query.or(asked.query))
    };
    Some(Changed {
        path,
        query: query.map(str::to_owned),
    })
}

/// The scheme a reference begins with, and what comes after its colon.
fn scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let mut letters = scheme.bytes();
    (letters.next()?.is_ascii_alphabetic()
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')))
    .then_some((scheme, rest))
}

/// What comes after the authority, if that is the one that was asked.
fn of_same_origin<'r>(rest: &'r str, asked: &Place) -> Option<&'r str> {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, local) = rest.split_at(end);
    // Refuses user information.
    let host = normalise_host(authority).ok()?;
    let port = authority
        .rsplit_once(':')
        .map(|(_, port)| port)
        .filter(|port| !port.is_empty() && !port.ends_with(']'))
        .map(str::parse::<u16>)
        .transpose()
        .ok()?
        .or(own_port(asked.scheme));
    (host == asked.host && port == asked.port.or(own_port(asked.scheme))).then_some(local)
}

/// The port that goes without saying.
fn own_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
