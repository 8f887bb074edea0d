//! Do two addresses share an answer only where the endpoint is asked the same?

use super::*;

#[tokio::test]
async fn paths_share_an_object_only_where_the_endpoint_gets_the_same_one() {
    let origin = telling().await;
    let portcullis = Portcullis::start(&cached(&origin, "{}")).await;
    let address = portcullis.listener("http");
    let paths = [
        ("/a/b", Some("/a/b")),
        ("/a//b", Some("/a/b")),
        ("//a/b", Some("/a/b")),
        ("/a/./b", Some("/a/b")),
        ("/a/x/../b", Some("/a/b")),
        ("/a/x/%2e%2E/b", Some("/a/b")),
        ("/a/%62", Some("/a/b")),
        ("/a/b/", Some("/a/b/")),
        ("/A/b", Some("/A/b")),
        ("/a/B", Some("/a/B")),
        ("/a/b;v=1", Some("/a/b;v=1")),
        ("/a;v=1/b", Some("/a;v=1/b")),
        ("/a/b%3Bv=1", Some("/a/b%3Bv=1")),
        ("/a/b%3bv=1", Some("/a/b%3Bv=1")),
        ("/a/b%3Fq", Some("/a/b%3Fq")),
        ("/a/b?q", Some("/a/b?q")),
        ("/a/b%20", Some("/a/b%20")),
        ("/a/b%252e", Some("/a/b%252e")),
        ("/a/%C3%A4", Some("/a/%C3%A4")),
        ("/a/%c3%a4", Some("/a/%C3%A4")),
        ("/a%2Fb", None),
        ("/a%2fb", None),
        ("/a%5Cb", None),
        ("/a\\b", None),
        ("/a/b%00", None),
        ("/a/b%00.css", None),
        ("/a/..;/b", None),
        ("/../a/b", None),
        ("/a/b%", None),
        ("/a/b#c", None),
    ];
    // Each of them first once, so that none is only answered with what another has brought.
    for turn in 0..2 {
        for index in 0..paths.len() {
            let (path, normal) = paths[(index + turn * paths.len() / 2) % paths.len()];
            let answer = get(address, "a.test", path, "").await;
            match normal {
                None => assert_eq!(answer.status, 400, "{path}"),
                Some(normal) => {
                    let wanted = format!("GET a.test{normal} [");
                    assert!(
                        answer.text().starts_with(&wanted),
                        "{path}: {}",
                        answer.text()
                    );
                }
            }
        }
    }
    let mut normal: Vec<&str> = paths.iter().filter_map(|(_, normal)| *normal).collect();
    normal.sort_unstable();
    normal.dedup();
    for path in &normal {
        assert_eq!(fetches(&origin, path), 1, "{path}");
    }
    assert_eq!(origin.count("/*"), normal.len());
}

#[tokio::test]
async fn hosts_share_an_object_only_where_the_endpoint_gets_the_same_one() {
    let origin = telling().await;
    let portcullis = Portcullis::start(&cached(&origin, "{}")).await;
    let address = portcullis.listener("http");
    for _ in 0..2 {
        for (host, target, seen) in [
            ("a.test", "/x", Some("a.test")),
            ("A.TEST", "/x", Some("a.test")),
            ("a.test.", "/x", Some("a.test")),
            ("a.test:80", "/x", Some("a.test")),
            ("a.test:", "/x", Some("a.test")),
            ("a.test:8080", "/x", Some("a.test:8080")),
            ("a.test:443", "/x", Some("a.test:443")),
            ("b.test", "/x", Some("b.test")),
            ("a.test", "http://a.test/x", Some("a.test")),
            ("evil@a.test", "/x", None),
            ("a.test:evil", "/x", None),
            ("a.test,evil.test", "/x", None),
            ("a.test/evil", "/x", None),
            ("a.test?evil", "/x", None),
            ("a.test\r\nHost: evil.test", "/x", None),
        ] {
            let answer = get(address, host, target, "").await;
            match seen {
                Some(seen) => {
                    let wanted = format!("GET {seen}/x [");
                    assert!(
                        answer.text().starts_with(&wanted),
                        "{host} {target}: {answer:?}"
                    );
                }
                None => assert_eq!(answer.status, 400, "{host} {target}: {answer:?}"),
            }
        }
        // The absolute form names the host (RFC 9112 §3.2.2): whatever is made of another `Host`, nobody else has it.
        let attack = get(address, "a.test", "http://evil.test/x", "").await;
        let as_named = attack.text().starts_with("GET evil.test/x [");
        assert!(attack.status == 400 || as_named, "{attack:?}");
        for host in ["a.test", "b.test"] {
            let answer = get(address, host, "/x", "").await;
            assert!(
                is_hit(&answer) && !answer.text().contains("evil"),
                "{host}: {answer:?}"
            );
        }
    }
    // Over HTTP/2 the authority is not a field, and means the same.
    let mut client = http2(address).await;
    let asked = request("GET", "/x").header("host", "a.test").body(full(""));
    let answer = client.ask(asked.expect("a request")).await;
    assert!(answer.text().starts_with("GET a.test"), "{answer:?}");
    assert!(fetches(&origin, "/x") <= 6, "{:?}", origin.asked("/*"));
}

