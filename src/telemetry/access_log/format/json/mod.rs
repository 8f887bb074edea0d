//! What does a request look like as one line of JSON?

use crate::config::AccessLogField as Field;
use crate::error::{EndedBy, Phase, Reason};
use crate::telemetry::access_log::headers::{self, Chosen};
use crate::telemetry::access_log::mask::Mask;
use crate::telemetry::access_log::sample::MILLION;
use crate::telemetry::json::{Key, Object, escape_bytes};
use crate::telemetry::record::{Attempt, Peer};
use crate::telemetry::{Record, address, digits, timestamp};

/// What stands in a line, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Fields of the record.
    pub fields: Box<[Field]>,
    /// Fields of the request, as the client sent it.
    pub request_headers: Box<[Chosen]>,
    /// Fields of the answer, as the client got it.
    pub response_headers: Box<[Chosen]>,
}

impl Default for Layout {
    fn default() -> Self {
        let usual = Field::ALL.iter().copied().filter(|field| field.is_usual());
        Self {
            fields: usual.collect(),
            request_headers: Box::default(),
            response_headers: Box::default(),
        }
    }
}

/// Appends the line of `record`.
pub(super) fn append(
    out: &mut Vec<u8>,
    record: &Record<'_>,
    layout: &Layout,
    mask: &Mask,
    of_a_million: Option<u32>,
) {
    let mut line = Object::new(out);
    for field in &layout.fields {
        append_field(&mut line, *field, record, mask);
    }
    for (word, chosen, fields) in [
        (
            "request_headers",
            &layout.request_headers,
            record.request_headers,
        ),
        (
            "response_headers",
            &layout.response_headers,
            record.response_headers,
        ),
    ] {
        headers::append(&mut line, word, chosen, fields, mask, record.secrets);
    }
    if let Some(of_a_million) = of_a_million {
        line.value("sample", |out| append_share(out, of_a_million));
    }
    line.end_line();
}

#[inline]
fn append_field(line: &mut Object<'_>, field: Field, record: &Record<'_>, mask: &Mask) {
    match field {
        Field::Time => line.quoted(field, |out| timestamp::rfc3339(out, record.time)),
        Field::Duration => line.seconds_if(field, Some(record.duration)),
        Field::Listener => line.text(field, record.listener),
        Field::Route => line.text_if(field, record.route),
        Field::Pool => line.text_if(field, record.pool),
        Field::Endpoint => line.text_if(field, record.endpoint),
        Field::Client => {
            if let Some(client) = record.client {
                line.quoted(field, |out| address::ip(out, client));
            }
        }
        Field::User => line.text_if(field, record.user),
        Field::Peer => match record.peer {
            Some(Peer::Inet(peer)) => line.quoted(field, |out| address::socket(out, peer)),
            Some(Peer::Unix) => line.word(field, Peer::UNIX),
            None => {}
        },
        // What was refused before it was a request may have anything in place of a method.
        Field::Method => append_address(line, field, record.method.as_bytes(), record, mask),
        Field::Scheme => line.word(field, record.scheme),
        Field::Host => line.text(field, record.host),
        Field::Target => append_address(line, field, record.target, record, mask),
        Field::Path => append_address(line, field, record.path(), record, mask),
        Field::Protocol => line.word(field, record.protocol),
        Field::Status => line.number(field, record.status.into()),
        Field::Reason => line.word_if(field, record.reason.map(Reason::as_str)),
        Field::Phase => line.word_if(field, record.phase.map(Phase::as_str)),
        Field::EndedBy => {
            let by = record.reason.map(Reason::ended_by);
            line.word_if(field, by.map(EndedBy::as_str));
        }
        Field::BytesReceived => line.number(field, record.bytes_received),
        Field::BytesSent => line.number(field, record.bytes_sent),
        Field::Attempts => line.number(field, record.attempts.into()),
        Field::Retries => line.number(field, record.retries.into()),
        Field::Upstream => append_attempts(line, field, record.upstream),
        Field::Queue => line.seconds_if(field, record.queue),
        Field::Connect => line.seconds_if(field, record.connect),
        Field::FirstByte => line.seconds_if(field, record.first_byte),
        Field::UpstreamStatus => {
            if let Some(status) = record.upstream_status {
                line.number(field, status.into());
            }
        }
        Field::Cache => line.word_if(field, record.cache),
        Field::RequestId => line.text(field, record.request_id),
        Field::UserAgent => line.bytes_if(field, record.user_agent),
        Field::Referer => {
            if let Some(referer) = record.referer {
                append_address(line, field, referer, record, mask);
            }
        }
        Field::TlsVersion => line.word_if(field, record.tls_version),
        Field::TlsCipher => line.text_if(field, record.tls_cipher),
        Field::Sni => line.text_if(field, record.sni),
    }
}

fn append_address(
    line: &mut Object<'_>,
    word: impl Key,
    value: &[u8],
    record: &Record<'_>,
    mask: &Mask,
) {
    line.quoted(word, |out| {
        mask.address(value, record.secrets, |piece| escape_bytes(out, piece));
    });
}

fn append_attempts(line: &mut Object<'_>, word: impl Key, attempts: &[Attempt]) {
    if attempts.is_empty() {
        return;
    }
    line.value(word, |out| {
        for (index, attempt) in attempts.iter().enumerate() {
            out.push(if index == 0 { b'[' } else { b',' });
            let mut one = Object::new(out);
            one.text("endpoint", &attempt.endpoint);
            if let Some(status) = attempt.status {
                one.number("status", status.into());
            }
            one.word_if("reason", attempt.reason.map(Reason::as_str));
            one.seconds_if("connect", attempt.connect);
            one.seconds_if("first_byte", attempt.first_byte);
            one.seconds_if("duration", Some(attempt.duration));
            if attempt.hedge {
                one.value("hedge", |out| out.extend_from_slice(b"true"));
            }
            one.end();
        }
        out.push(b']');
    });
}

/// Appends so many of a million as a number from 0 to 1.
fn append_share(out: &mut Vec<u8>, of_a_million: u32) {
    if of_a_million >= MILLION {
        out.push(b'1');
        return;
    }
    out.extend_from_slice(b"0.");
    digits::padded::<6>(out, of_a_million.into());
    let end = out.iter().rposition(|digit| *digit != b'0');
    out.truncate(end.map_or(out.len(), |end| end + 1));
}

#[cfg(test)]
mod tests;
