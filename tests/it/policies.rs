//! What does each policy of a route do to a request and its response?

use std::net::SocketAddr;

use crate::support::*;

/// One plain listener, the pool `origin`, and these routes.
fn with_routes(endpoint: Option<SocketAddr>, routes: &str) -> String {
    let endpoint = endpoint.expect("an origin on TCP");
    format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\n\
         routes:\n{routes}"
    )
}

#[tokio::test]
async fn request_fields_are_removed_then_set_then_added() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let routes = "  - name: all\n    pool: origin\n    request_headers:\n      remove: [X-Gone, X-Both]\n      \
                      set: {X-Set: new, X-Forwarded-Proto: gopher}\n      add: {X-Added: more, X-Both: again}\n";
        let portcullis = Portcullis::builder(&with_routes(origin.address(), routes)).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let asked = request("GET", "/echo")
                .header("x-gone", "1")
                .header("x-both", "1")
                .header("x-set", "old")
                .header("x-added", "one")
                .body(full(""));
            let echo = client.ask(asked.expect("a request")).await.json();
            let fields = echo["headers"].as_array().expect("a list");
            let values = |name: &str| -> Vec<&str> {
                fields.iter().filter(|field| field[0] == name).filter_map(|field| field[1].as_str()).collect()
            };
            assert_eq!(values("x-gone"), Vec::<&str>::new());
            assert_eq!(values("x-both"), ["again"]);
            assert_eq!(values("x-set"), ["new"]);
            assert_eq!(values("x-added"), ["one", "more"]);
            assert_eq!(values("x-forwarded-proto"), ["gopher"], "the operator has the last word");
        }
    })
    .await;
}

#[tokio::test]
async fn response_fields_are_changed_on_every_response_of_the_route_its_own_answers_included() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let edits = "response_headers: {remove: [X-Origin], set: {X-Frame-Options: DENY}, add: {Set-Cookie: b=2}}";
        let routes = format!(
            "  - {{name: pool, pool: origin, {edits}}}\n\
             \x20 - {{name: own, match: {{paths: [{{exact: /own}}]}}, respond: {{body: own}}, {edits}}}\n\
             \x20 - {{name: away, match: {{paths: [{{exact: /away}}]}}, redirect: {{path: /}}, {edits}}}\n"
        );
        let portcullis = Portcullis::builder(&with_routes(origin.address(), &routes)).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            for (path, status) in
                [("/headers?set-cookie=a=1&x-frame-options=none", 200), ("/own", 200), ("/away", 302), ("/close", 502)]
            {
                let answer = client.get(path).await;
                assert_eq!(answer.status, status, "{path}");
                assert_eq!(answer.header("x-origin"), None, "{path}");
                assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
                let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
                assert!(cookies.ends_with(&[&"b=2".parse::<http::HeaderValue>().expect("a value")]), "{path}");
                assert_eq!(cookies.len(), if path.starts_with("/headers") { 2 } else { 1 }, "{path}: {cookies:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_endpoint_sees_the_rewritten_path_and_host_and_the_log_the_clients() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let routes = "
  - {name: path, match: {paths: [{prefix: /fixed}]}, rewrite: {path: /echo}, pool: origin}
  - {name: prefix, match: {paths: [{prefix: /api/v1}]}, rewrite: {prefix: /echo}, pool: origin}
  - {name: strip, match: {paths: [{prefix: /strip}]}, rewrite: {prefix: /}, pool: origin}
  - {name: regex, match: {paths: [{prefix: /u}]}, rewrite: {regex: {pattern: '^/u/([^/]+)/.*', replacement: '/$1'}}, pool: origin}
  - {name: host, match: {paths: [{prefix: /echo}]}, rewrite: {host: 'inner.test:81'}, pool: origin}
";
        let portcullis = Portcullis::builder(&with_routes(origin.address(), routes)).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            for (path, uri) in [
                ("/fixed/a/b?q=1", "/echo?q=1"),
                ("/api/v1?q=1", "/echo?q=1"),
                ("/strip//echo?%2e", "/echo?%2e"),
                ("/u/echo/x?y=z", "/echo?y=z"),
                ("/u/%65cho/", "/echo"),
            ] {
                let echo = client.get(path).await.json();
                assert_eq!(echo["uri"], uri, "{path}");
                let line = portcullis.logged(|line| line["target"] == path).await;
                assert_eq!(line["status"], 200, "{line}");
            }
            assert_eq!(client.get("/api/v1/x/y").await.text(), "hello from origin: GET /echo/x/y\n");
            assert_eq!(client.get("/strip").await.text(), "hello from origin: GET /\n");
            let answer = client.get("/echo").await;
            assert_eq!(answer.seen_header("host").as_deref(), Some("inner.test:81"));
            let forwarded = answer.seen_header("x-forwarded-host").expect("the client's host");
            assert_eq!(forwarded, address.to_string());
        }
    })
    .await;
}

