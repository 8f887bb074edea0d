//! What does a request look like in the `combined` format that nginx made known?

use crate::telemetry::access_log::mask::Mask;
use crate::telemetry::plain::{all_plain, is_plain};
use crate::telemetry::{Record, address, digits, timestamp};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends the line of `record`.
pub(super) fn append(out: &mut Vec<u8>, record: &Record<'_>, mask: &Mask) {
    match record.client {
        Some(client) => address::ip(out, client),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" - ");
    match record.user.filter(|user| !user.is_empty()) {
        // A space would begin the next field.
        Some(user) => escape_but(out, user.as_bytes(), |byte| is_plain(byte) && byte != b' '),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" [");
    timestamp::common_log(out, record.time);
    out.extend_from_slice(b"] \"");
    append_request(out, record, mask);
    out.extend_from_slice(b"\" ");
    digits::padded::<3>(out, record.status.into());
    out.push(b' ');
    digits::decimal(out, record.bytes_sent);
    out.extend_from_slice(b" \"");
    mask.address(or_dash(record.referer), record.secrets, |piece| {
        escape(out, piece);
    });
    out.extend_from_slice(b"\" \"");
    escape(out, or_dash(record.user_agent));
    out.extend_from_slice(b"\"\n");
}

fn or_dash(field: Option<&[u8]>) -> &[u8] {
    field.filter(|value| !value.is_empty()).unwrap_or(b"-")
}

/// The request line, or `-` if the request ended before there was one.
fn append_request(out: &mut Vec<u8>, record: &Record<'_>, mask: &Mask) {
    if record.method.is_empty() {
        out.push(b'-');
        return;
    }
    // Parsers of this format expect the minor version that HTTP/2 no longer has.
    let protocol = match record.protocol {
        "HTTP/2" => "HTTP/2.0",
        other => other,
    };
    // What was refused before it was a request may have anything in place of a method.
    for word in [record.method.as_bytes(), record.target] {
        mask.address(word, record.secrets, |piece| escape(out, piece));
        out.push(b' ');
    }
    escape(out, protocol.as_bytes());
}

/// Appends `value` as nginx does: what is not printable ASCII, and what could end the field, as `\xHH`.
fn escape(out: &mut Vec<u8>, value: &[u8]) {
    if all_plain(value) {
        out.extend_from_slice(value);
    } else {
        escape_but(out, value, is_plain);
    }
}

/// Appends `value`, with every byte as `\xHH` that may not stay as it is.
fn escape_but(out: &mut Vec<u8>, value: &[u8], stays: impl Fn(u8) -> bool) {
    for &byte in value {
        if stays(byte) {
            out.push(byte);
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 0xf));
            out.extend_from_slice(&[b'\\', b'x', HEX[high], HEX[low]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::record::tests::{bare, full, hostile};
    use proptest::prelude::*;

    fn line(record: &Record<'_>) -> String {
        let mut out = Vec::new();
        append(&mut out, record, &Mask::new(["*token"]));
        String::from_utf8(out).expect("a line of this format is ASCII")
    }

    #[test]
    fn a_full_record_is_the_line_nginx_would_write() {
        let expected = "203.0.113.9 - ada [02/Jan/2025:03:04:05 +0000] \"POST /v2/items?page=2 HTTP/2.0\" 502 12345 \
                        \"https://example.org/\" \"curl/8.5.0\"\n";
        assert_eq!(line(&full()), expected);
    }

    #[test]
    fn a_value_that_is_missing_is_a_dash() {
        let record = Record {
            method: "",
            target: b"",
            status: 0,
            bytes_sent: 0,
            ..bare()
        };
        let expected = "- - - [02/Jan/2025:03:04:05 +0000] \"-\" 000 0 \"-\" \"-\"\n";
        assert_eq!(line(&record), expected);
    }

    #[test]
    fn bytes_that_could_end_a_field_are_hexadecimal() {
        let record = Record {
            user_agent: Some(b"a\"\\\n\x7f\xff"),
            ..full()
        };
        assert!(line(&record).ends_with("\"a\\x22\\x5C\\x0A\\x7F\\xFF\"\n"));
    }

    /// What stands in a quoted field, as whoever reads the log takes it.
    fn unescaped(field: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = field;
        while let Some(at) = rest.find("\\x") {
            bytes.extend_from_slice(&rest.as_bytes()[..at]);
            let byte = u8::from_str_radix(&rest[at + 2..at + 4], 16);
            bytes.push(byte.expect("two digits"));
            rest = &rest[at + 4..];
        }
        bytes.extend_from_slice(rest.as_bytes());
        bytes
    }

    #[test]
    fn secrets_in_target_and_referer_are_masked() {
        let record = Record {
            target: b"/a?%74oken=1&b=2",
            referer: Some(b"http://a/?b=2&TOKEN=1"),
            ..full()
        };
        let text = line(&record);
        assert!(text.contains(" /a?%74oken=***&b=2 "), "{text}");
        assert!(text.contains("\"http://a/?b=2&TOKEN=***\""), "{text}");
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_stays_three_quoted_fields_in_one_line_that_can_be_read_back(
            method in any::<String>(),
            target in hostile(),
            user_agent in prop::option::of(hostile()),
            referer in prop::option::of(hostile()),
        ) {
            let record = Record {
                method: &method,
                target: &target,
                user_agent: user_agent.as_deref(),
                referer: referer.as_deref(),
                ..full()
            };
            let text = line(&record);
            prop_assert_eq!(text.find('\n'), Some(text.len() - 1));
            prop_assert!(text.trim_end_matches('\n').bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let parts: Vec<&str> = text.split('"').collect();
            let [before, request, between, from, _, agent, "\n"] = parts[..] else {
                panic!("{text}");
            };
            prop_assert_eq!(before, "203.0.113.9 - ada [02/Jan/2025:03:04:05 +0000] ");
            prop_assert_eq!(between, " 502 12345 ");
            let written = [method.as_bytes(), b" ", &target, b" HTTP/2.0"].concat();
            let written = if method.is_empty() { b"-".to_vec() } else { written };
            prop_assert_eq!(unescaped(request), written);
            let or_dash = |field: Option<Vec<u8>>| field.filter(|value| !value.is_empty()).unwrap_or(b"-".to_vec());
            prop_assert_eq!(unescaped(from), or_dash(referer));
            prop_assert_eq!(unescaped(agent), or_dash(user_agent));
        }
    }
}
