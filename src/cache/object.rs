//! What is a stored response?

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::header::DATE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::disk::DiskBody;
use super::purge::Marks;
use super::rules::{Partial, Terms, Validators, date};

/// How many fields are added to those that a response came with, at most: `Date`, `Content-Length`, `Accept-Ranges`.
const ADDED: usize = 3;

/// One stored response. It does not change: one that is freshened is another object with the same body.
#[derive(Debug)]
pub struct Object {
    /// What it was stored under, whole: its hash finds it, this tells that it is the right one.
    pub key: Box<[u8]>,
    /// Everything but the body.
    pub head: Head,
    /// The body.
    pub body: Body,
}

/// Everything of a stored response but its body.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// Its fields as the endpoint sent them, without what belongs to the connection or must not be stored.
    pub fields: HeaderMap,
    /// How long, and on which terms, it may be used.
    pub terms: Terms,
    /// What tells it from other versions of itself.
    pub validators: Validators,
    /// What a purge finds it by.
    pub marks: Marks,
}

impl Head {
    /// The head of a response with these fields, those that may be stored. One without a date gets that of when it came
    /// (RFC 9110 §6.6.1): what is sent on later must not seem to be of then.
    pub fn new(status: StatusCode, fields: &HeaderMap, terms: Terms, marks: Marks) -> Self {
        let mut fields = compact(fields);
        if !fields.contains_key(DATE)
            && let Ok(date) = HeaderValue::from_bytes(&date::write(terms.received))
        {
            fields.insert(DATE, date);
        }
        Self {
            status,
            validators: Validators::of(&fields),
            terms,
            marks,
            fields,
        }
    }
}

/// The same fields in memory of their own: those of an answer that was read hold the whole buffer it was read into.
fn compact(fields: &HeaderMap) -> HeaderMap {
    let length = fields.values().map(HeaderValue::len).sum();
    let mut values = BytesMut::with_capacity(length);
    fields
        .values()
        .for_each(|value| values.extend_from_slice(value.as_bytes()));
    let mut values = values.freeze();
    let mut own = HeaderMap::with_capacity(fields.len() + ADDED);
    for (name, value) in fields {
        let bytes = values.split_to(value.len());
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes) {
            own.append(name.clone(), value);
        }
    }
    own
}

/// A body, wherever it is. A clone is the same body.
#[derive(Clone, Debug)]
pub enum Body {
    /// In memory.
    Memory(Chunks),
    /// On disk, in a file that is open.
    Disk(DiskBody),
    /// In memory, and only parts of it are there.
    Parts(Arc<Partial>),
}

impl Body {
    /// How long it is, in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(chunks) => chunks.len(),
            Self::Disk(body) => body.len(),
            Self::Parts(parts) => parts.complete(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A body in memory, in the pieces it came in.
#[derive(Clone, Debug)]
pub struct Chunks {
    pieces: Arc<[Bytes]>,
    length: u64,
}

impl Chunks {
    /// A body of these pieces.
    pub fn new(pieces: Vec<Bytes>) -> Self {
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self {
            pieces: pieces.into(),
            length,
        }
    }

    /// Its pieces.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// How long it is, in bytes.
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// What stands under a key.
#[derive(Clone, Debug)]
pub enum Stored {
    /// A response.
    Object(Arc<Object>),
    /// The responses under it vary.
    Varies(Arc<Varies>),
    /// The last ones could not be stored, so until then no request waits for another's.
    Passes(Instant),
}

/// By which fields of the request the responses under a key vary.
#[derive(Debug)]
pub struct Varies {
    /// The key.
    pub key: Box<[u8]>,
    /// The fields.
    pub names: Box<[HeaderName]>,
    /// Goes into the keys of the variants, so that those of a former one that was removed are not found again.
    pub generation: u64,
    /// What a purge finds it by.
    pub marks: Marks,
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::header::{CONTENT_TYPE, LAST_MODIFIED};

    use super::*;

    const MADE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn head(fields: &HeaderMap, received: SystemTime) -> Head {
        let terms = Terms::for_test(received);
        Head::new(StatusCode::OK, fields, terms, Marks::default())
    }

    #[test]
    fn rfc9110_6_6_1_what_has_no_date_gets_that_of_when_it_came() {
        let mut fields = HeaderMap::new();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        let received = date::read(MADE.as_bytes()).expect("a date");
        let head = head(&fields, received + Duration::from_millis(900));
        assert_eq!(head.fields[DATE], MADE);
        assert_eq!(head.fields[CONTENT_TYPE], "text/plain");
        assert_eq!(head.validators, Validators::of(&head.fields));
    }

    #[test]
    fn what_has_a_date_keeps_it_and_all_lines_of_its_fields() {
        let mut fields = HeaderMap::new();
        fields.insert(DATE, HeaderValue::from_static(MADE));
        fields.insert(LAST_MODIFIED, HeaderValue::from_static(MADE));
        fields.append("x-many", HeaderValue::from_static("a"));
        fields.append("x-many", HeaderValue::from_static(""));
        assert_eq!(head(&fields, SystemTime::now()).fields, fields);
    }
}
