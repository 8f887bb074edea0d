//! Is the client's address taken from a PROXY header, and only from those who may send one?

use std::net::SocketAddr;

use rustls::ALL_VERSIONS;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::*;

const GET: &str =
    "GET /echo HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n";
const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 1234 443\r\n";

/// A header of version 2 (section 2.2 of the specification): `command` is 0 for LOCAL, 1 for PROXY.
fn v2(command: u8, source: SocketAddr, destination: SocketAddr, tlvs: &[u8]) -> Vec<u8> {
    let mut addresses = Vec::new();
    let family = match (source, destination) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
            addresses.extend(source.ip().octets());
            addresses.extend(destination.ip().octets());
            0x11
        }
        (SocketAddr::V6(source), SocketAddr::V6(destination)) => {
            addresses.extend(source.ip().octets());
            addresses.extend(destination.ip().octets());
            0x21
        }
        _ => panic!("two families"),
    };
    addresses.extend(source.port().to_be_bytes());
    addresses.extend(destination.port().to_be_bytes());
    addresses.extend(tlvs);
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([0x20 | command, family]);
    header.extend(u16::try_from(addresses.len()).expect("short").to_be_bytes());
    header.extend(addresses);
    header
}

fn v2_ipv4(command: u8) -> Vec<u8> {
    let source = "192.0.2.7:1234".parse().expect("an address");
    v2(
        command,
        source,
        "198.51.100.1:443".parse().expect("an address"),
        b"",
    )
}

fn v2_ipv6_with_extras() -> Vec<u8> {
    let source = "[2001:db8::7]:1234".parse().expect("an address");
    let destination = "[2001:db8::1]:443".parse().expect("an address");
    // A PP2_TYPE_AUTHORITY and a type nobody knows.
    v2(1, source, destination, b"\x02\0\x06a.test\xe7\0\x02zz")
}

