//! Which route gets a request, and which path does the endpoint see?

use std::fmt::Write as _;

use crate::support::*;

/// A configuration whose routes answer with their own names: `(name, match)` in YAML's flow style.
fn answering(routes: &[(&str, &str)]) -> String {
    let mut yaml = String::from("listeners: [{name: http, address: \"127.0.0.1:0\"}]\nroutes:\n");
    for (name, matcher) in routes {
        writeln!(
            yaml,
            "  - {{name: {name}, match: {{{matcher}}}, respond: {{body: {name}}}}}"
        )
        .expect("memory");
    }
    yaml
}

/// Asks `METHOD host/path Field:value…` for every case, over HTTP/1.1 and HTTP/2; the answer is the route's name, or
/// `404`.
async fn answers(routes: &[(&str, &str)], cases: &[(&str, &str)]) {
    let portcullis = Portcullis::start(&answering(routes)).await;
    let address = portcullis.listener("http");
    for mut client in [http1(address).await, http2(address).await] {
        for (case, expected) in cases {
            let mut words = case.split(' ');
            let method = words.next().expect("a method");
            let (host, path) = words
                .next()
                .and_then(|target| target.split_once('/'))
                .expect("a target");
            let mut asked = request(method, &format!("/{path}")).header("host", host);
            for (name, value) in words.filter_map(|field| field.split_once(':')) {
                asked = asked.header(name, value);
            }
            let answer = client.ask(asked.body(full("")).expect("a request")).await;
            let found = if answer.status == 404 {
                "404".to_owned()
            } else {
                answer.text()
            };
            assert_eq!(found, *expected, "{case} over {:?}", answer.version);
        }
    }
}

#[tokio::test]
async fn gateway_api_an_exact_host_goes_before_a_longer_wildcard_before_a_shorter_one_before_any() {
    answers(
        &[
            (
                "any",
                "paths: [{exact: /x}], methods: [GET], headers: [{name: a, exact: '1'}]",
            ),
            (
                "com",
                "hosts: ['*.test'], paths: [{exact: /x}], methods: [GET]",
            ),
            ("wild", "hosts: ['*.example.test'], paths: [{exact: /x}]"),
            ("exact", "hosts: [www.example.test]"),
        ],
        &[
            ("GET www.example.test/x a:1", "exact"),
            ("GET WWW.Example.TEST:8080/x a:1", "exact"),
            ("GET www.example.test./x a:1", "exact"),
            ("GET a.example.test/x a:1", "wild"),
            ("GET a.b.example.test/x a:1", "wild"),
            ("GET example.test/x a:1", "com"),
            ("GET example.org/x a:1", "any"),
            ("GET example.org/x", "404"),
            ("GET a.example.test/y", "404"),
        ],
    )
    .await;
}

#[tokio::test]
async fn gateway_api_an_exact_path_goes_before_a_regex_before_the_longest_prefix_before_the_rest() {
    answers(
        &[
            (
                "root",
                "methods: [GET], headers: [{name: a, present: true}, {name: b, present: true}]",
            ),
            (
                "short",
                "paths: [{prefix: /api}], methods: [GET], headers: [{name: a, present: true}]",
            ),
            ("long", "paths: [{prefix: /api/v1}], methods: [GET]"),
            ("regex", "paths: [{regex: '/api/v[0-9]/[a-z]+'}]"),
            ("exact", "paths: [{exact: /api/v1/x}]"),
        ],
        &[
            ("GET h/api/v1/x a:1 b:1", "exact"),
            ("GET h/api/v1/y a:1 b:1", "regex"),
            ("GET h/api/v1/7 a:1 b:1", "long"),
            ("GET h/api/v1 a:1 b:1", "long"),
            ("GET h/api/v10 a:1 b:1", "short"),
            ("GET h/api/ a:1 b:1", "short"),
            ("GET h/apix a:1 b:1", "root"),
            ("POST h/api/v1/7 a:1 b:1", "404"),
        ],
    )
    .await;
}

