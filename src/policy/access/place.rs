//! Where in a request is the key or the token of who sends it?

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::{Edit, SecretParameter};
use crate::route::{Request, cookie, query_values};

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this field.
    Header(HeaderName),
    /// In this cookie.
    Cookie(Arc<str>),
    /// In this parameter of the query.
    Query(Arc<str>),
}

/// There is more than one: an endpoint could take another one than is looked at here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Several;

impl Place {
    /// What the request has there.
    ///
    /// # Errors
    ///
    /// It has several.
    pub fn find<'r>(&self, request: &Request<'r>) -> Result<Option<Cow<'r, [u8]>>, Several> {
        match self {
            Self::Header(name) => {
                let values = request.headers.get_all(name).iter();
                let value = only(values.map(HeaderValue::as_bytes))?;
                Ok(value.map(Cow::Borrowed))
            }
            Self::Cookie(name) => {
                let value = only(cookie::values(request.headers, name))?;
                Ok(value.map(Cow::Borrowed))
            }
            Self::Query(name) => only(query_values(request.query.unwrap_or_default(), name)),
        }
    }

    /// The parameter that no log shows, whether what it holds is good or not: what is wrong here may be right elsewhere.
    pub fn secret(&self, forward: bool) -> Option<SecretParameter> {
        match self {
            Self::Query(name) => Some(SecretParameter {
                name: Arc::clone(name),
                forward,
            }),
            Self::Header(_) | Self::Cookie(_) => None,
        }
    }

    /// Takes it out of the fields that the endpoint gets; what is in the query is a [`SecretParameter`].
    pub fn remove(&self, edits: &mut Vec<Edit>) {
        match self {
            Self::Header(name) => edits.push(Edit::Remove(name.clone())),
            Self::Cookie(name) => edits.push(Edit::RemoveCookie(Arc::clone(name))),
            Self::Query(_) => {}
        }
    }
}

/// The only one of them, if there is one.
fn only<T>(mut values: impl Iterator<Item = T>) -> Result<Option<T>, Several> {
    let first = values.next();
    match values.next() {
        None => Ok(first),
        Some(_) => Err(Several),
    }
}
