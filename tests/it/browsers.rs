//! What do routes say to browsers, how do they name requests, and how large a header do they take?

use std::net::SocketAddr;

use http::HeaderMap;

use crate::support::*;

const APP: &str = "https://app.example";

/// One plain listener, behind a proxy at 127.0.0.1 that is believed, and these routes to the pool `origin`, or to the pool
/// `nobody` that refuses connections.
fn with_routes(endpoint: Option<SocketAddr>, routes: &str) -> String {
    let endpoint = endpoint.expect("an origin on TCP");
    let nobody = free_port();
    format!(
        "forwarding: {{trusted_proxies: [127.0.0.1]}}\n\
         listeners: [{{name: http, address: '127.0.0.1:0', limits: {{header: 16KiB}}}}]\n\
         pools:\n  - {{name: origin, endpoints: ['{endpoint}']}}\n  \
         - {{name: nobody, endpoints: ['127.0.0.1:{nobody}']}}\n\
         routes:\n{routes}"
    )
}

/// Asks with these fields.
async fn ask(client: &mut Client, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let asked = fields.iter().fold(request(method, path), |asked, field| {
        asked.header(field.0, field.1)
    });
    client.ask(asked.body(full("")).expect("a request")).await
}

/// The values of a field.
fn values<'a>(fields: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let values = fields.get_all(name).iter();
    values.filter_map(|value| value.to_str().ok()).collect()
}

