//! Does a client's condition keep it from having a stored response?

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::validators::{Tag, Validators, date_of};

/// What a request's conditions come to, measured by a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// There are none, or they hold: the response goes to the client, whole or in part.
    Go,
    /// The client has it already: 304.
    NotModified,
    /// It is not the one that the client wants: 412.
    Failed,
}

/// Evaluates a request's conditions in the order of RFC 9110 §13.2.2, but for `If-Range`, of which
/// [`portion`](super::portion) takes care. Conditions count only where the answer without them would be 200 (§13.2.1,
/// RFC 9111 §4.3.2).
pub fn precondition(
    method: &Method,
    asked: &HeaderMap,
    status: StatusCode,
    validators: &Validators,
) -> Precondition {
    if status != StatusCode::OK || (method != Method::GET && method != Method::HEAD) {
        return Precondition::Go;
    }
    if asked.contains_key(IF_MATCH) {
        if !lists(asked, &IF_MATCH, validators, Tag::strongly_is) {
            return Precondition::Failed;
        }
    } else if let (Some(limit), Some(modified)) =
        (date_of(asked, &IF_UNMODIFIED_SINCE), validators.modified)
        && modified > limit
    {
        return Precondition::Failed;
    }
    if asked.contains_key(IF_NONE_MATCH) {
        if lists(asked, &IF_NONE_MATCH, validators, Tag::weakly_is) {
            return Precondition::NotModified;
        }
    } else if let (Some(limit), Some(modified)) = (
        date_of(asked, &IF_MODIFIED_SINCE),
        // RFC 9111 §4.3.2.
        validators.modified.or(validators.dated),
    ) && modified <= limit
    {
        return Precondition::NotModified;
    }
    Precondition::Go
}

/// Whether the field is `*` or has the response's entity tag among its own. It is read as far as it is well-formed.
fn lists<'t>(
    asked: &'t HeaderMap,
    name: &HeaderName,
    validators: &'t Validators,
    alike: impl Fn(Tag<'t>, Tag<'t>) -> bool,
) -> bool {
    let mut lines = asked.get_all(name).iter();
    if let (Some(line), None) = (lines.next(), lines.next())
        && line.as_bytes() == b"*"
    {
        return true;
    }
    let Some(stored) = &validators.etag else {
        return false;
    };
    asked
        .get_all(name)
        .iter()
        .any(|line| Tags(line.as_bytes()).any(|tag| alike(tag, stored.tag())))
}

/// The entity tags of a list, as far as it is one (RFC 9110 §5.6.1: elements may be empty).
struct Tags<'t>(&'t [u8]);

impl<'t> Iterator for Tags<'t> {
    type Item = Tag<'t>;

    fn next(&mut self) -> Option<Tag<'t>> {
        let start = self
            .0
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let (tag, rest) = Tag::first_of(&self.0[start..])?;
        let rest = rest.trim_ascii_start();
        // Two tags must have a comma between them.
        self.0 = match rest.first() {
            None | Some(b',') => rest,
            Some(_) => &[],
        };
        Some(tag)
    }
}

#[cfg(test)]
mod tests;
