//! What does it cost to look at a request before anything is decided about it?

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis::proxy::forward::{
    AddedFields, Keep, Peer, Received, Scheme, TrustedProxies, X_REQUEST_ID, add_request_fields,
    client_address, request_id, strip_request,
};
use portcullis::server::connection::head::{Found, HeadLimits, find};

const LIMITS: HeadLimits = HeadLimits {
    header: 32 << 10,
    fields: 100,
    uri: 8 << 10,
};

/// What a load generator sends.
const SMALL: &[u8] = b"GET /bytes/128 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

/// What a browser sends, without its cookies.
const TYPICAL: &[u8] = b"GET /api/v1/users/12345/items?page=2&sort=name HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: application/json, text/plain;q=0.9, */*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://www.example.com/users/12345\r\n\
    Connection: keep-alive\r\n\
    Sec-Fetch-Mode: cors\r\n\
    \r\n";

fn heads(c: &mut Criterion) {
    let mut group = c.benchmark_group("head");
    for (name, bytes) in [("small", SMALL), ("typical", TYPICAL)] {
        assert!(matches!(find(bytes, 0, &LIMITS, true), Ok(Found::Head(_))));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| find(black_box(bytes), 0, &LIMITS, true));
        });
    }
    let half = &TYPICAL[..TYPICAL.len() / 2];
    group.throughput(Throughput::Bytes(TYPICAL.len() as u64));
    group.bench_function("typical-in-two-pieces", |b| {
        b.iter(|| {
            let first = find(black_box(half), 0, &LIMITS, true);
            (first, find(black_box(TYPICAL), half.len(), &LIMITS, true))
        });
    });
    group.finish();
}

/// The fields of a request, as they were received.
fn fields(head: &[u8]) -> HeaderMap {
    let text = std::str::from_utf8(head).expect("ASCII");
    text.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a valid name");
            (name, HeaderValue::from_str(value).expect("a valid value"))
        })
        .collect()
}

fn forwarding(c: &mut Criterion) {
    let mut group = c.benchmark_group("forward");
    let address = std::net::IpAddr::from([198, 51, 100, 4]);
    let nobody = TrustedProxies::new([]);
    let proxies = TrustedProxies::new(["198.51.100.0/24".parse().expect("a network")]);
    let mut through_proxy = fields(TYPICAL);
    through_proxy.insert(
        "x-forwarded-for",
        HeaderValue::from_static("203.0.113.9, 198.51.100.7"),
    );
    for (name, trusted, received) in [
        ("client-direct", &nobody, fields(TYPICAL)),
        ("client-behind-proxies", &proxies, through_proxy),
    ] {
        let peer = Peer::ip(address, trusted);
        group.bench_function(name, |b| {
            b.iter(|| client_address(black_box(peer), &received, trusted));
        });
    }
    let plain = fields(TYPICAL);
    let peer = Peer::ip(address, &nobody);
    group.bench_function("copy-of-the-fields", |b| {
        b.iter(|| black_box(&plain).clone())
    });
    group.bench_function("copy-strip-and-add", |b| {
        b.iter(|| {
            let mut fields = black_box(&plain).clone();
            let received = Received {
                peer,
                client: peer.address,
                scheme: Scheme::Https,
                host: fields.get(http::header::HOST).cloned(),
                port: None,
                version: http::Version::HTTP_11,
                request_id: request_id(&X_REQUEST_ID, peer.trusted, &fields),
                id_field: X_REQUEST_ID.clone(),
            };
            strip_request(&mut fields, Keep::default());
            add_request_fields(&mut fields, &received, AddedFields::default());
            fields
        });
    });
    group.finish();
}

criterion_group!(benches, heads, forwarding);
criterion_main!(benches);
