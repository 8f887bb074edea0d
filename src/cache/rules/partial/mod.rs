//! Which parts of a response are there, and do they make a whole?

use std::ops::Range;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, HeaderValue};

use super::content_range::ContentRange;
use super::revalidate::freshen;
use super::validators::Validators;

/// How much is kept of a response that is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many bytes.
    pub bytes: u64,
    /// In how many pieces.
    pub pieces: usize,
}

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is kept, with those that were there.
    Kept,
    /// It is of another version, and the only one that is kept now.
    Replaced,
    /// It is not kept: it can't be told to which version it belongs, its length is not the announced one, or there is no
    /// room for it. What was there stays.
    Refused,
}

/// The parts that are there of one version of a response (RFC 9111 §3.3, §3.4).
#[derive(Clone, Debug)]
pub struct Partial {
    fields: HeaderMap,
    validators: Validators,
    complete: u64,
    /// Sorted; they do not overlap, and none is empty.
    pieces: Vec<(u64, Bytes)>,
    /// What they keep in memory: a piece of a part keeps all of it.
    held: u64,
}

impl Partial {
    /// Of the first part, a 206 with these fields (without what must not be stored, but with `Content-Range`) and this
    /// body. None if it could not be combined with others: it has no strong validator, does not say how long the whole is,
    /// or is not as long as it says.
    pub fn begin(fields: &HeaderMap, body: &[Bytes], bounds: &Bounds) -> Option<Self> {
        let content = ContentRange::of(fields)?;
        let validators = Validators::of(fields);
        // Without a strong validator it is not even like itself.
        if !validators.are_of_the_same_bytes(&validators) {
            return None;
        }
        let mut fields = fields.clone();
        fields.remove(CONTENT_RANGE);
        let complete = content.complete?;
        fields.insert(CONTENT_LENGTH, HeaderValue::from(complete));
        let mut partial = Self {
            fields,
            validators,
            complete,
            pieces: Vec::new(),
            held: 0,
        };
        partial.put(&content, body, bounds).then_some(partial)
    }

    /// Another part, as for [`begin`](Self::begin). One of the same version is combined with those that are there, and its
    /// fields count from now on (§3.4); one of another version takes their place.
    pub fn add(&mut self, fields: &HeaderMap, body: &[Bytes], bounds: &Bounds) -> Added {
        let Some(content) = ContentRange::of(fields) else {
            return Added::Refused;
        };
        let same = self
            .validators
            .are_of_the_same_bytes(&Validators::of(fields));
        if !same
            || content
                .complete
                .is_some_and(|length| length != self.complete)
        {
            return match Self::begin(fields, body, bounds) {
                Some(other) => {
                    *self = other;
                    Added::Replaced
                }
                None => Added::Refused,
            };
        }
        if content.range.end > self.complete || !self.put(&content, body, bounds) {
            return Added::Refused;
        }
        freshen(&mut self.fields, fields);
        self.validators = Validators::of(&self.fields);
        Added::Kept
    }

    /// Keeps what of the part is not there yet. All or nothing.
    fn put(&mut self, content: &ContentRange, body: &[Bytes], bounds: &Bounds) -> bool {
        let length: u64 = body.iter().map(|piece| piece.len() as u64).sum();
        if length != content.len() {
            return false;
        }
        let mut new = Vec::new();
        let mut start = content.range.start;
        for piece in body {
            let end = start + piece.len() as u64;
            for gap in self.gaps(start..end) {
                if let Some(bytes) = slice(piece, start, &gap) {
                    new.push((gap.start, bytes));
                }
            }
            start = end;
        }
        if new.is_empty() {
            return true;
        }
        if self.held.saturating_add(length) > bounds.bytes
            || self.pieces.len() + new.len() > bounds.pieces
        {
            return false;
        }
        self.held += length;
        self.pieces.append(&mut new);
        self.pieces.sort_unstable_by_key(|(start, _)| *start);
        true
    }

    /// What of the range is not there.
    pub fn gaps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut next = range.start;
        for (start, bytes) in &self.pieces[self.first_at(range.start)..] {
            if *start >= range.end {
                break;
            }
            if *start > next {
                gaps.push(next..*start);
            }
            next = next.max(*start + bytes.len() as u64);
        }
        if next < range.end {
            gaps.push(next..range.end);
        }
        gaps
    }

    /// The first piece that does not end before this byte.
    fn first_at(&self, byte: u64) -> usize {
        self.pieces
            .partition_point(|(start, bytes)| start + bytes.len() as u64 <= byte)
    }

    /// Whether the whole range is there.
    pub fn covers(&self, range: &Range<u64>) -> bool {
        range.end <= self.complete && self.gaps(range.clone()).is_empty()
    }

    /// The range, without a copy, if it is there.
    pub fn read(&self, range: &Range<u64>) -> Option<Vec<Bytes>> {
        if !self.covers(range) {
            return None;
        }
        let read = self.pieces[self.first_at(range.start)..]
            .iter()
            .take_while(|(start, _)| *start < range.end)
            .filter_map(|(start, bytes)| slice(bytes, *start, range))
            .collect();
        Some(read)
    }

    /// The body, once nothing is missing.
    pub fn whole(&self) -> Option<Vec<Bytes>> {
        self.read(&(0..self.complete))
    }

    /// The fields of the whole response, as a 200 would have them.
    pub const fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    /// What tells its version.
    pub const fn validators(&self) -> &Validators {
        &self.validators
    }

    /// How long the whole is, in bytes.
    pub const fn complete(&self) -> u64 {
        self.complete
    }

    /// In how many pieces they are.
    pub const fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// How many bytes of memory the parts keep.
    pub const fn held(&self) -> u64 {
        self.held
    }
}

/// What lies in the range of bytes that begin here.
fn slice(bytes: &Bytes, start: u64, range: &Range<u64>) -> Option<Bytes> {
    let end = start + bytes.len() as u64;
    let (from, to) = (start.max(range.start), end.min(range.end));
    if from >= to {
        return None;
    }
    let from = usize::try_from(from - start).ok()?;
    let to = usize::try_from(to - start).ok()?;
    Some(bytes.slice(from..to))
}

#[cfg(test)]
mod tests;