#[tokio::test]
async fn gateway_api_a_method_goes_before_headers_before_queries_before_the_order() {
    answers(
        &[
            ("plain", ""),
            ("one-query", "query: [{name: a, present: true}]"),
            (
                "two-queries",
                "query: [{name: a, present: true}, {name: b, exact: '2'}]",
            ),
            ("one-header", "headers: [{name: x, present: true}]"),
            (
                "two-headers",
                "headers: [{name: x, exact: '1'}, {name: y, regex: '[0-9]+'}]",
            ),
            ("method", "methods: [PUT, PATCH]"),
            ("first-equal", "headers: [{name: p, present: true}]"),
            ("second-equal", "headers: [{name: q, present: true}]"),
        ],
        &[
            ("PUT h/?a&b=2 x:1 y:22", "method"),
            ("PATCH h/", "method"),
            ("GET h/?a&b=2 x:1 y:22", "two-headers"),
            ("GET h/?a&b=2 x:1 y:2z", "one-header"),
            ("GET h/?a&b=2 x:3", "one-header"),
            ("GET h/?a&b=2", "two-queries"),
            ("GET h/?a&b=3", "one-query"),
            ("GET h/?b=2", "plain"),
            ("GET h/ q:1 p:1", "first-equal"),
            ("GET h/ q:1", "second-equal"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_route_takes_only_what_comes_to_its_listeners() {
    let yaml = "listeners:\n  - {name: inside, address: '127.0.0.1:0'}\n  - {name: outside, address: '127.0.0.1:0'}\n\
                routes:\n  - {name: both, respond: {body: both}}\n\
                \x20 - {name: admin, listeners: [inside], match: {paths: [{prefix: /admin}]}, respond: {body: admin}}\n";
    let portcullis = Portcullis::start(yaml).await;
    for (listener, path, expected) in [
        ("inside", "/admin", "admin"),
        ("outside", "/admin", "both"),
        ("inside", "/", "both"),
        ("outside", "/", "both"),
    ] {
        let answer = http1(portcullis.listener(listener)).await.get(path).await;
        assert_eq!(answer.text(), expected, "{listener} {path}");
    }
}

#[tokio::test]
async fn rfc3986_6_2_2_the_endpoint_sees_the_same_normal_path_that_was_matched() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        for (sent, seen) in [
            ("/", "/"),
            ("/a//b///c", "/a/b/c"),
            ("/a/./b/.", "/a/b/"),
            ("/a/b/../c", "/a/c"),
            ("/a/b/..", "/a/"),
            ("/a/%2e%2E/c", "/c"),
            ("/%7euser/%41", "/~user/A"),
            ("/a%3ab/%c3%a9", "/a%3Ab/%C3%A9"),
            ("/a%252Fb", "/a%252Fb"),
            ("/a;x=1/b;y", "/a;x=1/b;y"),
            ("/a/?q=/../x&r=%2F%2e//", "/a/?q=/../x&r=%2F%2e//"),
            ("/a?", "/a?"),
        ] {
            let response = raw.get(sent).await;
            assert_eq!(response.status, 200, "{sent}");
            // Only /echo tells the target; anything else repeats the path.
            let path = seen.split('?').next().expect("a path");
            assert_eq!(
                response.text(),
                format!("hello from origin: GET {path}\n"),
                "{sent}"
            );
        }
        let echo = raw.get("/x/../echo?q=/../x&r=%2F%2e//").await.json();
        assert_eq!(echo["uri"], "/echo?q=/../x&r=%2F%2e//");
    })
    .await;
}

#[tokio::test]
async fn an_ambiguous_path_is_refused_and_reaches_no_origin() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        for path in [
            "/a%2Fb",
            "/a%2fb",
            "/a%5Cb",
            "/a\\b",
            "/%00",
            "/a%zzb",
            "/a%4",
            "/../a",
            "/a/../../b",
            "/%2e%2e/a",
            "/a/..;/b",
            "/a/.%3Bx/b",
        ] {
            let mut raw = Raw::connect(portcullis.listener("http")).await;
            let response = raw.get(path).await;
            assert_eq!(response.status, 400, "{path}");
            assert!(
                response.header("proxy-status").is_some(),
                "{path}: {response:?}"
            );
        }
        assert_eq!(origin.journal().requests(), 0);
        let line = portcullis.logged(|line| line["target"] == "/a%2Fb").await;
        assert_eq!(
            (&line["reason"], &line["phase"]),
            (&"ambiguous_path".into(), &"header".into())
        );
    })
    .await;
}

#[tokio::test]
async fn rfc9110_9_3_7_options_for_the_whole_server_goes_through() {
    both_carriers(async |carrier| {
        let origin = origin::RawOrigin::start(|_| {
            origin::RawAnswer::new().send("HTTP/1.1 204 No Content\r\nallow: GET\r\n\r\n")
        });
        let origin = origin.await.expect("an origin");
        let portcullis = Portcullis::builder(&site("", Some(origin.address())))
            .carrier(carrier)
            .start()
            .await;
        let asked = "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n";
        let response = Raw::sent(portcullis.listener("http"), asked)
            .await
            .response()
            .await;
        assert_eq!(
            (response.status, response.header("allow")),
            (204, Some("GET"))
        );
        let received = String::from_utf8(origin.received().concat()).expect("ASCII");
        assert!(received.starts_with("OPTIONS * HTTP/1.1\r\n"), "{received}");
        let get = Raw::sent(
            portcullis.listener("http"),
            "GET * HTTP/1.1\r\nHost: a.test\r\n\r\n",
        )
        .await
        .response()
        .await;
        assert_eq!(get.status, 400);
    })
    .await;
}

#[tokio::test]
async fn rfc9112_3_2_2_the_absolute_form_is_understood_and_its_authority_is_the_host() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let endpoint = origin.address().expect("TCP");
        let yaml = format!(
            "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
             routes: [{{name: a, match: {{hosts: [a.test]}}, pool: o}}]\n\
             pools: [{{name: o, endpoints: ['{endpoint}']}}]\n"
        );
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let ask = async |target: &str, host: &str| {
            let asked = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            Raw::sent(address, asked).await.response().await
        };
        let echo = ask("http://a.test/x/../echo?y=1", "a.test").await.json();
        assert_eq!(
            (&echo["uri"], &echo["method"]),
            (&"/echo?y=1".into(), &"GET".into())
        );
        assert_eq!(
            ask("http://a.test", "a.test").await.text(),
            "hello from origin: GET /\n"
        );
        // RFC 9112 §3.2.2 lets the target win over the field, but two different hosts are how rules are got around.
        let requests = origin.journal().requests();
        assert_eq!(ask("http://b.test/echo", "a.test").await.status, 400);
        assert_eq!(ask("http://a.test/echo", "b.test").await.status, 400);
        assert_eq!(origin.journal().requests(), requests);
    })
    .await;
}

#[tokio::test]
async fn rfc9110_9_3_6_connect_is_not_for_an_edge() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let asked = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n";
    let response = Raw::sent(portcullis.listener("http"), asked)
        .await
        .response()
        .await;
    assert_eq!(response.status, 405);
    assert!(
        response
            .header("allow")
            .is_some_and(|methods| methods.contains("GET")),
        "{response:?}"
    );
    assert_eq!(origin.journal().requests(), 0);
}
