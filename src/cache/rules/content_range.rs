//! Which part of the whole is it that a 206 brings?

use std::ops::Range;

use http::HeaderMap;
use http::header::CONTENT_RANGE;

use super::validators::only;

/// A `Content-Range` in bytes (RFC 9110 §14.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The part. It is not empty.
    pub range: Range<u64>,
    /// How long the whole is; none if the endpoint does not know.
    pub complete: Option<u64>,
}

impl ContentRange {
    /// That of a response; none if it is missing, there twice, of another unit, malformed, or contradicts itself.
    pub fn of(fields: &HeaderMap) -> Option<Self> {
        Self::parse(only(fields, &CONTENT_RANGE)?.as_bytes())
    }

    /// That which is all of the text. The unsatisfied form, `bytes */42`, is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (unit, rest) = halves(text, b' ')?;
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return None;
        }
        let (range, complete) = halves(rest, b'/')?;
        let (first, last) = halves(range, b'-')?;
        let (first, last) = (exact(first)?, exact(last)?);
        let complete = match complete {
            b"*" => None,
            digits => Some(exact(digits)?),
        };
        if last < first || complete.is_some_and(|complete| complete <= last) {
            return None;
        }
        Some(Self {
            range: first..last.checked_add(1)?,
            complete,
        })
    }

    /// How long the part is, in bytes.
    pub const fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Never.
    pub const fn is_empty(&self) -> bool {
        self.range.start == self.range.end
    }
}

/// What is before and what is behind the first of these bytes.
fn halves(text: &[u8], between: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == between)?;
    Some((&text[..place], &text[place + 1..]))
}

/// Digits only, and a number that there is.
fn exact(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        if !digit.is_ascii_digit() {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}
