//! What does a request look like as one line of JSON?

use crate::config::AccessLogField as Field;
use crate::error::{EndedBy, Phase, Reason};
use crate::telemetry::access_log::headers::{self, Chosen};
use crate::telemetry::access_log::mask::Mask;
use crate::telemetry::access_log::sample::MILLION;
use crate::telemetry::json::{Object, escape_bytes};
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
    let word = field.as_str();
    match field {
        Field::Time => line.quoted(word, |out| timestamp::rfc3339(out, record.time)),
        Field::Duration => line.seconds_if(word, Some(record.duration)),
        Field::Listener => line.text(word, record.listener),
        Field::Route => line.text_if(word, record.route),
        Field::Pool => line.text_if(word, record.pool),
        Field::Endpoint => line.text_if(word, record.endpoint),
        Field::Client => {
            if let Some(client) = record.client {
                line.quoted(word, |out| address::ip(out, client));
            }
        }
        Field::User => line.text_if(word, record.user),
        Field::Peer => match record.peer {
            Some(Peer::Inet(peer)) => line.quoted(word, |out| address::socket(out, peer)),
            Some(Peer::Unix) => line.text(word, Peer::UNIX),
            None => {}
        },
        // What was refused before it was a request may have anything in place of a method.
        Field::Method => append_address(line, word, record.method.as_bytes(), record, mask),
        Field::Scheme => line.text(word, record.scheme),
        Field::Host => line.text(word, record.host),
        Field::Target => append_address(line, word, record.target, record, mask),
        Field::Path => append_address(line, word, record.path(), record, mask),
        Field::Protocol => line.text(word, record.protocol),
        Field::Status => line.number(word, record.status.into()),
        Field::Reason => line.text_if(word, record.reason.map(Reason::as_str)),
        Field::Phase => line.text_if(word, record.phase.map(Phase::as_str)),
        Field::EndedBy => {
            let by = record.reason.map(Reason::ended_by);
            line.text_if(word, by.map(EndedBy::as_str));
        }
        Field::BytesReceived => line.number(word, record.bytes_received),
        Field::BytesSent => line.number(word, record.bytes_sent),
        Field::Attempts => line.number(word, record.attempts.into()),
        Field::Retries => line.number(word, record.retries.into()),
        Field::Upstream => append_attempts(line, word, record.upstream),
        Field::Queue => line.seconds_if(word, record.queue),
        Field::Connect => line.seconds_if(word, record.connect),
        Field::FirstByte => line.seconds_if(word, record.first_byte),
        Field::UpstreamStatus => {
            if let Some(status) = record.upstream_status {
                line.number(word, status.into());
            }
        }
        Field::Cache => line.text_if(word, record.cache),
        Field::RequestId => line.text(word, record.request_id),
        Field::UserAgent => line.bytes_if(word, record.user_agent),
        Field::Referer => {
            if let Some(referer) = record.referer {
                append_address(line, word, referer, record, mask);
            }
        }
        Field::TlsVersion => line.text_if(word, record.tls_version),
        Field::TlsCipher => line.text_if(word, record.tls_cipher),
        Field::Sni => line.text_if(word, record.sni),
    }
}

fn append_address(
    line: &mut Object<'_>,
    word: &str,
    value: &[u8],
    record: &Record<'_>,
    mask: &Mask,
) {
    line.quoted(word, |out| {
        mask.address(value, record.secrets, |piece| escape_bytes(out, piece));
    });
}