#[tokio::test]
async fn a_redirect_keeps_what_it_does_not_change() {
    let routes = "
  - {name: away, match: {paths: [{prefix: /old}]}, redirect: {status: 301, prefix: /new}}
  - {name: host, match: {paths: [{prefix: /host}]}, redirect: {host: b.test}}
  - {name: all, match: {paths: [{prefix: /all}]}, redirect: {status: 308, scheme: https, host: c.test, port: 8443, path: /here}}
  - {name: plain, match: {paths: [{prefix: /s}]}, redirect: {status: 307, scheme: https}}
  - {name: rest, pool: origin}
";
    let origin = origin().await;
    let portcullis = Portcullis::start(&with_routes(origin.address(), routes)).await;
    let address = portcullis.listener("http");
    for mut client in [http1(address).await, http2(address).await] {
        for (path, status, location) in [
            ("/old/page?x=1", 301, "http://a.test:81/new/page?x=1"),
            ("/old", 301, "http://a.test:81/new"),
            ("/old//x/../y", 301, "http://a.test:81/new/y"),
            ("/host/x?y", 302, "http://b.test:81/host/x?y"),
            ("/all/x?y", 308, "https://c.test:8443/here"),
            (
                "/s?x=http://evil.test/",
                307,
                "https://a.test/s?x=http://evil.test/",
            ),
        ] {
            let asked = request("GET", path)
                .header("host", "a.test:81")
                .body(full(""));
            let answer = client.ask(asked.expect("a request")).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("location")),
                (status, Some(location)),
                "{path}"
            );
            assert_eq!(answer.body.len(), 0, "{path}");
        }
    }
    assert_eq!(origin.journal().requests(), 0);
}

#[tokio::test]
async fn a_fixed_response_has_its_status_type_and_body_and_head_has_none() {
    let routes = "
  - {name: text, match: {paths: [{exact: /text}]}, respond: {body: hello}}
  - {name: json, match: {paths: [{exact: /json}]}, respond: {status: 418, body: '{}', content_type: application/json}}
  - {name: none, match: {paths: [{exact: /none}]}, respond: {status: 204}}
";
    let yaml = format!("listeners: [{{name: http, address: '127.0.0.1:0'}}]\nroutes:{routes}");
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    for mut client in [http1(address).await, http2(address).await] {
        let text = client.get("/text").await;
        assert_eq!(
            (text.status.as_u16(), text.text()),
            (200, "hello".to_owned())
        );
        assert_eq!(
            text.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        let none = client.get("/none").await;
        assert_eq!((none.status.as_u16(), none.body.len()), (204, 0));
        assert_eq!(
            (none.header("content-length"), none.header("content-type")),
            (None, None)
        );
        let head = client
            .ask(request("HEAD", "/text").body(full("")).expect("a request"))
            .await;
        assert_eq!(
            (
                head.status.as_u16(),
                head.header("content-length"),
                head.body.len()
            ),
            (200, Some("5"), 0)
        );
    }
    for mut client in [http1(address).await, http2(address).await] {
        // The last request of its connection over HTTP/1: nobody reads the body.
        let json = client.post("/json", "a body that nobody reads").await;
        assert_eq!((json.status.as_u16(), json.text()), (418, "{}".to_owned()));
        assert_eq!(json.header("content-type"), Some("application/json"));
    }
    // Nothing follows the header of an answer to HEAD.
    let mut raw = Raw::connect(address).await;
    raw.send("HEAD /text HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert_eq!(raw.response_to_head().await.status, 200);
    assert_eq!(raw.response().await.status, 204);
    let line = portcullis.logged(|line| line["status"] == 418).await;
    assert_eq!(
        (&line["route"], &line["attempts"], line.get("pool")),
        (&"json".into(), &0.into(), None)
    );
}

#[tokio::test]
async fn https_redirect_sends_plain_requests_away_unless_a_trusted_proxy_took_tls_off() {
    for (trusted, claimed, status) in [
        ("[]", None, 308),
        ("[]", Some("https"), 308),
        ("[127.0.0.1]", Some("https"), 200),
        ("[127.0.0.1]", Some("http"), 308),
    ] {
        let origin = origin().await;
        let routes = "  - {name: all, pool: origin, https_redirect: true}\n";
        let yaml = with_routes(origin.address(), routes)
            + &format!("forwarding: {{trusted_proxies: {trusted}}}\n");
        let portcullis = Portcullis::start(&yaml).await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let mut asked = request("GET", "/a/%2e/b?c=d").header("host", "a.test:81");
            if let Some(claimed) = claimed {
                asked = asked.header("x-forwarded-proto", claimed);
            }
            let answer = client.ask(asked.body(full("")).expect("a request")).await;
            assert_eq!(answer.status, status, "{trusted} {claimed:?}");
            let location = (status == 308).then_some("https://a.test/a/b?c=d");
            assert_eq!(answer.header("location"), location);
        }
    }
}

#[tokio::test]
async fn https_redirect_points_to_the_port_of_the_tls_listener_and_lets_tls_through() {
    let (authority, origin) = (Authority::new(), origin().await);
    let port = free_port();
    let yaml = format!(
        "listeners:\n  - {{name: http, address: '127.0.0.1:0'}}\n  - {{name: https, address: '127.0.0.1:{port}', \
         tls: {{certificates: [{{certificate: a.crt, key: a.key}}]}}}}\n\
         routes: [{{name: all, pool: origin, https_redirect: true}}]\n\
         pools: [{{name: origin, endpoints: ['{}']}}]\n",
        origin.address().expect("TCP")
    );
    let portcullis = Portcullis::builder(&yaml)
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    let asked = request("POST", "/x?y")
        .header("host", "a.test")
        .body(full("abc"))
        .expect("a request");
    let answer = http1(portcullis.listener("http")).await.ask(asked).await;
    let location = format!("https://a.test:{port}/x?y");
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (308, Some(location.as_str()))
    );
    let mut https = https2(portcullis.listener("https"), "a.test", &authority.roots()).await;
    assert_eq!(https.get("/x?y").await.status, 200);
}