fn listener(mode: &str, trusted: &str) -> String {
    format!("proxy_protocol: {{mode: {mode}, trusted: [{trusted}]}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_from_a_trusted_peer_says_who_the_client_is() {
    let origin = origin().await;
    for mode in ["optional", "required"] {
        let yaml = site(&listener(mode, "127.0.0.0/8"), origin.address());
        let portcullis = Portcullis::start(&yaml).await;
        for (header, client, port) in [
            (V1.to_vec(), "192.0.2.7", "443"),
            (
                b"PROXY TCP6 2001:db8::7 2001:db8::1 1 8443\r\n".to_vec(),
                "2001:db8::7",
                "8443",
            ),
            (v2_ipv4(1), "192.0.2.7", "443"),
            (v2_ipv6_with_extras(), "2001:db8::7", "443"),
        ] {
            let lines = portcullis.access_log().len();
            let mut raw = Raw::sent(
                portcullis.listener("http"),
                [&header, GET.as_bytes()].concat(),
            )
            .await;
            let echo = raw.last_response().await.json();
            assert_eq!(field(&echo, "x-forwarded-for"), Some(client), "{mode}");
            assert_eq!(field(&echo, "x-forwarded-port"), Some(port), "{mode}");
            eventually("a line", async || portcullis.access_log().len() > lines).await;
            let line = portcullis.access_log().pop().expect("a line");
            assert_eq!(line["client"], client);
            assert!(
                line["peer"].as_str().expect("text").contains(client),
                "{line}"
            );
        }
        for header in [b"PROXY UNKNOWN\r\n".to_vec(), v2_ipv4(0)] {
            let mut raw = Raw::sent(
                portcullis.listener("http"),
                [&header, GET.as_bytes()].concat(),
            )
            .await;
            let echo = raw.last_response().await.json();
            assert_eq!(
                field(&echo, "x-forwarded-for"),
                Some("127.0.0.1"),
                "it speaks for itself"
            );
        }
    }
}

fn field<'e>(echo: &'e serde_json::Value, name: &str) -> Option<&'e str> {
    let fields = echo["headers"].as_array().expect("the answer of /echo");
    fields.iter().find(|field| field[0] == name)?[1].as_str()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_in_many_pieces_is_a_header() {
    let origin = origin().await;
    let yaml = site(&listener("required", "127.0.0.1"), origin.address());
    let portcullis = Portcullis::start(&yaml).await;
    for header in [V1.to_vec(), v2_ipv4(1)] {
        let stream = TcpStream::connect(portcullis.listener("http"))
            .await
            .expect("connected");
        stream.set_nodelay(true).expect("a socket");
        let mut raw = Raw::over(stream);
        for byte in header {
            raw.send([byte]).await;
            tokio::task::yield_now().await;
        }
        raw.send(GET).await;
        let echo = raw.last_response().await.json();
        assert_eq!(field(&echo, "x-forwarded-for"), Some("192.0.2.7"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_named_by_the_header_is_the_peer_whose_fields_are_trusted_or_not() {
    let origin = origin().await;
    let mut yaml = site(&listener("required", "127.0.0.1"), origin.address());
    yaml.push_str("forwarding: {trusted_proxies: [192.0.2.7]}\n");
    let portcullis = Portcullis::start(&yaml).await;
    let mut raw = Raw::sent(portcullis.listener("http"), [V1, GET.as_bytes()].concat()).await;
    let echo = raw.last_response().await.json();
    assert_eq!(field(&echo, "x-forwarded-for"), Some("6.6.6.6, 192.0.2.7"));
    assert_eq!(portcullis.logged(|_| true).await["client"], "6.6.6.6");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_comes_after_the_header() {
    let origin = origin().await;
    let authority = Authority::new();
    let settings = format!(
        "tls: {{certificates: [{{certificate: a.crt, key: a.key}}]}}, {}",
        listener("required", "127.0.0.1")
    );
    let portcullis = Portcullis::builder(&site(&settings, origin.address()))
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    for (header, alpn) in [(V1.to_vec(), "http/1.1"), (v2_ipv4(1), "h2")] {
        let mut stream = TcpStream::connect(portcullis.listener("http"))
            .await
            .expect("connected");
        stream.write_all(&header).await.expect("sent");
        let config = client_config(&authority.roots(), ALL_VERSIONS, &[alpn]).into();
        let stream = tls_over(stream, "a.test", &config)
            .await
            .expect("a handshake");
        let echo = over(stream, alpn == "h2", "https", "a.test")
            .await
            .get("/echo")
            .await;
        assert_eq!(
            echo.seen_header("x-forwarded-for").as_deref(),
            Some("192.0.2.7")
        );
        assert_eq!(
            echo.seen_header("x-forwarded-proto").as_deref(),
            Some("https")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_is_spoofed_broken_or_missing_ends_the_connection() {
    let origin = origin().await;
    let get = GET.as_bytes();
    let cut = |mut header: Vec<u8>, at: usize, byte: u8| {
        header[at] = byte;
        header
    };
    for (mode, trusted, sent) in [
        ("optional", "192.0.2.0/24", [V1, get].concat()),
        ("optional", "192.0.2.0/24", [&v2_ipv4(1)[..], get].concat()),
        ("required", "192.0.2.0/24", [V1, get].concat()),
        ("required", "192.0.2.0/24", get.to_vec()),
        ("required", "127.0.0.1", get.to_vec()),
        (
            "required",
            "127.0.0.1",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        ),
        (
            "required",
            "127.0.0.1",
            [b"PROXY TCP4 192.0.2.7 198.51.100.1 1234 44300000\r\n", get].concat(),
        ),
        (
            "required",
            "127.0.0.1",
            [b"PROXY TCP4 2001:db8::7 198.51.100.1 1234 443\r\n", get].concat(),
        ),
        (
            "required",
            "127.0.0.1",
            [b"PROXY TCP4 192.0.2.7 198.51.100.1 1234 443\n", get].concat(),
        ),
        // Version 3, and a command nobody knows.
        (
            "required",
            "127.0.0.1",
            [&cut(v2_ipv4(1), 12, 0x31)[..], get].concat(),
        ),
        (
            "required",
            "127.0.0.1",
            [&cut(v2_ipv4(1), 12, 0x2f)[..], get].concat(),
        ),
    ] {
        let yaml = site(&listener(mode, trusted), origin.address());
        let portcullis = Portcullis::start(&yaml).await;
        let mut raw = Raw::sent(portcullis.listener("http"), &sent).await;
        let answer = raw.rest().await;
        let (sent, answer) = (
            String::from_utf8_lossy(&sent),
            String::from_utf8_lossy(&answer),
        );
        assert_eq!(answer, "", "{mode}, trusted {trusted}: {sent:?}");
    }
    assert_eq!(origin.journal().connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_header_is_optional_anyone_may_leave_it_out() {
    let origin = origin().await;
    for trusted in ["127.0.0.1", "192.0.2.0/24"] {
        let yaml = site(&listener("optional", trusted), origin.address());
        let portcullis = Portcullis::start(&yaml).await;
        let echo = Raw::sent(portcullis.listener("http"), GET)
            .await
            .last_response()
            .await
            .json();
        assert_eq!(field(&echo, "x-forwarded-for"), Some("127.0.0.1"));
        let answer = http2(portcullis.listener("http")).await.get("/echo").await;
        assert_eq!(
            answer.seen_header("x-forwarded-for").as_deref(),
            Some("127.0.0.1")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_header_is_off_it_is_a_malformed_request() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    for header in [V1.to_vec(), v2_ipv4(1)] {
        let mut raw = Raw::sent(
            portcullis.listener("http"),
            [&header, GET.as_bytes()].concat(),
        )
        .await;
        assert_eq!(raw.last_response().await.status, 400);
    }
    assert_eq!(origin.journal().connections(), 0);
}

#[test]
fn a_mode_without_trusted_addresses_is_refused() {
    let yaml = "listeners: [{name: http, address: \"127.0.0.1:0\", proxy_protocol: {mode: optional}}]\n\
                routes: [{name: hello, respond: {body: hello}}]\n";
    let said = Portcullis::builder(yaml).refused(1);
    assert!(
        said.contains("proxy_protocol") && said.contains("trusted"),
        "{said}"
    );
}
