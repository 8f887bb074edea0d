//! Is what clients send in no label, and every series well-formed after all kinds of requests?

use std::fmt::Write as _;
use std::time::Duration;

use tokio::net::TcpSocket;

use super::*;
use crate::support::frames::frame;

/// What no label may hold, in every case.
const MARK: &str = "mark";

/// A configuration with most of what has metrics of its own.
fn everything(endpoint: std::net::SocketAddr) -> String {
    format!(
        "listeners:
- {{name: plain, address: \"127.0.0.1:0\"}}
- {{name: secure, address: \"127.0.0.1:0\", tls: {{certificates: [{{certificate: a.crt, key: a.key}}]}}}}
cache: {{memory: 1MiB}}
routes:
- {{name: cached, match: {{paths: [{{prefix: /bytes}}]}}, pool: app, cache: {{default_ttl: {{200: 1m}}}}, compress: {{}}}}
- {{name: limited, match: {{paths: [{{prefix: /limited}}]}}, pool: app, rate_limits: [{{name: one, rate: 1/h}}]}}
- {{name: dead, match: {{paths: [{{prefix: /dead}}]}}, pool: dead}}
- {{name: all, match: {{hosts: [a.test]}}, pool: app}}
pools:
- name: app
  endpoints: [\"{endpoint}\"]
  health: {{path: /echo, interval: 1s}}
  breaker: {{consecutive_failures: 5}}
  ejection: {{}}
- {{name: dead, endpoints: [\"127.0.0.1:1\"]}}
"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_client_sends_is_in_a_label_and_every_series_is_well_formed() {
    let (authority, origin) = (Authority::new(), origin().await);
    let endpoint = origin.address().expect("TCP");
    let portcullis = Portcullis::builder(&everything(endpoint))
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    let plain = portcullis.listener("plain");
    let before = scrape(&portcullis).await;
    let requests = [
        "GET /mark/1?mark=2 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: mark\r\nX-Forwarded-For: 203.0.113.77\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: mark.example\r\nReferer: http://mark.example/\r\nCookie: mark=mark\r\n\r\n",
        "MARK /bytes/10 HTTP/1.1\r\nHost: a.test\r\nX-Request-ID: mark\r\n\r\n",
        "GET /bytes/2000?mark HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: mark, gzip\r\n\r\n",
        "GET /limited/mark HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /limited/mark HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /dead/mark HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic mark\r\n\r\n",
        "GET http://mark.example/ HTTP/1.0\r\n\r\n",
        "MARK mark MARK/1.1\r\nmark\r\n\r\n",
        "GET /mark\"} 1\nmark{x=\"1 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ];
    for request in requests {
        // Of an address that is nobody else's.
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind("127.77.7.7:0".parse().expect("an address"))
            .expect("bound");
        let stream = socket.connect(plain).await.expect("connected");
        let mut raw = Raw::over(stream);
        raw.send(request).await;
        raw.response().await;
    }
    let secure = portcullis.listener("secure");
    let config = client_config(&authority.roots(), rustls::ALL_VERSIONS, &["h2"]).into();
    assert!(tls(secure, "mark.example", &config).await.is_err());
    let mut client = https2(secure, "a.test", &authority.roots()).await;
    client.get("/bytes/10?mark").await;
    client.get("/mark").await;
    let mut frames = Frames::connect(plain).await;
    let fields = [
        (":method", "MARK"),
        (":scheme", "mark"),
        (":path", "/mark"),
        (":authority", "mark.test"),
    ];
    frames.headers(1, &fields, true).await;
    frames.ended(1).await;
    frames.write(&frame(0xfe, 0, 0, b"mark")).await;
    becomes(&portcullis, "portcullis_http2_connections", 2.0).await;

    // The last ones are counted after their answers, and by protocol after that.
    eventually("all are counted", async || {
        let counted = portcullis.metric("portcullis_requests_total").await;
        let by_protocol = portcullis
            .metric("portcullis_requests_by_protocol_total")
            .await;
        counted >= 13.0 && by_protocol == counted
    })
    .await;

    let after = scrape(&portcullis).await;
    for value in after.label_values() {
        let lower = value.to_lowercase();
        for sent in [MARK, "203.0.113.77", "127.77.7.7", "/bytes", "http:"] {
            assert!(!lower.contains(sent), "{value}");
        }
    }
    // What was there before has not multiplied: only endpoints and failures come when they are met first.
    for (name, family) in &after.families {
        let known = before
            .families
            .get(name)
            .map_or(0, |family| family.samples.len());
        let more = family.samples.len() - known;
        let most = if name == "portcullis_failures_total" {
            8
        } else {
            0
        };
        assert!(more <= most, "{more} more of {name}");
    }
    let total = |name: &str| -> f64 {
        let samples = &after.families[name].samples;
        samples.iter().map(|sample| sample.value).sum()
    };
    let counted = total("portcullis_requests_total");
    assert!(counted >= 13.0, "{counted}");
    assert_eq!(total("portcullis_requests_by_protocol_total"), counted);
}

/// Scrapes that take long: so many endpoints.
const ENDPOINTS: usize = 1_000;

#[tokio::test]
async fn scrapes_go_one_after_the_other_whether_who_asked_is_still_there_or_not() {
    let mut yaml = String::from(
        "listeners: [{name: http, address: \"127.0.0.1:0\"}]\nroutes: [{name: all, pool: p0}]\npools:\n",
    );
    for pool in 0..ENDPOINTS / 100 {
        let endpoints: Vec<String> = (0..100)
            .map(|number| format!("\"127.0.{pool}.{}:1\"", number + 1))
            .collect();
        let endpoints = endpoints.join(", ");
        writeln!(
            yaml,
            "- {{name: p{pool}, endpoints: [{endpoints}], breaker: {{consecutive_failures: 5}}, ejection: {{}}}}"
        )
        .expect("a string takes everything");
    }
    let portcullis = Portcullis::start(&yaml).await;
    let threads = || portcullis.threads("").len();
    scrape(&portcullis).await;
    let before = threads();
    for _ in 0..30 {
        let raw = Raw::sent(
            portcullis.admin(),
            "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .await;
        // So long that the scrape has begun mostly, and not so long that it has ended.
        tokio::time::sleep(Duration::from_millis(4)).await;
        drop(raw);
    }
    // Threads stay for a while when their work is done. Some other work may want one at the same time.
    let more = threads().saturating_sub(before);
    assert!(more <= 4, "{more} more threads");
    scrape(&portcullis).await;
}
