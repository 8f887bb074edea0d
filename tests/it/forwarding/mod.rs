//! What do endpoints and clients learn of each other, and what stays with the connection it was meant for?

mod date;

use std::net::SocketAddr;

use origin::{RawAnswer, RawOrigin};
use serde_json::Value;

use crate::support::*;

/// One plain listener and one pool with these settings, and these proxies trusted.
fn trusting(endpoint: Option<SocketAddr>, trusted: &str, pool: &str) -> String {
    let endpoint = endpoint.expect("an origin on TCP");
    format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes: [{{name: all, pool: origin}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']{pool}}}]\n\
         forwarding: {{trusted_proxies: [{trusted}]}}\n"
    )
}

/// The values of a field that an origin's `/echo` saw.
fn seen<'v>(echo: &'v Value, name: &str) -> Vec<&'v str> {
    let fields = echo["headers"].as_array().expect("the answer of /echo");
    fields
        .iter()
        .filter(|field| field[0] == name)
        .filter_map(|field| field[1].as_str())
        .collect()
}

/// A request with everything a proxy in front might say.
fn claiming() -> http::request::Builder {
    request("GET", "/echo")
        .header("host", "a.test:81")
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "front.test")
        .header("x-forwarded-port", "443")
        .header("forwarded", "for=192.0.2.1;proto=https")
        .header("x-real-ip", "192.0.2.1")
        .header("x-request-id", "from-the-front")
        .header("x-forwarded-server", "spoofed")
        .header("x_forwarded_for", "192.0.2.2")
}

#[tokio::test]
async fn what_an_untrusted_client_says_about_itself_is_replaced() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = trusting(origin.address(), "10.0.0.0/8", "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let port = address.port().to_string();
        for (mut client, version) in [(http1(address).await, "1.1"), (http2(address).await, "2")] {
            let echo = client
                .ask(claiming().body(full("")).expect("a request"))
                .await
                .json();
            assert_eq!(seen(&echo, "x-forwarded-for"), ["127.0.0.1"]);
            assert_eq!(seen(&echo, "x-forwarded-proto"), ["http"]);
            assert_eq!(seen(&echo, "x-forwarded-host"), ["a.test:81"]);
            assert_eq!(seen(&echo, "x-forwarded-port"), [port.as_str()]);
            assert_eq!(
                seen(&echo, "forwarded"),
                ["for=127.0.0.1;proto=http;host=\"a.test:81\""]
            );
            assert_eq!(seen(&echo, "via"), [format!("{version} portcullis")]);
            assert_eq!(seen(&echo, "host"), ["a.test:81"]);
            let ids = seen(&echo, "x-request-id");
            assert_eq!(
                (ids.len(), ids[0].len(), &ids[0][14..15]),
                (1, 36, "7"),
                "a UUID of version 7: {ids:?}"
            );
            for name in ["x-real-ip", "x-forwarded-server", "x_forwarded_for"] {
                assert_eq!(seen(&echo, name), Vec::<&str>::new(), "{name}");
            }
            let line = portcullis.logged(|line| line["request_id"] == ids[0]).await;
            assert_eq!(
                (&line["client"], &line["scheme"]),
                (&"127.0.0.1".into(), &"http".into())
            );
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_trusted_proxy_says_is_kept_and_continued() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = trusting(origin.address(), "127.0.0.0/8", "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let echo = client
                .ask(claiming().body(full("")).expect("a request"))
                .await
                .json();
            assert_eq!(seen(&echo, "x-forwarded-for"), ["192.0.2.1, 127.0.0.1"]);
            assert_eq!(seen(&echo, "x-forwarded-proto"), ["https"]);
            assert_eq!(seen(&echo, "x-forwarded-host"), ["front.test"]);
            assert_eq!(seen(&echo, "x-forwarded-port"), ["443"]);
            let forwarded =
                "for=192.0.2.1;proto=https, for=127.0.0.1;proto=http;host=\"a.test:81\"";
            assert_eq!(seen(&echo, "forwarded"), [forwarded]);
            assert_eq!(seen(&echo, "x-request-id"), ["from-the-front"]);
        }
        let line = portcullis
            .logged(|line| line["request_id"] == "from-the-front")
            .await;
        assert_eq!(
            (&line["client"], &line["scheme"]),
            (&"192.0.2.1".into(), &"https".into())
        );
        assert!(
            line["peer"]
                .as_str()
                .is_some_and(|peer| peer.starts_with("127.0.0.1:")),
            "{line}"
        );
    })
    .await;
}

