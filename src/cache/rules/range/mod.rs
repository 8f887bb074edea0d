//! Which part of a stored response does a client want?

use std::ops::Range;

use http::header::{IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::date;
use super::validators::{Tag, Validators, only};

/// How many ranges a request may list; one with more gets the whole response (RFC 9110 §17.15).
pub const MOST_RANGES: usize = 48;
/// Ranges this close to each other, in bytes, are sent as one: the head of another part would be longer than the gap
/// (RFC 9110 §15.3.7.2).
const GAP: u64 = 80;

/// The part of a response that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Portion {
    /// All of it, as 200.
    Whole,
    /// One range, as 206.
    One(Range<u64>),
    /// Ranges that neither overlap nor touch, in the order in which they were asked for, as 206 in many parts.
    Many(Box<[Range<u64>]>),
    /// None of the ranges lies in the body: 416.
    Unsatisfiable,
}

/// What a client gets of a stored response whose body is `length` bytes long, and whose other conditions hold.
///
/// Only a GET for a stored 200 has ranges (RFC 9110 §14.2). A `Range` that is malformed, unknown or excessive counts for
/// nothing, and so does one whose `If-Range` does not name the stored response by a strong validator (§13.1.5).
pub fn portion(
    method: &Method,
    asked: &HeaderMap,
    status: StatusCode,
    validators: &Validators,
    length: u64,
) -> Portion {
    if !asked.contains_key(RANGE) || method != Method::GET || status != StatusCode::OK {
        return Portion::Whole;
    }
    let Some(value) = only(asked, &RANGE) else {
        return Portion::Whole;
    };
    if asked.contains_key(IF_RANGE)
        && !only(asked, &IF_RANGE).is_some_and(|value| is_named_by(validators, value))
    {
        return Portion::Whole;
    }
    match specs(value.as_bytes()) {
        Some(specs) => chosen(&specs, length),
        None => Portion::Whole,
    }
}

/// `If-Range` (RFC 9110 §13.1.5): an entity tag by strong comparison, or the exact date if that is strong.
fn is_named_by(validators: &Validators, value: &HeaderValue) -> bool {
    match Tag::of(value.as_bytes()) {
        Some(tag) => validators
            .etag
            .as_ref()
            .is_some_and(|etag| etag.tag().strongly_is(tag)),
        None => {
            let modified = validators.strongly_modified();
            modified.is_some() && modified == date::read(value.as_bytes())
        }
    }
}

/// A range as it is asked for (RFC 9110 §14.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spec {
    /// From the first of these bytes to the second, which belongs to it.
    Between(u64, u64),
    /// From this byte on.
    From(u64),
    /// So many at the end.
    Last(u64),
}

impl Spec {
    /// One element of the list.
    fn parse(text: &[u8]) -> Option<Self> {
        let dash = text.iter().position(|byte| *byte == b'-')?;
        let (first, last) = (&text[..dash], &text[dash + 1..]);
        match (first, last) {
            ([], []) => None,
            ([], suffix) => Some(Self::Last(number(suffix)?)),
            (first, []) => Some(Self::From(number(first)?)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// Its bytes in a body of this length; none if it lies behind it.
    fn within(self, length: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::Between(first, last) => first..last.saturating_add(1).min(length),
            Self::From(first) => first..length,
            Self::Last(count) => length.saturating_sub(count)..length,
        };
        (range.start < range.end).then_some(range)
    }
}

/// Digits only. What is too big for a number lies behind the end of anything.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        digit.is_ascii_digit().then(|| {
            number
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'))
        })
    })
}

/// The ranges a `Range` lists; none if it is not `bytes`, malformed, or too long a list.
pub(super) fn specs(value: &[u8]) -> Option<Vec<Spec>> {
    let equals = value.iter().position(|byte| *byte == b'=')?;
    if !value[..equals].eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut specs = Vec::new();
    for element in value[equals + 1..].split(|byte| *byte == b',') {
        let element = element.trim_ascii();
        // Empty elements count for nothing (RFC 9110 §5.6.1.2).
        if element.is_empty() {
            continue;
        }
        if specs.len() == MOST_RANGES {
            return None;
        }
        specs.push(Spec::parse(element)?);
    }
    (!specs.is_empty()).then_some(specs)
}

/// What is sent for the ranges.
fn chosen(specs: &[Spec], length: u64) -> Portion {
    if length == 0 && specs.iter().any(|spec| matches!(spec, Spec::Last(1..))) {
        // Satisfiable, and no `Content-Range` can say so.
        return Portion::Whole;
    }
    let ranges: Vec<_> = specs
        .iter()
        .filter_map(|spec| spec.within(length))
        .collect();
    let mut ranges = coalesced(ranges);
    match ranges.len() {
        0 => Portion::Unsatisfiable,
        1 => Portion::One(ranges.swap_remove(0)),
        _ => Portion::Many(ranges.into()),
    }
}

/// The ranges without overlaps and small gaps. Each stands where the first of those was that it is made of.
fn coalesced(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut placed: Vec<(usize, Range<u64>)> = ranges.into_iter().enumerate().collect();
    placed.sort_unstable_by_key(|(place, range)| (range.start, *place));
    let mut joined: Vec<(usize, Range<u64>)> = Vec::with_capacity(placed.len());
    for (place, range) in placed {
        match joined.last_mut() {
            Some((first, last)) if range.start <= last.end.saturating_add(GAP) => {
                last.end = last.end.max(range.end);
                *first = place.min(*first);
            }
            _ => joined.push((place, range)),
        }
    }
    joined.sort_unstable_by_key(|(place, _)| *place);
    joined.into_iter().map(|(_, range)| range).collect()
}

/// The `Content-Range` of a 206 (RFC 9110 §14.4). The range is not empty.
pub fn content_range(range: &Range<u64>, length: u64) -> Option<HeaderValue> {
    let last = range.end.checked_sub(1)?;
    HeaderValue::try_from(format!("bytes {}-{last}/{length}", range.start)).ok()
}

/// The `Content-Range` of a 416: how long the body is.
pub fn unsatisfied_range(length: u64) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("bytes */{length}")).ok()
}

#[cfg(test)]
mod tests;
