//! What does the body of an answer with many ranges look like?

use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;

/// The body of a 206 in many parts, `multipart/byteranges` (RFC 9110 §14.6), with its length known before it is sent.
#[derive(Clone, Debug)]
pub struct Multipart {
    boundary: String,
    parts: Vec<(Bytes, Range<u64>)>,
    end: Bytes,
    length: u64,
}

/// What comes next in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// These of the stored body.
    Body(Range<u64>),
}

impl Multipart {
    /// Of these ranges of a body that is `length` bytes long and of this content type. Nobody may be able to guess the
    /// boundary: who can, and can choose what is in the body, chooses the parts.
    pub fn new(
        content_type: Option<&HeaderValue>,
        ranges: &[Range<u64>],
        length: u64,
        boundary: u128,
    ) -> Self {
        let boundary = format!("{boundary:032x}");
        let mut total = 0;
        let mut parts = Vec::with_capacity(ranges.len());
        for range in ranges.iter().filter(|range| !range.is_empty()) {
            let mut head = Vec::with_capacity(160);
            if !parts.is_empty() {
                head.extend_from_slice(b"\r\n");
            }
            head.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            if let Some(content_type) = content_type {
                head.extend_from_slice(b"Content-Type: ");
                head.extend_from_slice(content_type.as_bytes());
                head.extend_from_slice(b"\r\n");
            }
            let (first, last) = (range.start, range.end - 1);
            head.extend_from_slice(
                format!("Content-Range: bytes {first}-{last}/{length}\r\n\r\n").as_bytes(),
            );
            total += head.len() as u64 + (range.end - range.start);
            parts.push((Bytes::from(head), range.clone()));
        }
        let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        Self {
            length: total + end.len() as u64,
            boundary,
            parts,
            end,
        }
    }

    /// How long it is, in bytes.
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Never: it has an end, at least.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The answer's `Content-Type`.
    pub fn content_type(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("multipart/byteranges; boundary={}", self.boundary)).ok()
    }
}

impl IntoIterator for Multipart {
    type Item = Piece;
    type IntoIter = Pieces;

    fn into_iter(self) -> Pieces {
        Pieces {
            parts: self.parts.into_iter(),
            body: None,
            end: Some(self.end),
        }
    }
}

/// The pieces of a [`Multipart`], in order.
#[derive(Debug)]
pub struct Pieces {
    parts: std::vec::IntoIter<(Bytes, Range<u64>)>,
    body: Option<Range<u64>>,
    end: Option<Bytes>,
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if let Some(range) = self.body.take() {
            return Some(Piece::Body(range));
        }
        if let Some((head, range)) = self.parts.next() {
            self.body = Some(range);
            return Some(Piece::Bytes(head));
        }
        self.end.take().map(Piece::Bytes)
    }
}

#[cfg(test)]
mod tests;
