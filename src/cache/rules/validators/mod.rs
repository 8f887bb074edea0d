//! What tells one version of a response from another?

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{DATE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::date;

/// By how much a `Date` must be later than `Last-Modified` for the latter to be strong: clocks that differ by less do no
/// harm then (RFC 9110 §8.8.2.2 asks for a second, and for more where clocks may differ).
const SURELY_LATER: Duration = Duration::from_secs(60);

/// What a response says of its version (RFC 9110 §8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// Its entity tag.
    pub etag: Option<EntityTag>,
    /// When it was last modified.
    pub modified: Option<SystemTime>,
    /// When the endpoint made it, by its own clock: tells whether `modified` is strong, and stands in for it where it is
    /// missing (RFC 9111 §4.3.2).
    pub dated: Option<SystemTime>,
}

impl Validators {
    /// Those among a response's fields. What is malformed, or there twice, is not there.
    pub fn of(fields: &HeaderMap) -> Self {
        Self {
            etag: only(fields, &ETAG).and_then(EntityTag::of),
            modified: date_of(fields, &LAST_MODIFIED),
            dated: date_of(fields, &DATE),
        }
    }

    /// Whether there is one that an endpoint can be asked with.
    pub const fn are_there(&self) -> bool {
        self.etag.is_some() || self.modified.is_some()
    }

    /// The time of modification, if no two versions can share it (RFC 9110 §8.8.2.2).
    pub fn strongly_modified(&self) -> Option<SystemTime> {
        let modified = self.modified?;
        let since = self.dated?.duration_since(modified).ok()?;
        (since >= SURELY_LATER).then_some(modified)
    }

    /// Whether both are surely of the same bytes: the same strong entity tag or, where neither has a tag, the same strong
    /// time of modification (RFC 9111 §3.4).
    pub fn are_of_the_same_bytes(&self, other: &Self) -> bool {
        match (&self.etag, &other.etag) {
            (Some(one), Some(another)) => one.strongly_is(another),
            (None, None) => {
                let modified = self.strongly_modified();
                modified.is_some() && modified == other.strongly_modified()
            }
            _ => false,
        }
    }
}

/// An entity tag (RFC 9110 §8.8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag {
    /// Whether equal tags do not mean equal bytes.
    pub weak: bool,
    /// What stands between the quotes.
    pub opaque: Bytes,
}

impl EntityTag {
    /// The one that is all of the text; none if it is malformed. What is between the quotes is copied.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let tag = Tag::of(text)?;
        Some(Self {
            weak: tag.weak,
            opaque: Bytes::copy_from_slice(tag.opaque),
        })
    }

    /// The one that a field's value is.
    pub fn of(value: &HeaderValue) -> Option<Self> {
        Self::parse(value.as_bytes())
    }

    /// Strong comparison (RFC 9110 §8.8.3.2): both are strong and alike.
    pub fn strongly_is(&self, other: &Self) -> bool {
        self.tag().strongly_is(other.tag())
    }

    /// Weak comparison: both are alike, weak or not.
    pub fn weakly_is(&self, other: &Self) -> bool {
        self.tag().weakly_is(other.tag())
    }

    /// It as a field's value.
    pub fn value(&self) -> Option<HeaderValue> {
        let mut text = Vec::with_capacity(self.opaque.len() + 4);
        if self.weak {
            text.extend_from_slice(b"W/");
        }
        text.push(b'"');
        text.extend_from_slice(&self.opaque);
        text.push(b'"');
        HeaderValue::from_bytes(&text).ok()
    }

    /// It without a copy.
    pub(super) fn tag(&self) -> Tag<'_> {
        Tag {
            weak: self.weak,
            opaque: &self.opaque,
        }
    }
}

/// An entity tag where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'t> {
    weak: bool,
    opaque: &'t [u8],
}

impl<'t> Tag<'t> {
    /// The one that is all of the text.
    pub(super) fn of(text: &'t [u8]) -> Option<Self> {
        Self::first_of(text).and_then(|(tag, rest)| rest.is_empty().then_some(tag))
    }

    /// The one that a text begins with, and what comes after it.
    pub(super) fn first_of(text: &'t [u8]) -> Option<(Self, &'t [u8])> {
        // "W/" is case-sensitive (RFC 9110 §8.8.3).
        let (weak, quoted) = match text.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let rest = quoted.strip_prefix(b"\"")?;
        let end = rest.iter().position(|byte| !is_of_a_tag(*byte))?;
        let (opaque, rest) = rest.split_at(end);
        let rest = rest.strip_prefix(b"\"")?;
        Some((Self { weak, opaque }, rest))
    }

    /// Strong comparison.
    pub(super) fn strongly_is(self, other: Self) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// Weak comparison.
    pub(super) fn weakly_is(self, other: Self) -> bool {
        self.opaque == other.opaque
    }
}

/// `etagc` (RFC 9110 §8.8.3): a backslash escapes nothing.
const fn is_of_a_tag(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7E | 0x80..)
}

/// A field's value if there is just one line of it.
pub(super) fn only<'f>(fields: &'f HeaderMap, name: &HeaderName) -> Option<&'f HeaderValue> {
    let mut lines = fields.get_all(name).iter();
    let line = lines.next()?;
    lines.next().is_none().then_some(line)
}

/// The date that a field's only line is.
pub(super) fn date_of(fields: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    date::read(only(fields, name)?.as_bytes())
}

#[cfg(test)]
mod tests;
