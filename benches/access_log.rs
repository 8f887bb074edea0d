//! What does a line of the access log cost the thread that served the request, in each format, with chosen fields, with a
//! query that is masked, and where only a share of the requests has one?
//!
//! Writing to the file is the log's own thread's work and not in it; `benches/peers` measures both together.

use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis::config::access_log::{AccessLogField as Field, LogMask};
use portcullis::telemetry::Metrics;
use portcullis::telemetry::access_log::{
    AccessLog, Chosen, Destination, Format, Layout, Mask, Outcome, Sample, Settings,
};
use portcullis::telemetry::record::{Peer, Record};

/// A request as a busy edge has it.
fn record(fields: &HeaderMap) -> Record<'_> {
    Record {
        time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_735_787_045_678),
        duration: Duration::from_micros(31_250),
        listener: "https",
        route: Some("api"),
        pool: Some("api-v2"),
        endpoint: Some("10.0.0.7:8080"),
        client: Some(IpAddr::from([203, 0, 113, 9])),
        user: None,
        peer: Some(Peer::Inet(SocketAddr::from(([203, 0, 113, 9], 40_112)))),
        method: "GET",
        scheme: "https",
        host: "api.example.org",
        target: b"/v2/items/1234567890",
        secrets: &[],
        protocol: "HTTP/2",
        status: 200,
        reason: None,
        phase: None,
        bytes_received: 0,
        bytes_sent: 12_345,
        attempts: 1,
        upstream: &[],
        queue: None,
        retries: 0,
        connect: None,
        first_byte: Some(Duration::from_millis(31)),
        upstream_status: Some(200),
        cache: None,
        request_id: "0194256b-7d2e-7c1a-9a55-3f6f0a6f2b11",
        user_agent: Some(b"Mozilla/5.0 (X11; Linux x86_64; rv:134.0) Gecko/20100101 Firefox/134.0"),
        referer: Some(b"https://example.org/shop"),
        request_headers: Some(fields),
        response_headers: Some(fields),
        tls_version: Some("TLSv1.3"),
        tls_cipher: Some("TLS13_AES_128_GCM_SHA256"),
        sni: Some("api.example.org"),
    }
}

/// A log that goes nowhere.
fn log(format: Format, of_a_million: u32, metrics: &Metrics) -> AccessLog {
    let mask = LogMask::default();
    let settings = Settings {
        destination: Destination::File("/dev/null".into()),
        format,
        sample: Sample {
            of_a_million,
            slow: None,
        },
        mask: Mask::new(mask.query.iter().map(|name| name.value.as_str())),
        queue_bytes: Settings::QUEUE_BYTES,
    };
    AccessLog::open(&settings, metrics.access_log.clone()).expect("a device")
}

/// What the end of a request does.
fn write(log: &AccessLog, record: &Record<'_>) {
    let outcome = Outcome {
        status: record.status,
        failed: record.reason.is_some(),
        retries: record.retries,
        duration: record.duration,
    };
    if let Some(of_a_million) = log.samples(&outcome) {
        log.write(record, of_a_million);
    }
}

fn lines(c: &mut Criterion) {
    let metrics = Metrics::new().expect("every metric is registered once");
    let mut fields = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/json; charset=utf-8"),
        ("x-api-version", "2025-01"),
        ("cookie", "a=b"),
    ] {
        fields.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    let chosen = Layout {
        fields: [
            Field::Time,
            Field::Client,
            Field::Method,
            Field::Host,
            Field::Target,
            Field::Status,
            Field::BytesSent,
            Field::Duration,
        ]
        .into(),
        request_headers: [Chosen::new(HeaderName::from_static("x-api-version"), &[])].into(),
        response_headers: [Chosen::new(HeaderName::from_static("content-type"), &[])].into(),
    };
    let plain = record(&fields);
    let query = Record {
        target: b"/v2/items/1234567890?page=2&sort=name&filter=new",
        ..plain
    };
    let secret = Record {
        target: b"/v2/items/1234567890?page=2&access%5Ftoken=0123456789abcdef&sort=name",
        ..plain
    };
    let mut hostile = b"/v2/items?".to_vec();
    (0..2_000).for_each(|_| hostile.extend_from_slice(b"&a=b"));
    let hostile = Record {
        target: &hostile,
        ..plain
    };
    let json = || Format::Json(Layout::default());
    let mut group = c.benchmark_group("line");
    for (name, format, record) in [
        ("json", json(), &plain),
        ("json, chosen fields", Format::Json(chosen), &plain),
        ("json, a query", json(), &query),
        ("json, a secret in it", json(), &secret),
        ("json, 2000 parameters", json(), &hostile),
        ("combined", Format::Combined, &plain),
    ] {
        let log = log(format, 1_000_000, &metrics);
        group.bench_function(name, |b| b.iter(|| write(&log, black_box(record))));
    }
    let log = log(json(), 10_000, &metrics);
    group.bench_function("json, for one of a hundred", |b| {
        b.iter(|| write(&log, black_box(&plain)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
    targets = lines
}
criterion_main!(benches);
