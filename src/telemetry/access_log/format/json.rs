//! What does a request look like as one line of JSON?

use crate::error::{Phase, Reason};
use crate::telemetry::json::Object;
use crate::telemetry::record::Peer;
use crate::telemetry::{Record, address, timestamp};

/// Appends the line of `record`.
pub(super) fn append(out: &mut Vec<u8>, record: &Record<'_>) {
    let mut line = Object::new(out);
    line.quoted("time", |out| timestamp::rfc3339(out, record.time));
    line.seconds_if("duration", Some(record.duration));
    line.text("listener", record.listener);
    line.text_if("route", record.route);
    line.text_if("pool", record.pool);
    line.text_if("endpoint", record.endpoint);
    if let Some(client) = record.client {
        line.quoted("client", |out| address::ip(out, client));
    }
    line.text_if("user", record.user);
    match record.peer {
        Some(Peer::Inet(peer)) => line.quoted("peer", |out| address::socket(out, peer)),
        Some(Peer::Unix) => line.text("peer", Peer::UNIX),
        None => {}
    }
    line.text("method", record.method);
    line.text("scheme", record.scheme);
    line.text("host", record.host);
    line.text("target", record.target);
    line.text("protocol", record.protocol);
    line.number("status", record.status.into());
    line.text_if("reason", record.reason.map(Reason::as_str));
    line.text_if("phase", record.phase.map(Phase::as_str));
    line.number("bytes_received", record.bytes_received);
    line.number("bytes_sent", record.bytes_sent);
    line.number("attempts", record.attempts.into());
    line.number("retries", record.retries.into());
    line.seconds_if("queue", record.queue);
    line.seconds_if("connect", record.connect);
    line.seconds_if("first_byte", record.first_byte);
    if let Some(status) = record.upstream_status {
        line.number("upstream_status", status.into());
    }
    line.text_if("cache", record.cache);
    line.text("request_id", record.request_id);
    line.bytes_if("user_agent", record.user_agent);
    line.bytes_if("referer", record.referer);
    line.text_if("tls_version", record.tls_version);
    line.text_if("tls_cipher", record.tls_cipher);
    line.text_if("sni", record.sni);
    line.end_line();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::record::tests::{bare, full};
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::net::SocketAddr;

    fn line(record: &Record<'_>) -> String {
        let mut out = Vec::new();
        append(&mut out, record);
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
            "protocol": "HTTP/2", "status": 502, "reason": "upstream_reset", "phase": "response",
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

    proptest! {
        #[test]
        fn whatever_a_client_sends_stays_one_line_that_parses_to_it(
            texts in any::<[String; 4]>(),
            user_agent in any::<Option<Vec<u8>>>(),
            numbers in any::<(u64, u64, u32, u16)>(),
            micros in 0..1_000_000_000_000u64,
        ) {
            let [method, host, target, request_id] = &texts;
            let (bytes_received, bytes_sent, attempts, status) = numbers;
            let record = Record {
                method, host, target, request_id,
                user_agent: user_agent.as_deref(),
                bytes_received, bytes_sent, attempts, status,
                duration: std::time::Duration::from_micros(micros),
                ..full()
            };
            let text = line(&record);
            prop_assert_eq!(text.find(|c: char| c.is_control()), Some(text.len() - 1));
            let value: Value = serde_json::from_str(&text).expect("a line is JSON");
            prop_assert_eq!(value["method"].as_str(), Some(method.as_str()));
            prop_assert_eq!(value["host"].as_str(), Some(host.as_str()));
            prop_assert_eq!(value["target"].as_str(), Some(target.as_str()));
            prop_assert_eq!(value["request_id"].as_str(), Some(request_id.as_str()));
            let expected = user_agent.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            prop_assert_eq!(value["user_agent"].as_str(), expected.as_deref());
            prop_assert_eq!(value["bytes_received"].as_u64(), Some(bytes_received));
            prop_assert_eq!(value["bytes_sent"].as_u64(), Some(bytes_sent));
            prop_assert_eq!(value["attempts"].as_u64(), Some(attempts.into()));
            prop_assert_eq!(value["status"].as_u64(), Some(status.into()));
            prop_assert_eq!(value["duration"].as_f64(), Some(micros as f64 / 1e6));
        }
    }
}