fn append_attempts(line: &mut Object<'_>, word: &str, attempts: &[Attempt]) {
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
            one.text_if("reason", attempt.reason.map(Reason::as_str));
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
mod tests {
    use super::*;
    use crate::telemetry::access_log::mask::Pattern;
    use crate::telemetry::record::tests::{bare, full, hostile};
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::net::SocketAddr;

    fn line(record: &Record<'_>) -> String {
        let mut out = Vec::new();
        let mask = Mask::new(["*token"]);
        append(&mut out, record, &Layout::default(), &mask, None);
        String::from_utf8(out).expect("a line of JSON is UTF-8")
    }

    fn parsed(record: &Record<'_>) -> Value {
        serde_json::from_str(&line(record)).expect("a line is JSON")
    }

    #[test]
    fn a_full_record_has_every_field_under_its_name() {
        let expected = json!({
            "time": "2025-01-02T03:04:05.678Z", "duration": 1.50025, "listener": "edge", "route": "api",
            "pool": "api-v2", "endpoint": "10.0.0.7:8080", "client": "203.0.113.9", "user": "ada", "peer": "198.51.100.4:40112",
            "method": "POST", "scheme": "https", "host": "example.org", "target": "/v2/items?page=2",
            "protocol": "HTTP/2", "status": 502, "reason": "upstream_reset", "phase": "response", "ended_by": "endpoint",
            "bytes_received": 17, "bytes_sent": 12345, "attempts": 2, "retries": 1, "queue": 0.12, "connect": 0.00042, "first_byte": 0.031,
            "upstream_status": 200, "cache": "expired", "request_id": "0194256b-7d2e-7c1a-9a55-3f6f0a6f2b11",
            "user_agent": "curl/8.5.0", "referer": "https://example.org/", "tls_version": "TLSv1.3",
            "tls_cipher": "TLS13_AES_128_GCM_SHA256", "sni": "example.org",
        });
        assert_eq!(parsed(&full()), expected);
    }

    #[test]
    fn a_value_that_is_missing_leaves_its_field_out() {
        let value = parsed(&bare());
        let fields = value.as_object().expect("an object");
        for field in [
            "route", "client", "user", "peer", "reason", "queue", "connect", "cache", "referer",
            "sni",
        ] {
            assert!(!fields.contains_key(field), "{field}");
        }
        assert_eq!(fields.len(), 14);
    }

    #[test]
    fn addresses_of_every_kind_are_written_as_they_display() {
        let mut record = full();
        for peer in ["192.0.2.1:1", "[2001:db8::1]:65535"] {
            let address: SocketAddr = peer.parse().expect("an address");
            record.peer = Some(Peer::Inet(address));
            record.client = Some(address.ip());
            assert_eq!(parsed(&record)["peer"], peer);
            assert_eq!(parsed(&record)["client"], address.ip().to_string());
        }
        record.peer = Some(Peer::Unix);
        assert_eq!(parsed(&record)["peer"], "unix:");
    }

    fn with_layout(record: &Record<'_>, layout: &Layout, sample: Option<u32>) -> String {
        let mut out = Vec::new();
        append(&mut out, record, layout, &Mask::new(["*token"]), sample);
        String::from_utf8(out).expect("a line of JSON is UTF-8")
    }

    #[test]
    fn chosen_fields_stand_in_their_order_and_nothing_else_does() {
        let layout = Layout {
            fields: [Field::Status, Field::Path, Field::Time].into(),
            ..Layout::default()
        };
        let expected =
            "{\"status\":502,\"path\":\"/v2/items\",\"time\":\"2025-01-02T03:04:05.678Z\"}\n";
        assert_eq!(with_layout(&full(), &layout, None), expected);
        let nothing = Layout {
            fields: [Field::Upstream].into(),
            ..Layout::default()
        };
        assert_eq!(with_layout(&bare(), &nothing, None), "{}\n");
    }

    #[test]
    fn a_line_of_a_sample_says_of_how_many_it_is_one() {
        let layout = Layout {
            fields: [Field::Status].into(),
            ..Layout::default()
        };
        for (of_a_million, share) in [
            (MILLION, "1"),
            (100_000, "0.1"),
            (1, "0.000001"),
            (250_000, "0.25"),
        ] {
            let expected = format!("{{\"status\":502,\"sample\":{share}}}\n");
            assert_eq!(with_layout(&full(), &layout, Some(of_a_million)), expected);
        }
    }

    #[test]
    fn every_attempt_is_told_where_there_was_more_than_one() {
        let first = Attempt {
            endpoint: "10.0.0.7:8080".into(),
            status: None,
            reason: Some(Reason::ConnectRefused),
            connect: None,
            first_byte: None,
            duration: std::time::Duration::from_millis(2),
            hedge: false,
        };
        let second = Attempt {
            endpoint: "10.0.0.8:8080".into(),
            status: Some(200),
            reason: None,
            connect: Some(std::time::Duration::from_millis(1)),
            first_byte: Some(std::time::Duration::from_millis(5)),
            duration: std::time::Duration::from_millis(7),
            hedge: true,
        };
        let attempts = [first, second];
        let value = parsed(&Record {
            upstream: &attempts,
            ..full()
        });
        let expected = json!([
            { "endpoint": "10.0.0.7:8080", "reason": "connect_refused", "duration": 0.002 },
            { "endpoint": "10.0.0.8:8080", "status": 200, "connect": 0.001, "first_byte": 0.005, "duration": 0.007,
              "hedge": true },
        ]);
        assert_eq!(value["upstream"], expected);
    }

    #[test]
    fn secrets_in_target_and_referer_are_masked() {
        let own = ["k".into()];
        let value = parsed(&Record {
            target: b"/a?%74oken=1&b=2&k=3",
            referer: Some(b"http://a/?b=2&TOKEN=1&k=3"),
            secrets: &own,
            ..full()
        });
        assert_eq!(value["target"], "/a?%74oken=***&b=2&k=***");
        assert_eq!(value["referer"], "http://a/?b=2&TOKEN=***&k=***");
    }

    #[test]
    fn chosen_headers_are_told_under_their_names_and_credentials_masked() {
        let chosen = |name: &'static str| {
            Chosen::new(
                http::HeaderName::from_static(name),
                &[Pattern::new("*TOKEN"), Pattern::new("cookie")],
            )
        };
        let layout = Layout {
            fields: Box::default(),
            request_headers: ["x-b", "cookie", "x-a", "x-token"].map(chosen).into(),
            response_headers: ["server"].map(chosen).into(),
        };
        let mut fields = HeaderMap::new();
        for (name, value) in [
            ("x-a", "1"),
            ("x-token", "hunter2"),
            ("x-a", "\"2"),
            ("cookie", "a=b"),
            ("x-c", "3"),
        ] {
            fields.append(name, value.parse().expect("a value"));
        }
        let record = Record {
            request_headers: Some(&fields),
            response_headers: Some(&fields),
            ..full()
        };
        let expected =
            "{\"request_headers\":{\"cookie\":\"***\",\"x-a\":\"1, \\\"2\",\"x-token\":\"***\"}}\n";
        assert_eq!(with_layout(&record, &layout, None), expected);
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_stays_one_line_that_parses_to_it(
            texts in any::<[String; 3]>(),
            target in hostile(),
            fields in any::<[Option<()>; 3]>(),
            bytes in (hostile(), hostile(), hostile()),
            numbers in any::<(u64, u64, u32, u16)>(),
            micros in 0..1_000_000_000_000u64,
        ) {
            let [method, host, request_id] = &texts;
            let (bytes_received, bytes_sent, attempts, status) = numbers;
            let (user_agent, referer, value) = bytes;
            let [has_agent, has_referer, has_value] = fields;
            // No other bytes can be in a field's value.
            let allowed = value.into_iter().filter(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
            let value = HeaderValue::from_bytes(&allowed.collect::<Vec<u8>>()).expect("a value");
            let mut headers = HeaderMap::new();
            has_value.inspect(|()| drop(headers.insert("x-a", value.clone())));
            let record = Record {
                method, host, request_id,
                target: &target,
                user_agent: has_agent.map(|()| &*user_agent),
                referer: has_referer.map(|()| &*referer),
                request_headers: Some(&headers),
                bytes_received, bytes_sent, attempts, status,
                duration: std::time::Duration::from_micros(micros),
                ..full()
            };
            let chosen = Chosen::new(http::HeaderName::from_static("x-a"), &[]);
            let layout = Layout { request_headers: [chosen].into(), ..Layout::default() };
            let text = with_layout(&record, &layout, None);
            let ends = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
            prop_assert_eq!(text.find(ends), Some(text.len() - 1));
            let line: Value = serde_json::from_str(&text).expect("a line is JSON");
            let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            prop_assert_eq!(line["method"].as_str(), Some(method.as_str()));
            prop_assert_eq!(line["host"].as_str(), Some(host.as_str()));
            prop_assert_eq!(line["target"].as_str(), Some(&*lossy(&target)));
            prop_assert_eq!(line["request_id"].as_str(), Some(request_id.as_str()));
            let (agent, from) = (has_agent.map(|()| lossy(&user_agent)), has_referer.map(|()| lossy(&referer)));
            prop_assert_eq!(line["user_agent"].as_str(), agent.as_deref());
            prop_assert_eq!(line["referer"].as_str(), from.as_deref());
            let shown = has_value.map(|()| lossy(value.as_bytes()));
            prop_assert_eq!(line["request_headers"]["x-a"].as_str(), shown.as_deref());
            prop_assert_eq!(line["bytes_received"].as_u64(), Some(bytes_received));
            prop_assert_eq!(line["bytes_sent"].as_u64(), Some(bytes_sent));
            prop_assert_eq!(line["attempts"].as_u64(), Some(attempts.into()));
            prop_assert_eq!(line["status"].as_u64(), Some(status.into()));
            prop_assert_eq!(line["duration"].as_f64(), Some(micros as f64 / 1e6));
        }
    }
}