#[tokio::test]
async fn a_body_larger_than_the_route_allows_is_refused_announced_or_not() {
    let origin = origin().await;
    let routes = "
  - {name: small, match: {paths: [{prefix: /upload}]}, max_body: 1KiB, pool: origin}
  - {name: large, match: {paths: [{prefix: /echo}]}, max_body: 0, pool: origin}
";
    let yaml = with_routes(origin.address(), routes)
        .replace("'127.0.0.1:0'", "'127.0.0.1:0', limits: {body: 10B}");
    let portcullis = Portcullis::start(&yaml.replace("10B", "10")).await;
    let address = portcullis.listener("http");
    for mut client in [http1(address).await, http2(address).await] {
        assert_eq!(client.post("/upload", vec![b'x'; 1024]).await.status, 200);
        assert_eq!(
            client.post("/echo", vec![b'x'; 100_000]).await.json()["body_bytes"],
            100_000
        );
    }
    for mut client in [http1(address).await, http2(address).await] {
        let answer = client.post("/upload", vec![b'x'; 1025]).await;
        assert_eq!(answer.status, 413);
        assert_eq!(
            answer.header("proxy-status"),
            Some("portcullis;error=http_request_error;details=\"body_too_large\"")
        );
    }
    let mut raw = Raw::connect(address).await;
    raw.send("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    raw.send(format!("401\r\n{}\r\n0\r\n\r\n", "x".repeat(0x401)))
        .await;
    assert_eq!(raw.response().await.status, 413);
    let line = portcullis
        .logged(|line| line["reason"] == "body_too_large" && line["phase"] == "request")
        .await;
    assert_eq!(
        (&line["status"], &line["route"]),
        (&413.into(), &"small".into())
    );
}

#[tokio::test]
async fn a_routes_times_go_before_its_pools() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let routes = "
  - {name: impatient, match: {paths: [{prefix: /hang}]}, timeouts: {first_byte: 200ms}, pool: origin}
  - {name: short, match: {paths: [{prefix: /delay}]}, timeouts: {total: 1s}, pool: origin}
  - {name: broken, match: {paths: [{prefix: /hang-body}]}, timeouts: {read: 200ms}, pool: origin}
  - {name: unlimited, match: {paths: [{prefix: /delay/300}]}, timeouts: {total: 0s, first_byte: 10s}, pool: origin}
";
        let yaml = with_routes(origin.address(), routes)
            .replace("]}]\nroutes", "], timeouts: {first_byte: 30s, total: 60s}}]\nroutes");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            assert_eq!(client.get("/delay/300").await.status, 200);
        }
        for path in ["/hang", "/delay/60000"] {
            for mut client in [http1(address).await, http2(address).await] {
                assert_eq!(client.get(path).await.status, 504, "{path}");
            }
        }
        for mut client in [http1(address).await, http2(address).await] {
            let asked = request("GET", "/hang-body").body(full("")).expect("a request");
            let response = client.send(asked).await.expect("a header");
            assert_eq!(response.status(), 200);
            assert!(Answer::read(response).await.is_err());
        }
        for (route, reason, phase) in [
            ("impatient", "upstream_first_byte_timeout", "response"),
            ("short", "total_timeout", "response"),
            ("broken", "upstream_read_timeout", "body"),
        ] {
            let line = portcullis.logged(|line| line["route"] == route).await;
            assert_eq!((&line["reason"], &line["phase"]), (&reason.into(), &phase.into()), "{line}");
        }
    })
    .await;
}