const CORS: &str = "cors: {allow_origins: [https://app.example, 'https://*.example.com'], allow_methods: [PUT], \
                    allow_headers: [X-Token], expose_headers: [X-Count], max_age: 10m, allow_credentials: true}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_is_answered_here_and_an_answer_says_what_the_route_says() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let routes = format!("  - {{name: all, pool: origin, {CORS}}}\n");
        let yaml = with_routes(origin.address(), &routes);
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let before = origin.journal().requests();
            let question = ("access-control-request-method", "PUT");
            let answer = ask(
                &mut client,
                "OPTIONS",
                "/echo",
                &[("origin", APP), question],
            )
            .await;
            assert_eq!(answer.status, 204);
            assert!(answer.body.is_empty());
            for (name, value) in [
                ("access-control-allow-origin", APP),
                ("access-control-allow-credentials", "true"),
                ("access-control-allow-methods", "PUT"),
                ("access-control-allow-headers", "X-Token"),
                ("access-control-max-age", "600"),
                ("vary", "Origin"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{name}");
            }
            let other = [("origin", "https://evil.example"), question];
            let answer = ask(&mut client, "OPTIONS", "/echo", &other).await;
            assert_eq!(answer.status, 204);
            assert_eq!(answer.header("access-control-allow-origin"), None);
            assert_eq!(
                origin.journal().requests(),
                before,
                "no preflight got to the origin"
            );

            let own = "/headers?access-control-allow-origin=*&vary=Accept&access-control-max-age=1";
            let answer = ask(
                &mut client,
                "GET",
                own,
                &[("origin", "https://a.example.com")],
            )
            .await;
            assert_eq!(answer.status, 200);
            let fields = &answer.headers;
            assert_eq!(
                values(fields, "access-control-allow-origin"),
                ["https://a.example.com"]
            );
            assert_eq!(values(fields, "access-control-expose-headers"), ["X-Count"]);
            assert_eq!(values(fields, "access-control-max-age"), Vec::<&str>::new());
            assert_eq!(values(fields, "vary"), ["Accept", "Origin"]);

            let answer = ask(
                &mut client,
                "GET",
                own,
                &[("origin", "https://evil.example")],
            )
            .await;
            assert_eq!(answer.status, 200, "the request is not refused");
            assert_eq!(answer.header("access-control-allow-origin"), None);
            assert_eq!(values(&answer.headers, "vary"), ["Accept", "Origin"]);
        }
        // Without the browser's question it is the endpoint's.
        let mut client = http1(address).await;
        let answer = ask(&mut client, "OPTIONS", "/echo", &[("origin", APP)]).await;
        assert_eq!(answer.status, 200);
        let line = portcullis.logged(|line| line["status"] == 204).await;
        assert_eq!(line["route"], "all");
        assert_eq!(
            line["reason"],
            serde_json::Value::Null,
            "that is no failure"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_can_read_why_its_request_failed() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let routes = format!(
            "  - {{name: gone, match: {{paths: [{{prefix: /gone}}]}}, pool: nobody, {CORS}}}\n  \
             - {{name: away, match: {{paths: [{{prefix: /away}}]}}, redirect: {{path: /}}, {CORS}}}\n"
        );
        let yaml = with_routes(origin.address(), &routes);
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            // The last: a connection may end with it.
            for (path, status) in [("/away", 302), ("/gone", 502)] {
                let answer = ask(&mut client, "GET", path, &[("origin", APP)]).await;
                assert_eq!(answer.status, status, "{path}");
                assert_eq!(answer.header("access-control-allow-origin"), Some(APP), "{path}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_can_read_that_it_is_not_let_in_or_asks_too_often_and_its_browser_is_answered() {
    let origin = origin().await;
    let key = "0".repeat(64);
    let routes = format!(
        "  - {{name: locked, match: {{paths: [{{prefix: /locked}}]}}, pool: origin, \
            api_key: {{keys: [{{name: a, sha256: '{key}'}}]}}, {CORS}}}\n  \
         - {{name: seldom, match: {{paths: [{{prefix: /seldom}}]}}, pool: origin, \
            rate_limits: [{{name: a, rate: 1/h}}], {CORS}}}\n"
    );
    let portcullis = Portcullis::start(&with_routes(origin.address(), &routes)).await;
    let address = portcullis.listener("http");
    let question = ("access-control-request-method", "PUT");
    for mut client in [http1(address).await, http2(address).await] {
        for path in ["/locked", "/seldom"] {
            let answer = ask(&mut client, "OPTIONS", path, &[("origin", APP), question]).await;
            assert_eq!(answer.status, 204, "{path}");
        }
        ask(&mut client, "GET", "/seldom", &[("origin", APP)]).await;
        for (path, status) in [("/locked", 401), ("/seldom", 429)] {
            let answer = ask(&mut client, "GET", path, &[("origin", APP)]).await;
            assert_eq!(answer.status, status);
            let allowed = values(&answer.headers, "access-control-allow-origin");
            assert_eq!(allowed, [APP], "{path}");
            assert_eq!(values(&answer.headers, "vary"), ["Origin"], "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn security_headers_go_with_every_answer_and_replace_the_endpoints_unless_told_otherwise() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let routes = "  - {name: all, pool: origin, security_headers: true}\n  \
             - {name: gone, match: {paths: [{prefix: /gone}]}, pool: nobody, security_headers: true}\n  \
             - {name: own, match: {headers: [{name: x-own, present: true}]}, pool: origin, \
                security_headers: {replace: false, frame_options: deny, content_security_policy: default-src 'self'}}\n";
        let yaml = with_routes(origin.address(), routes);
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let framed = "/headers?x-frame-options=ALLOWALL&content-security-policy=none";
        for mut client in [http1(address).await, http2(address).await] {
            let answer = ask(&mut client, "GET", framed, &[("x-own", "1")]).await;
            let fields = &answer.headers;
            assert_eq!(values(fields, "x-frame-options"), ["ALLOWALL"]);
            assert_eq!(values(fields, "content-security-policy"), ["none"]);
            let answer = ask(&mut client, "GET", "/echo", &[("x-own", "1")]).await;
            assert_eq!(values(&answer.headers, "x-frame-options"), ["DENY"]);
            let csp = ["default-src 'self'"];
            assert_eq!(values(&answer.headers, "content-security-policy"), csp);
            // The last: a connection may end with it.
            for (path, status) in [(framed, 200), ("/gone", 502)] {
                let answer = ask(&mut client, "GET", path, &[]).await;
                assert_eq!(answer.status, status);
                let fields = &answer.headers;
                assert_eq!(values(fields, "x-content-type-options"), ["nosniff"], "{path}");
                assert_eq!(values(fields, "x-frame-options"), ["SAMEORIGIN"], "{path}");
                let policy = ["strict-origin-when-cross-origin"];
                assert_eq!(values(fields, "referrer-policy"), policy, "{path}");
                assert_eq!(answer.header("strict-transport-security"), None);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_routes_promise_of_https_goes_before_its_listeners_and_never_over_http() {
    let authority = Authority::new();
    let identity = authority.issue(&["a.test"]);
    let promise = "security_headers: {hsts: {max_age: 1d}}";
    let yaml = format!(
        "listeners:\n  - {{name: http, address: '127.0.0.1:0'}}\n  \
         - {{name: https, address: '127.0.0.1:0', tls: {{hsts: {{max_age: 2d}}, \
           certificates: [{{certificate: a.crt, key: a.key}}]}}}}\n\
         routes:\n  - {{name: own, match: {{paths: [{{exact: /own}}]}}, respond: {{}}, {promise}}}\n  \
         - {{name: fields, match: {{paths: [{{exact: /fields}}]}}, respond: {{}}, security_headers: true}}\n"
    );
    let builder = Portcullis::builder(&yaml).identity("a", &identity);
    let portcullis = builder.start().await;
    let mut secure = https2(portcullis.listener("https"), "a.test", &authority.roots()).await;
    for (path, value) in [("/own", "max-age=86400"), ("/fields", "max-age=172800")] {
        let answer = secure.get(path).await;
        let said = values(&answer.headers, "strict-transport-security");
        assert_eq!(said, [value], "{path}");
    }
    let mut plain = http1(portcullis.listener("http")).await;
    let answer = plain.get("/own").await;
    assert_eq!(answer.header("strict-transport-security"), None);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_says_which_field_has_the_id_whose_it_is_and_who_is_told() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let routes = "  - {name: usual, pool: origin}\n  \
             - {name: told, match: {headers: [{name: x-told, present: true}]}, pool: origin, \
                request_id: {answer: true}}\n  \
             - {name: never, match: {headers: [{name: x-never, present: true}]}, pool: origin, \
                request_id: {accept: never, answer: true}}\n  \
             - {name: any, match: {headers: [{name: x-any, present: true}]}, pool: origin, \
                request_id: {header: X-Correlation-ID, accept: always, answer: true}}\n  \
             - {name: gone, match: {paths: [{prefix: /gone}]}, pool: nobody, \
                request_id: {header: X-Correlation-ID, accept: always}}\n";
        // Whoever asks is trusted, but for `any`, where it makes no difference.
        let yaml = with_routes(origin.address(), routes);
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let own = ("x-request-id", "theirs");
            let answer = ask(&mut client, "GET", "/echo", &[own]).await;
            assert_eq!(
                answer.seen_header("x-request-id").as_deref(),
                Some("theirs")
            );
            assert_eq!(answer.header("x-request-id"), None);

            let answer = ask(&mut client, "GET", "/echo", &[own, ("x-told", "1")]).await;
            assert_eq!(
                answer.seen_header("x-request-id").as_deref(),
                Some("theirs")
            );
            assert_eq!(values(&answer.headers, "x-request-id"), ["theirs"]);

            let answer = ask(&mut client, "GET", "/echo", &[own, ("x-never", "1")]).await;
            let made = answer.seen_header("x-request-id").expect("an id");
            assert_eq!(made.len(), 36, "{made}");
            assert_eq!(values(&answer.headers, "x-request-id"), [&*made]);

            let theirs = ("x-correlation-id", "abc.1");
            let answer = ask(&mut client, "GET", "/echo", &[theirs, ("x-any", "1")]).await;
            assert_eq!(
                answer.seen_header("x-correlation-id").as_deref(),
                Some("abc.1")
            );
            assert_eq!(values(&answer.headers, "x-correlation-id"), ["abc.1"]);
            assert_eq!(answer.header("x-request-id"), None);

            let answer = ask(&mut client, "GET", "/gone", &[theirs]).await;
            assert_eq!(answer.status, 502);
            assert_eq!(values(&answer.headers, "x-correlation-id"), ["abc.1"]);
            assert!(answer.text().contains("abc.1"));
        }
        let line = portcullis.logged(|line| line["route"] == "any").await;
        assert_eq!(
            line["request_id"], "abc.1",
            "the log knows it by the same id"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_gives_no_id_unless_the_route_takes_everyones() {
    let origin = origin().await;
    let endpoint = origin.address().expect("an origin on TCP");
    let yaml = format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\n\
         routes:\n  - {{name: usual, pool: origin, request_id: {{}}}}\n  \
         - {{name: any, match: {{headers: [{{name: x-any, present: true}}]}}, pool: origin, \
            request_id: {{accept: always}}}}\n"
    );
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    let own = ("x-request-id", "theirs");
    let answer = ask(&mut client, "GET", "/echo", &[own]).await;
    assert_ne!(
        answer.seen_header("x-request-id").as_deref(),
        Some("theirs")
    );
    let answer = ask(&mut client, "GET", "/echo", &[own, ("x-any", "1")]).await;
    assert_eq!(
        answer.seen_header("x-request-id").as_deref(),
        Some("theirs")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_takes_smaller_headers_than_its_listener() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let routes = "  - {name: all, pool: origin}\n  \
             - {name: small, match: {paths: [{prefix: /small}]}, pool: origin, max_header: 2KiB, max_fields: 20}\n";
        let yaml = with_routes(origin.address(), routes);
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let large = "x".repeat(2048);
        let many: Vec<String> = (0..21).map(|number| format!("x-{number}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (&**name, "1")).collect();
        for mut client in [http1(address).await, http2(address).await] {
            for fields in [&[("x-large", &*large)][..], &many] {
                assert_eq!(ask(&mut client, "GET", "/other", fields).await.status, 200);
                assert_eq!(ask(&mut client, "GET", "/small", fields).await.status, 431);
            }
            assert_eq!(ask(&mut client, "GET", "/small", &many[..10]).await.status, 200);
        }
        let line = portcullis.logged(|line| line["status"] == 431).await;
        assert_eq!(line["reason"], "header_too_large");
        assert_eq!(line["route"], "small");
    })
    .await;
}