#[tokio::test]
async fn a_query_is_taken_as_it_came() {
    let origin = telling().await;
    let portcullis = Portcullis::start(&cached(&origin, "{}")).await;
    let address = portcullis.listener("http");
    let queries = [
        "", "?", "?a=1", "?a=1&b=2", "?b=2&a=1", "?a=1&a=2", "?a=2&a=1", "?a=1;b=2", "?%61=1",
        "?A=1", "?a=1&", "?a",
    ];
    for _ in 0..2 {
        for query in queries {
            let answer = get(address, "a.test", &format!("/q{query}"), "").await;
            let wanted = format!("GET a.test/q{query} [");
            assert!(
                answer.text().starts_with(&wanted),
                "{query}: {}",
                answer.text()
            );
        }
    }
    assert_eq!(origin.count("/*"), queries.len());
}

/// Whatever is not in the key must not reach the endpoint: parsers differ in what they find there ("parameter cloaking").
#[tokio::test]
async fn an_endpoint_gets_what_the_key_has_of_a_query_and_no_more() {
    let origin = telling().await;
    let routes = "
  - {name: deny, match: {paths: [{prefix: /deny}]}, pool: origin, cache: {key: {query: {deny: ['utm_*', fbclid]}}}}
  - {name: allow, match: {paths: [{prefix: /allow}]}, pool: origin, cache: {key: {query: {allow: [a, 'page_*']}}}}
  - {name: none, match: {paths: [{prefix: /none}]}, pool: origin, cache: {key: {query: none}}}
  - {name: sorted, match: {paths: [{prefix: /sorted}]}, pool: origin, cache: {key: {sort_query: true}}}
";
    let portcullis = Portcullis::start(&with(&origin, "", routes)).await;
    let address = portcullis.listener("http");
    let asked = [
        ("/deny?a=1&utm_x=evil", "/deny?a=1"),
        ("/deny?utm_x=1;a=evil&a=1", "/deny?a=1"),
        ("/deny?utm%5Fx=evil&a=1", "/deny?a=1"),
        ("/deny?%75tm_x=evil&a=1&fbclid=evil", "/deny?a=1"),
        ("/deny?a=1", "/deny?a=1"),
        ("/deny?fbclid=evil", "/deny"),
        ("/deny", "/deny"),
        ("/allow?a=1&b=evil", "/allow?a=1"),
        ("/allow?b=1;a=evil&a=1", "/allow?a=1"),
        ("/allow?A=evil&a=1", "/allow?a=1"),
        ("/allow?evil&a=1", "/allow?a=1"),
        ("/allow?a=1", "/allow?a=1"),
        // What is behind it belongs to the value, as it does for the key.
        ("/allow?a=1;b=2", "/allow?a=1;b=2"),
        ("/allow?page_x=1&pag=evil", "/allow?page_x=1"),
        ("/none?evil", "/none"),
        ("/none", "/none"),
        ("/sorted?b=2&a=1", "/sorted?a=1&b=2"),
        ("/sorted?a=1&b=2", "/sorted?a=1&b=2"),
        ("/sorted?b=1&a=2&b=2&a=1", "/sorted?a=2&a=1&b=1&b=2"),
        ("/sorted?a=2&b=1&a=1&b=2", "/sorted?a=2&a=1&b=1&b=2"),
        ("/sorted?a=1&a=2&b=1&b=2", "/sorted?a=1&a=2&b=1&b=2"),
    ];
    for (target, seen) in asked {
        let answer = get(address, "a.test", target, "").await;
        let wanted = format!("GET a.test{seen} [");
        assert!(
            answer.text().starts_with(&wanted),
            "{target}: {}",
            answer.text()
        );
        assert_eq!(fetches(&origin, seen), 1, "{target}");
    }
    // What has no part in the cache goes to the endpoint as it came.
    let asked = request("POST", "/deny?a=1&utm_x=2")
        .header("host", "a.test")
        .body(full("b"));
    let answer = http1(address).await.ask(asked.expect("a request")).await;
    let wanted = "POST a.test/deny?a=1&utm_x=2 [";
    assert!(answer.text().starts_with(wanted), "{answer:?}");
}

#[tokio::test]
async fn schemes_are_told_apart_unless_the_key_leaves_them_out() {
    let origin = telling().await;
    let endpoint = origin.address().expect("an origin on TCP");
    let yaml = format!(
        "listeners:
  - {{name: http, address: '127.0.0.1:0'}}
  - {{name: https, address: '127.0.0.1:0', tls: {{certificates: [{{certificate: a.crt, key: a.key}}]}}}}
pools: [{{name: origin, endpoints: ['{endpoint}']}}]
routes:
  - {{name: apart, match: {{paths: [{{prefix: /apart}}]}}, pool: origin, cache: {{}}}}
  - {{name: together, match: {{paths: [{{prefix: /together}}]}}, pool: origin, cache: {{key: {{scheme: false}}}}}}
"
    );
    let authority = Authority::new();
    let identity = authority.issue(&["a.test"]);
    let portcullis = Portcullis::builder(&yaml)
        .identity("a", &identity)
        .start()
        .await;
    let mut plain = http1(portcullis.listener("http")).await;
    let mut secure = https1(portcullis.listener("https"), "a.test", &authority.roots()).await;
    for _ in 0..2 {
        for (path, over_tls, scheme) in [
            ("/apart", false, "http"),
            ("/apart", true, "https"),
            ("/together", false, "http"),
            ("/together", true, "http"),
        ] {
            let asked = request("GET", path).header("host", "a.test").body(full(""));
            let client = if over_tls { &mut secure } else { &mut plain };
            let answer = client.ask(asked.expect("a request")).await;
            let wanted = format!("X-Forwarded-Proto=\"{scheme}\"");
            assert!(answer.text().contains(&wanted), "{path}: {}", answer.text());
        }
    }
    assert_eq!(
        (fetches(&origin, "/apart"), fetches(&origin, "/together")),
        (2, 1)
    );
}
