//! What of a request is its token (RFC 6750 §2.1)?

use std::borrow::Cow;

use http::header::AUTHORIZATION;

use super::fault::Fault;
use crate::policy::access::Place;
use crate::policy::access::place::Several;
use crate::route::Request;

/// The request's token; `None` if there is nothing at its place. In `Authorization` it follows the word `Bearer`; in another
/// field it may.
///
/// # Errors
///
/// [`Fault::Several`] if it has more: an endpoint could take another one than is verified here. [`Fault::Malformed`] for
/// what is no text. [`Fault::Missing`] if something else is at its place: it must not go on as if it were nothing, for an
/// endpoint could take it for a token.
pub fn token<'r>(place: &Place, request: &Request<'r>) -> Result<Option<Cow<'r, str>>, Fault> {
    let found = place.find(request).map_err(|Several| Fault::Several)?;
    let found = match (place, found) {
        (_, None) => return Ok(None),
        (Place::Header(name), Some(Cow::Borrowed(value))) => match bearer(value) {
            Some(token) => Cow::Borrowed(token),
            None if *name == AUTHORIZATION => return Err(Fault::Missing),
            None => Cow::Borrowed(value),
        },
        (_, Some(found)) => found,
    };
    let text = match found {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    };
    text.map(Some).ok_or(Fault::Malformed)
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
