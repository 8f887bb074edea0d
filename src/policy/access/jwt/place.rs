//! Where in a request is the token?

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::{Edit, SecretParameter};
use super::fault::Fault;
use crate::route::{Request, cookie, query_values};

/// Where the token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `Authorization: Bearer …` (RFC 6750 §2.1).
    Bearer,
    /// This field, with or without `Bearer` in front.
    Header(HeaderName),
    /// This cookie.
    Cookie(Box<str>),
    /// This parameter of the query.
    Query(Arc<str>),
}

impl Place {
    /// The request's token; `None` if there is nothing at its place.
    ///
    /// # Errors
    ///
    /// [`Fault::Several`] if it has more: an endpoint could take another one than is verified here. [`Fault::Malformed`] for
    /// what is no text. [`Fault::Missing`] if something else is at its place: it must not go on as if it were nothing, for an
    /// endpoint could take it for a token.
    pub fn find<'r>(&self, request: &Request<'r>) -> Result<Option<Cow<'r, str>>, Fault> {
        let borrowed = |bytes: &'r [u8]| match str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_) => Err(Fault::Malformed),
        };
        match self {
            Self::Bearer => {
                let values = request.headers.get_all(AUTHORIZATION).iter();
                match only(values.map(HeaderValue::as_bytes))? {
                    Some(value) => borrowed(bearer(value).ok_or(Fault::Missing)?).map(Some),
                    None => Ok(None),
                }
            }
            Self::Header(name) => {
                let values = request.headers.get_all(name).iter();
                let value = only(values.map(HeaderValue::as_bytes))?;
                value
                    .map(|value| borrowed(bearer(value).unwrap_or(value)))
                    .transpose()
            }
            Self::Cookie(name) => only(cookie::values(request.headers, name))?
                .map(borrowed)
                .transpose(),
            Self::Query(name) => {
                let values = query_values(request.query.unwrap_or_default(), name);
                match only(values)? {
                    Some(Cow::Borrowed(value)) => borrowed(value).map(Some),
                    Some(Cow::Owned(value)) => match String::from_utf8(value) {
                        Ok(text) => Ok(Some(Cow::Owned(text))),
                        Err(_) => Err(Fault::Malformed),
                    },
                    None => Ok(None),
                }
            }
        }
    }

    /// The parameter that no log shows, whether its token is good or not.
    pub fn secret(&self, forward: bool) -> Option<SecretParameter> {
        match self {
            Self::Query(name) => Some(SecretParameter {
                name: Arc::clone(name),
                forward,
            }),
            Self::Bearer | Self::Header(_) | Self::Cookie(_) => None,
        }
    }

    /// Takes the token out of the fields that the endpoint gets; one in the query is a [`SecretParameter`].
    pub fn remove(&self, fields: &HeaderMap, edits: &mut Vec<Edit>) {
        match self {
            Self::Bearer => edits.push(Edit::Remove(AUTHORIZATION)),
            Self::Header(name) => edits.push(Edit::Remove(name.clone())),
            Self::Cookie(name) => {
                edits.push(Edit::Remove(COOKIE));
                for line in fields.get_all(COOKIE) {
                    let kept = match cookie::without(line.as_bytes(), name) {
                        None => Some(line.clone()),
                        Some(rest) if rest.is_empty() => None,
                        Some(rest) => HeaderValue::from_bytes(&rest).ok(),
                    };
                    edits.extend(kept.map(|line| Edit::Append(COOKIE, line)));
                }
            }
            Self::Query(_) => {}
        }
    }
}

/// The only one of them, if there is one.
fn only<T>(mut values: impl Iterator<Item = T>) -> Result<Option<T>, Fault> {
    let first = values.next();
    match values.next() {
        None => Ok(first),
        Some(_) => Err(Fault::Several),
    }
}

/// What follows the word `Bearer`, however that is written (RFC 9110 §11.1), and the white space behind it. That should be
/// spaces, but there are endpoints that take a tab.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let end = value.iter().position(u8::is_ascii_whitespace);
    let (scheme, rest) = value.split_at(end.unwrap_or(value.len()));
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then(|| rest.trim_ascii())
}
