//! Is every line one object, whole and without secrets, whatever a client sends?

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::telemetry::access_log::mask::Pattern;
use crate::telemetry::record::tests::{bare, full, hostile};

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
        "route", "client", "user", "peer", "reason", "queue", "connect", "cache", "referer", "sni",
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
        duration: Duration::from_millis(2),
        hedge: false,
    };
    let second = Attempt {
        endpoint: "10.0.0.8:8080".into(),
        status: Some(200),
        reason: None,
        connect: Some(Duration::from_millis(1)),
        first_byte: Some(Duration::from_millis(5)),
        duration: Duration::from_millis(7),
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
            HeaderName::from_static(name),
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
            duration: Duration::from_micros(micros),
            ..full()
        };
        let chosen = Chosen::new(HeaderName::from_static("x-a"), &[]);
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