#[tokio::test]
async fn the_clients_address_is_the_rightmost_that_no_trusted_proxy_has() {
    let origin = origin().await;
    let yaml = trusting(origin.address(), "127.0.0.1, 10.0.0.0/8", "");
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    for (number, (list, expected)) in [
        ("198.51.100.9, 192.0.2.7, 10.1.2.3", "192.0.2.7"),
        ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("2001:db8::7, 10.1.2.3", "2001:db8::7"),
        ("nonsense, 10.1.2.3", "10.1.2.3"),
        ("", "127.0.0.1"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/number/{number}");
        let asked = request("GET", &path)
            .header("x-forwarded-for", list)
            .body(full(""));
        assert_eq!(client.ask(asked.expect("a request")).await.status, 200);
        let line = portcullis
            .logged(|line| line["target"] == path.as_str())
            .await;
        assert_eq!(line["client"], expected, "{list}");
    }
}

#[tokio::test]
async fn the_switches_of_forwarding_turn_fields_off_but_let_no_spoofed_ones_through() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = trusting(origin.address(), "", "")
            .replace("trusted_proxies: []", "forwarded: false, via: false");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let answer = http1(portcullis.listener("http"))
            .await
            .ask(claiming().body(full("")).expect("a request"))
            .await;
        let echo = answer.json();
        assert_eq!(seen(&echo, "forwarded"), Vec::<&str>::new());
        assert_eq!(seen(&echo, "via"), Vec::<&str>::new());
        assert_eq!(answer.header("via"), None);
        assert_eq!(seen(&echo, "x-forwarded-for"), ["127.0.0.1"]);
    })
    .await;
}

/// The header of the only request an origin got, in lower case.
fn received(origin: &RawOrigin) -> String {
    let bytes = origin.received().concat();
    String::from_utf8(bytes)
        .expect("ASCII")
        .to_ascii_lowercase()
}

