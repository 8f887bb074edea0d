//! Which formats does the access log have, and what does a line of each contain?

mod combined;
mod json;

use crate::telemetry::Record;

/// How a request becomes a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line (RFC 8259), with the fields that [`Record`] has and under their names.
    ///
    /// `time` is RFC 3339 in UTC with milliseconds. `duration`, `connect` and `first_byte` are seconds with six
    /// decimals. `status`, `upstream_status`, `bytes_received`, `bytes_sent`, `attempts` and `retries` are whole numbers, all
    /// others strings. A field without a value is left out; the order is fixed. In `user_agent` and `referer` each
    /// sequence that is not UTF-8 becomes one U+FFFD.
    #[default]
    Json,
    /// The `combined` format of nginx: `client - - [time] "method target protocol" status bytes "referer" "user agent"`.
    ///
    /// As in nginx a missing value is `-`, and in the three quoted fields `"`, `\`, control bytes and all bytes above
    /// 126 are written as `\xHH`. The time is that of [`Record::time`], in UTC.
    Combined,
}

impl Format {
    /// Appends the line of `record`, newline included.
    pub(super) fn append(self, out: &mut Vec<u8>, record: &Record<'_>) {
        match self {
            Format::Json => json::append(out, record),
            Format::Combined => combined::append(out, record),
        }
    }
}
