//! How many bytes does an entry take?

use std::mem::size_of;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cache::object::{Body, Object, Stored, Varies};
use crate::cache::purge::Marks;

/// What an entry takes beside what it points to, where each part has as much room to spare as it ever has: itself (80
/// bytes), a place in a map (73), two in a queue (32), and one of a former entry that is remembered (34).
const ENTRY: usize = 224;

/// What an allocation takes beside its bytes: rounding, and the counts of an `Arc`.
const ALLOCATION: usize = 32;

/// A piece of a body, which is a buffer within one that is counted.
const PIECE: usize = 2 * (size_of::<Bytes>() + ALLOCATION) + size_of::<usize>();

/// A field in a `HeaderMap`: its bucket and its two places in the index, which is up to half empty.
const FIELD: usize = size_of::<HeaderName>() + size_of::<HeaderValue>() + 48;

/// How many bytes this takes, rather too many than too few.
///
/// The bytes of a value that is part of a larger buffer count alone: whoever stores it copies what is small out of what
/// is large.
pub(super) fn of(stored: &Stored) -> u64 {
    let bytes = match stored {
        Stored::Object(object) => {
            let object: &Object = object;
            size_of::<Object>()
                + ALLOCATION
                + object.key.len()
                + fields(&object.head.fields)
                + marks(&object.head.marks)
                + body(&object.body)
        }
        Stored::Varies(varies) => {
            let varies: &Varies = varies;
            let names = varies.names.iter();
            size_of::<Varies>()
                + ALLOCATION
                + varies.key.len()
                + names
                    .map(|name| size_of::<HeaderName>() + name.as_str().len())
                    .sum::<usize>()
                + marks(&varies.marks)
        }
        Stored::Passes(_) => 0,
    };
    (ENTRY + bytes) as u64
}

fn fields(fields: &HeaderMap) -> usize {
    let sizes = fields
        .iter()
        .map(|(name, value)| FIELD + ALLOCATION + name.as_str().len() + value.len());
    sizes.sum()
}

fn marks(marks: &Marks) -> usize {
    2 * ALLOCATION + marks.url.len() + size_of_val(&*marks.tags)
}

/// What parts of a body take beside their bytes: their fields once more.
const PARTS: usize = 4096;

/// What each of them takes: its place in a list that may be half empty, and a buffer of its own.
const PART: usize = 2 * size_of::<(u64, Bytes)>() + PIECE;

fn body(body: &Body) -> usize {
    match body {
        Body::Memory(chunks) => {
            let pieces = chunks.pieces();
            let sizes = pieces.iter().map(|piece| PIECE + piece.len());
            ALLOCATION + sizes.sum::<usize>()
        }
        // Is not kept: its file would stay open, of which there may be only so many, and if it is found to be damaged
        // nobody would look for another.
        Body::Disk(_) => usize::MAX / 2,
        Body::Parts(parts) => {
            let bytes = usize::try_from(parts.held()).unwrap_or(usize::MAX / 2);
            PARTS + parts.pieces() * PART + bytes
        }
    }
}