#[tokio::test]
async fn rfc9110_7_6_1_what_belongs_to_the_clients_connection_does_not_reach_the_endpoint() {
    both_carriers(async |carrier| {
        let origin = RawOrigin::start(|_| RawAnswer::new().send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
        let origin = origin.await.expect("an origin");
        let yaml = trusting(Some(origin.address()), "127.0.0.1", "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let asked = "GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: X-Mine, keep-alive\r\nConnection: x-also\r\nX-Mine: 1\r\nX-Also: 2\r\nX-Kept: 3\r\nKeep-Alive: timeout=5\r\n\
                     Proxy-Connection: keep-alive\r\nTE: trailers\r\nTrailer: x-t\r\nProxy-Authorization: Basic x\r\n\r\n";
        let response = Raw::sent(portcullis.listener("http"), asked).await.response().await;
        assert_eq!(response.status, 200);
        let header = received(&origin);
        for gone in [
            "\r\nconnection:", "\r\nx-mine:", "\r\nx-also:", "\r\nkeep-alive:", "\r\nproxy-connection:", "\r\nte:",
            "\r\ntransfer-encoding:", "\r\nproxy-authorization:",
        ] {
            assert!(!header.contains(gone), "{gone:?} in {header}");
        }
        for kept in ["get /x http/1.1\r\n", "\r\nhost: a.test\r\n", "\r\nx-kept: 3\r\n", "\r\nx-forwarded-for: 127.0.0.1\r\n"] {
            assert!(header.contains(kept), "{kept:?} not in {header}");
        }
    })
    .await;
}

#[tokio::test]
async fn rfc9110_7_6_1_what_belongs_to_the_endpoints_connection_does_not_reach_the_client() {
    both_carriers(async |carrier| {
        let origin = RawOrigin::start(|_| {
            RawAnswer::new().send(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Mine, keep-alive, Content-Type\r\nX-Mine: 1\r\n\
                 Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authenticate: Basic\r\nX-Kept: 3\r\n\
                 Upgrade: h2c\r\nX-Kept: 4\r\n\r\nok",
            )
        });
        let origin = origin.await.expect("an origin");
        let yaml = trusting(Some(origin.address()), "", "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let answer = client.get("/").await;
            assert_eq!((answer.status.as_u16(), answer.text()), (200, "ok".to_owned()));
            for gone in ["x-mine", "keep-alive", "proxy-connection", "upgrade"] {
                assert_eq!(answer.header(gone), None, "{gone}");
            }
            let kept: Vec<_> = answer.headers.get_all("x-kept").iter().collect();
            assert_eq!(kept, ["3", "4"]);
            assert_eq!(answer.header("via"), Some("1.1 portcullis"));
        }
    })
    .await;
}

#[tokio::test]
async fn the_host_is_kept_or_that_of_the_endpoint_or_a_fixed_one() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let endpoint = origin.address().expect("TCP").to_string();
        for (rule, host) in [
            ("keep", "a.test:81"),
            ("endpoint", endpoint.as_str()),
            ("inner.test:8080", "inner.test:8080"),
        ] {
            let yaml = trusting(origin.address(), "", &format!(", host: '{rule}'"));
            let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
            let address = portcullis.listener("http");
            for mut client in [http1(address).await, http2(address).await] {
                let echo = client
                    .ask(claiming().body(full("")).expect("a request"))
                    .await
                    .json();
                assert_eq!(seen(&echo, "host"), [host], "{rule}");
                assert_eq!(seen(&echo, "x-forwarded-host"), ["a.test:81"], "{rule}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn over_tls_the_endpoint_learns_that_the_client_came_by_https() {
    both_carriers(async |carrier| {
        let (authority, origin) = (Authority::new(), origin().await);
        let tls = "tls: {certificates: [{certificate: a.crt, key: a.key}]}";
        let portcullis = Portcullis::builder(&site(tls, origin.address()))
            .identity("a", &authority.issue(&["a.test"]))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let host = format!("a.test:{}", address.port());
        for mut client in [
            https1(address, "a.test", &authority.roots()).await,
            https2(address, "a.test", &authority.roots()).await,
        ] {
            let echo = client.get("/echo").await.json();
            assert_eq!(seen(&echo, "x-forwarded-proto"), ["https"]);
            assert_eq!(seen(&echo, "x-forwarded-host"), [host.as_str()]);
            assert_eq!(
                seen(&echo, "forwarded"),
                [format!("for=127.0.0.1;proto=https;host=\"{host}\"")]
            );
        }
        let line = portcullis.logged(|line| line["protocol"] == "HTTP/2").await;
        assert_eq!(
            (&line["scheme"], &line["tls_version"]),
            (&"https".into(), &"TLSv1.3".into())
        );
        assert_eq!(line["sni"], "a.test");
    })
    .await;
}

#[tokio::test]
async fn rfc9113_8_2_3_the_cookie_crumbs_of_http2_are_put_together_for_an_endpoint_of_http1() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        let asked = request("GET", "/echo")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .body(full(""));
        let mut client = http2(portcullis.listener("http")).await;
        let echo = client.ask(asked.expect("a request")).await.json();
        assert_eq!(seen(&echo, "cookie"), ["a=1; b=2"]);
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_to_http2_is_not_passed_on_because_no_route_would_see_what_comes_through_it() {
    let origin =
        RawOrigin::start(|_| RawAnswer::new().send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    let origin = origin.await.expect("an origin");
    let portcullis = Portcullis::start(&trusting(Some(origin.address()), "", "")).await;
    let asked = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                 HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n";
    let mut raw = Raw::sent(portcullis.listener("http"), asked).await;
    assert_eq!(raw.response().await.status, 200);
    let header = received(&origin);
    for gone in ["\r\nupgrade:", "\r\nconnection:", "\r\nhttp2-settings:"] {
        assert!(!header.contains(gone), "{gone:?} in {header}");
    }
    assert_eq!(raw.get("/again").await.status, 200);
}

#[tokio::test]
async fn rfc9110_7_6_1_a_field_that_is_meant_for_the_endpoint_can_not_be_taken_away_by_nominating_it()
 {
    both_carriers(async |carrier| {
        let origin = RawOrigin::start(|_| {
            RawAnswer::new().send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        });
        let origin = origin.await.expect("an origin");
        let yaml = trusting(Some(origin.address()), "", "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        for name in ["host", "x-forwarded-for"] {
            let before = origin.requests();
            let asked = format!("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: {name}\r\n\r\n");
            let response = Raw::sent(portcullis.listener("http"), asked)
                .await
                .response()
                .await;
            // Refusing such a request is as good as not obeying it.
            match response.status {
                400 => assert_eq!(origin.requests(), before, "{name}"),
                200 => assert!(
                    received(&origin).contains(&format!("\r\n{name}: ")),
                    "{name}"
                ),
                other => panic!("{other} for {name}"),
            }
        }
    })
    .await;
}
