//! How is the head of an object written, and read again by somebody who trusts nothing?
//!
//! All numbers are little-endian, everything of variable length has its length before it. What was written is protected
//! by a checksum elsewhere; that it is read again by a version that knows it, by the version in the file. Still nothing
//! that stands in a file can make the reader panic or take more memory than the file is long.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::cache::purge::{Marks, Seq};
use crate::cache::rules::{Terms, Validators};
use crate::cache::{Head, Varies};

/// Appends a head and the key it is stored under.
pub(super) fn write_head(key: &[u8], head: &Head, out: &mut Vec<u8>) {
    bytes(key, out);
    marks(&head.marks, out);
    out.extend(head.status.as_u16().to_le_bytes());
    number(head.fields.len(), out);
    for (name, value) in &head.fields {
        bytes(name.as_str().as_bytes(), out);
        bytes(value.as_bytes(), out);
    }
    let terms = &head.terms;
    time(terms.received, out);
    for length in [
        terms.initial_age,
        terms.lifetime,
        terms.while_revalidate,
        terms.if_error,
    ] {
        duration(length, out);
    }
    out.push(flags([terms.strict, terms.validate, terms.immutable]));
}

/// Appends by what the responses under a key vary.
pub(super) fn write_varies(varies: &Varies, out: &mut Vec<u8>) {
    bytes(&varies.key, out);
    marks(&varies.marks, out);
    number(varies.names.len(), out);
    for name in &varies.names {
        bytes(name.as_str().as_bytes(), out);
    }
    out.extend(varies.generation.to_le_bytes());
}

/// Reads what [`write_head`] wrote, and nothing else. The values of fields share the memory of `from`.
pub(super) fn read_head(from: Bytes) -> Option<(Box<[u8]>, Head)> {
    let mut from = Reader(from);
    let key = from.bytes()?;
    let marks = from.marks()?;
    let status = StatusCode::from_u16(from.0.try_get_u16_le().ok()?).ok()?;
    let count = from.count(8)?;
    let mut fields = HeaderMap::try_with_capacity(count).ok()?;
    for _ in 0..count {
        let name = HeaderName::from_bytes(&from.bytes()?).ok()?;
        let value = HeaderValue::from_maybe_shared(from.bytes()?).ok()?;
        fields.try_append(name, value).ok()?;
    }
    let received = from.time()?;
    let initial_age = from.duration()?;
    let lifetime = from.duration()?;
    let while_revalidate = from.duration()?;
    let if_error = from.duration()?;
    let [strict, validate, immutable] = from.flags()?;
    from.0.is_empty().then_some(())?;
    let validators = Validators::of(&fields);
    let head = Head {
        status,
        fields,
        terms: Terms {
            received,
            initial_age,
            lifetime,
            while_revalidate,
            if_error,
            strict,
            validate,
            immutable,
        },
        validators,
        marks,
    };
    Some((key.as_ref().into(), head))
}

/// Reads what [`write_varies`] wrote, and nothing else.
pub(super) fn read_varies(from: Bytes) -> Option<Varies> {
    let mut from = Reader(from);
    let key = from.bytes()?;
    let marks = from.marks()?;
    let count = from.count(4)?;
    let name = |from: &mut Reader| HeaderName::from_bytes(&from.bytes()?).ok();
    let names = (0..count)
        .map(|_| name(&mut from))
        .collect::<Option<Box<[_]>>>()?;
    let generation = from.0.try_get_u64_le().ok()?;
    from.0.is_empty().then_some(Varies {
        key: key.as_ref().into(),
        names,
        generation,
        marks,
    })
}

/// Reads only what a purge goes by, which both records have in the same place.
pub(super) fn read_marks(from: Bytes) -> Option<Marks> {
    let mut from = Reader(from);
    from.bytes()?;
    from.marks()
}

fn number(value: usize, out: &mut Vec<u8>) {
    // Nothing that long is ever stored (`format::MAX_HEAD`); a checksum would not hide it, but the reader refuses it.
    out.extend(u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
}

fn bytes(value: &[u8], out: &mut Vec<u8>) {
    number(value.len(), out);
    out.extend_from_slice(value);
}

fn marks(marks: &Marks, out: &mut Vec<u8>) {
    out.extend(marks.since.0.to_le_bytes());
    bytes(marks.url.as_bytes(), out);
    number(marks.tags.len(), out);
    for tag in &marks.tags {
        out.extend(tag.to_le_bytes());
    }
}

fn duration(value: Duration, out: &mut Vec<u8>) {
    out.extend(value.as_secs().to_le_bytes());
    out.extend(value.subsec_nanos().to_le_bytes());
}

/// Before or after 1970, and how long.
fn time(value: SystemTime, out: &mut Vec<u8>) {
    match value.duration_since(UNIX_EPOCH) {
        Ok(after) => {
            out.push(0);
            duration(after, out);
        }
        Err(before) => {
            out.push(1);
            duration(before.duration(), out);
        }
    }
}

fn flags(set: [bool; 3]) -> u8 {
    u8::from(set[0]) | u8::from(set[1]) << 1 | u8::from(set[2]) << 2
}

struct Reader(Bytes);

impl Reader {
    fn bytes(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.0.try_get_u32_le().ok()?).ok()?;
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    /// How many things follow, each of at least so many bytes: never more than there can be.
    fn count(&mut self, each: usize) -> Option<usize> {
        let count = usize::try_from(self.0.try_get_u32_le().ok()?).ok()?;
        (count <= self.0.len() / each).then_some(count)
    }

    fn marks(&mut self) -> Option<Marks> {
        let since = Seq(self.0.try_get_u64_le().ok()?);
        let url = std::str::from_utf8(&self.bytes()?).ok()?.into();
        let count = self.count(8)?;
        let tag = |from: &mut Self| from.0.try_get_u64_le().ok();
        let tags = (0..count).map(|_| tag(self)).collect::<Option<_>>()?;
        Some(Marks { since, url, tags })
    }

    fn duration(&mut self) -> Option<Duration> {
        let seconds = self.0.try_get_u64_le().ok()?;
        let nanos = self.0.try_get_u32_le().ok()?;
        (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
    }

    fn time(&mut self) -> Option<SystemTime> {
        let before = match self.0.try_get_u8().ok()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let distance = self.duration()?;
        if before {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        }
    }

    fn flags(&mut self) -> Option<[bool; 3]> {
        let flags = self.0.try_get_u8().ok()?;
        (flags < 8).then_some([flags & 1 != 0, flags & 2 != 0, flags & 4 != 0])
    }
}

#[cfg(test)]
mod tests;
