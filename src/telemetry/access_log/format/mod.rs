//! Which formats does the access log have, and what does a line of each contain?

mod combined;
mod json;

use super::mask::Mask;
use crate::telemetry::Record;

pub use json::Layout;

/// How a request becomes a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line (RFC 8259), with the fields of its layout. A field without a value is left out. Numbers are
    /// numbers, times are seconds with six decimals. In what a client may choose each sequence that is not UTF-8 becomes
    /// one U+FFFD.
    Json(Layout),
    /// The `combined` format of nginx: `client - - [time] "method target protocol" status bytes "referer" "user agent"`.
    ///
    /// As in nginx a missing value is `-`, and in the three quoted fields `"`, `\`, control bytes and all bytes above
    /// 126 are written as `\xHH`. The time is that of [`Record::time`], in UTC.
    Combined,
}

impl Format {
    /// Appends the line of `record`, newline included. `of_a_million` is how many of its like have one, if not all.
    pub(super) fn append(
        &self,
        out: &mut Vec<u8>,
        record: &Record<'_>,
        mask: &Mask,
        of_a_million: Option<u32>,
    ) {
        match self {
            Format::Json(layout) => json::append(out, record, layout, mask, of_a_million),
            Format::Combined => combined::append(out, record, mask),
        }
    }
}
