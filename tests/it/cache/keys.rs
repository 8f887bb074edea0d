//! Can one client choose the answer that others have?
//!
//! The origin tells in its answer whatever it was asked by: what one client brings there, nobody else may read.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use origin::{Asked, Origin, Scripted};

use crate::support::*;

/// Fields that endpoints are known to go by, and what an attacker writes there.
const BELIEVED: [(&str, &str); 24] = [
    ("X-Forwarded-Host", "evil.test"),
    ("X-Forwarded-Scheme", "evil"),
    ("X-Forwarded-Proto", "evil"),
    ("X-Forwarded-Port", "666"),
    ("X-Forwarded-Server", "evil.test"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X-Forwarded-Path", "/evil"),
    ("X-Forwarded-Uri", "/evil"),
    ("X-Forwarded-Method", "EVIL"),
    ("X-Forwarded-Ssl", "evil"),
    ("X_Forwarded_Host", "evil.test"),
    ("X-Forwarded", "host=evil.test"),
    ("Forwarded", "for=192.0.2.1;host=evil.test;proto=evil"),
    ("X-Host", "evil.test"),
    ("X-Original-Host", "evil.test"),
    ("X-HTTP-Host-Override", "evil.test"),
    ("X-Original-URL", "/evil"),
    ("X-Original-URI", "/evil"),
    ("X-Rewrite-URL", "/evil"),
    ("X-Override-URL", "/evil"),
    ("X-HTTP-Method-Override", "EVIL"),
    ("X-HTTP-Method", "EVIL"),
    ("X-Method-Override", "EVIL"),
    ("X-URL-Scheme", "evil"),
];

/// Says what it was asked by, and that this is fresh for long.
fn told(asked: &Asked) -> Scripted {
    let fields = |names: &[&'static str]| {
        let lines = names.iter().flat_map(|name| {
            let values = asked.fields.get_all(*name).iter();
            values.map(move |value| format!("{name}={value:?}"))
        });
        lines.collect::<Vec<_>>().join(" ")
    };
    let own = fields(&["x-country", "x-user"]);
    let believed = fields(&BELIEVED.map(|(name, _)| name));
    let cookies = asked.field("cookie");
    let body = String::from_utf8_lossy(&asked.body);
    let (method, authority, target) = (&asked.method, &asked.authority, &asked.target);
    Scripted::new(200)
        .field("cache-control", "public, max-age=600")
        .body(format!(
            "{method} {authority}{target} [{own}] [{cookies}] [{body}] [{believed}]"
        ))
}

async fn telling() -> Origin {
    let origin = origin().await;
    origin.script_by("/*", |asked, _| told(asked));
    origin
}

/// How often the origin was asked for this target.
fn fetches(origin: &Origin, target: &str) -> usize {
    let asked = origin.asked("/*");
    asked.iter().filter(|asked| asked.target == target).count()
}

/// A listener `http` with these settings, the pool `origin`, these further sections and these routes.
fn with(origin: &Origin, more: &str, routes: &str) -> String {
    let endpoint = origin.address().expect("an origin on TCP");
    format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\n{more}routes:\n{routes}"
    )
}

/// One route with this cache.
fn cached(origin: &Origin, cache: &str) -> String {
    with(
        origin,
        "",
        &format!("  - {{name: all, pool: origin, cache: {cache}}}\n"),
    )
}

/// What is answered to a GET with these further lines and this body behind its header.
async fn get(address: SocketAddr, host: &str, target: &str, more: &str) -> RawResponse {
    let (fields, body) = more.split_once("\r\n\r\n").unwrap_or((more, ""));
    let end = if fields.is_empty() || fields.ends_with("\r\n") {
        ""
    } else {
        "\r\n"
    };
    let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{end}\r\n");
    let mut client = Raw::sent(address, head + body).await;
    client.response().await
}

/// The answer was stored, or has been.
fn is_hit(answer: &RawResponse) -> bool {
    let status = answer.header("cache-status").unwrap_or_default();
    status.contains("; hit")
}

#[tokio::test]
async fn what_endpoints_believe_beside_the_key_does_not_choose_the_answer_of_others() {
    let origin = telling().await;
    // Also from a proxy in front, which passes on whatever its own clients send.
    for more in ["", "forwarding: {trusted_proxies: [127.0.0.1]}\n"] {
        let yaml = with(&origin, more, "  - {name: all, pool: origin, cache: {}}\n");
        let portcullis = Portcullis::start(&yaml).await;
        let address = portcullis.listener("http");
        for (index, (name, value)) in BELIEVED.into_iter().enumerate() {
            let target = format!("/{}{index}", more.len());
            for spelled in [name.to_owned(), name.to_ascii_uppercase()] {
                let target = format!("{target}/{}", spelled == name);
                let attack = get(address, "a.test", &target, &format!("{spelled}: {value}")).await;
                assert!(
                    attack.status == 200 || attack.status == 400,
                    "{spelled}: {attack:?}"
                );
                let answer = get(address, "a.test", &target, "").await;
                assert_eq!(answer.status, 200, "{spelled}");
                let said = answer.text().to_ascii_lowercase();
                assert!(
                    !said.contains("evil") && !said.contains("666"),
                    "{spelled}: {said}"
                );
                let again = get(address, "a.test", &target, "").await;
                assert!(
                    is_hit(&again) && again.body == answer.body,
                    "{spelled}: {again:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_get_with_a_body_neither_fills_the_cache_nor_is_answered_from_it() {
    let origin = telling().await;
    let portcullis = Portcullis::start(&cached(&origin, "{}")).await;
    let address = portcullis.listener("http");
    for (target, fat) in [
        ("/length", "Content-Length: 4\r\n\r\nevil"),
        (
            "/chunks",
            "Transfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        ),
        (
            "/form",
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\nq=evil",
        ),
    ] {
        let attack = get(address, "a.test", target, fat).await;
        assert!(
            attack.status == 200 && attack.text().contains("evil"),
            "{target}: {attack:?}"
        );
        let answer = get(address, "a.test", target, "").await;
        assert!(
            !is_hit(&answer) && !answer.text().contains("evil"),
            "{target}: {answer:?}"
        );
        assert!(
            is_hit(&get(address, "a.test", target, "").await),
            "{target}"
        );
        // An endpoint that goes by the body would say something else.
        let attack = get(address, "a.test", target, fat).await;
        assert!(
            !is_hit(&attack) && attack.text().contains("evil"),
            "{target}: {attack:?}"
        );
        let answer = get(address, "a.test", target, "").await;
        assert!(
            is_hit(&answer) && !answer.text().contains("evil"),
            "{target}: {answer:?}"
        );
    }
}

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
async fn fields_and_cookies_of_the_key_tell_answers_apart_and_no_others_do() {
    let origin = telling().await;
    let yaml = cached(&origin, "{key: {headers: [X-Country], cookies: [lang]}}");
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    let asked = [
        ("", "[] []"),
        ("X-Country:", "[x-country=\"\"] []"),
        ("X-Country: de", "[x-country=\"de\"] []"),
        ("x-country: de", "[x-country=\"de\"] []"),
        ("X-COUNTRY:   de  ", "[x-country=\"de\"] []"),
        ("X-Country: fr", "[x-country=\"fr\"] []"),
        (
            "X-Country: de\r\nX-Country: fr",
            "[x-country=\"de\" x-country=\"fr\"] []",
        ),
        ("Cookie: lang=de", "[] [lang=de]"),
        ("Cookie: lang=fr", "[] [lang=fr]"),
        (
            "X-Country: de\r\nCookie: lang=de",
            "[x-country=\"de\"] [lang=de]",
        ),
    ];
    for _ in 0..2 {
        for (fields, seen) in asked {
            let answer = get(address, "a.test", "/f", fields).await;
            let wanted = format!("GET a.test/f {seen} [");
            assert!(
                answer.text().starts_with(&wanted),
                "{fields}: {}",
                answer.text()
            );
        }
    }
    let different: BTreeSet<&str> = asked.iter().map(|(_, seen)| *seen).collect();
    assert_eq!(fetches(&origin, "/f"), different.len());
    // Nominated by the client's own connection, a field ends here (RFC 9110 §7.6.1): what its endpoint then says is not what
    // it says to those who send it.
    for target in ["/f", "/n"] {
        let nominated = "Connection: x-country\r\nX-Country: de";
        let answer = get(address, "a.test", target, nominated).await;
        assert!(!answer.text().contains("x-country"), "{answer:?}");
        let answer = get(address, "a.test", target, "X-Country: de").await;
        assert!(answer.text().contains("x-country=\"de\""), "{answer:?}");
        let answer = get(address, "a.test", target, "").await;
        assert!(!answer.text().contains("x-country"), "{answer:?}");
    }
    let answer = get(address, "a.test", "/f", "Cookie: other=1; lang=de").await;
    assert!(
        is_hit(&answer) && answer.text().contains("[lang=de]"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_bypasses_the_cache_neither_fills_it_nor_is_answered_from_it() {
    let origin = telling().await;
    let yaml = cached(
        &origin,
        "{bypass: [header.X-Country, cookie.session, query.fresh]}",
    );
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    for (target, plain, fields) in [
        ("/h", "/h", "X-Country: evil"),
        ("/h", "/h", "X-Country:\r\nX-Country: evil"),
        ("/c", "/c", "Cookie: session=evil"),
        ("/c", "/c", "Cookie: session=; a=1\r\nCookie: session=evil"),
        ("/q?fresh=evil", "/q?fresh=", ""),
        ("/q?%66resh=evil", "/q?fresh=", ""),
    ] {
        for _ in 0..2 {
            let before = origin.count("/*");
            let answer = get(address, "a.test", target, fields).await;
            assert!(
                !is_hit(&answer) && answer.text().contains("evil"),
                "{target} {fields}: {answer:?}"
            );
            let status = answer.header("cache-status").unwrap_or_default();
            assert!(status.contains("fwd=bypass"), "{target} {fields}: {status}");
            assert_eq!(origin.count("/*"), before + 1, "{target} {fields}");
            let answer = get(address, "a.test", plain, "").await;
            assert!(
                !answer.text().contains("evil"),
                "{target} {fields}: {answer:?}"
            );
            assert!(
                is_hit(&get(address, "a.test", plain, "").await),
                "{target} {fields}"
            );
        }
    }
    // What is there and empty does not.
    assert!(is_hit(&get(address, "a.test", "/h", "X-Country:").await));
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

#[tokio::test]
async fn routes_share_answers_only_where_they_share_a_space() {
    let origin = telling().await;
    let endpoint = origin.address().expect("an origin on TCP");
    let routes: String = ["one", "two"]
        .map(|listener| {
            format!(
                "  - {{name: own-{listener}, listeners: [{listener}], match: {{paths: [{{prefix: /own}}]}}, \
                 pool: origin, cache: {{}}}}\n\
                 \x20 - {{name: shared-{listener}, listeners: [{listener}], match: {{paths: [{{prefix: /shared}}]}}, \
                 pool: origin, cache: {{space: both}}}}\n\
                 \x20 - {{name: off-{listener}, listeners: [{listener}], match: {{paths: [{{prefix: /off}}]}}, \
                 pool: origin, cache: {{enabled: false, space: both}}}}\n"
            )
        })
        .concat();
    let yaml = format!(
        "listeners: [{{name: one, address: '127.0.0.1:0'}}, {{name: two, address: '127.0.0.1:0'}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\nroutes:\n{routes}"
    );
    let portcullis = Portcullis::start(&yaml).await;
    for _ in 0..2 {
        for listener in ["one", "two"] {
            for path in ["/own", "/shared", "/off"] {
                let answer = get(portcullis.listener(listener), "a.test", path, "").await;
                assert_eq!(answer.status, 200, "{path}");
                assert_eq!(
                    answer.header("cache-status").is_some(),
                    path != "/off",
                    "{path}"
                );
            }
        }
    }
    let counts = ["/own", "/shared", "/off"].map(|path| fetches(&origin, path));
    assert_eq!(counts, [2, 1, 4]);
}

/// After a reload with another key, what was stored by the former one is not taken for what it is not.
#[tokio::test]
async fn another_key_does_not_find_what_was_stored_by_the_former_one() {
    let origin = telling().await;
    let yaml = |key: &str| cached(&origin, &format!("{{key: {key}}}"));
    let by_country = yaml("{headers: [X-Country]}");
    let portcullis = Portcullis::start(&by_country).await;
    let address = portcullis.listener("http");
    let both = "X-Country: same\r\nX-User: same";
    let answer = get(address, "a.test", "/r", both).await;
    assert!(
        answer.text().contains("x-country=\"same\" x-user=\"same\""),
        "{answer:?}"
    );
    portcullis.apply(&yaml("{headers: [X-User]}")).await;
    let answer = get(address, "a.test", "/r", "X-User: same").await;
    assert!(!answer.text().contains("x-country"), "{answer:?}");
    portcullis.apply(&by_country).await;
    let answer = get(address, "a.test", "/r", "X-Country: same").await;
    assert!(is_hit(&answer), "{answer:?}");
}
