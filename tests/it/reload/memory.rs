//! Does what was learnt survive a reload?

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{ALL_VERSIONS, HandshakeKind};

use super::*;

#[tokio::test]
async fn tls_sessions_are_resumed_after_reloads() {
    let authority = Authority::new();
    let yaml = |word: &str, more: &str| {
        let listener = format!(
            "{{name: tls, address: \"127.0.0.1:0\", tls: {{certificates: [{{certificate: a.crt, key: a.key}}{more}]}}}}"
        );
        config(&[&listener], &[&says(word, &[])], &[])
    };
    let portcullis = Portcullis::builder(&yaml("first", ""))
        .identity("a", &authority.issue(&["a.test"]))
        .identity("b", &authority.issue(&["b.test"]))
        .start()
        .await;
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(client_config(&authority.roots(), &[version], &["http/1.1"]));
        let kind = async || {
            let stream = tls(portcullis.listener("tls"), "a.test", &config).await;
            let stream = stream.expect("a handshake");
            let kind = stream.get_ref().1.handshake_kind();
            // The tickets of TLS 1.3 come after the handshake.
            let mut client = over(stream, false, "https", "a.test").await;
            assert_eq!(client.get("/").await.status, 200);
            kind
        };
        assert_eq!(kind().await, Some(HandshakeKind::Full));
        assert_eq!(kind().await, Some(HandshakeKind::Resumed));
        let other_certificate = ", {certificate: b.crt, key: b.key}";
        for (word, more) in [("second", ""), ("third", other_certificate), ("first", "")] {
            portcullis.apply(&yaml(word, more)).await;
            assert_eq!(
                kind().await,
                Some(HandshakeKind::Resumed),
                "{word}, {version:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_swapped_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let authority = Authority::new();
    let yaml = config(
        &[
            "{name: tls, address: \"127.0.0.1:0\", tls: {certificates: [{certificate: a.crt, key: a.key}]}}",
        ],
        &[&says("hello", &[])],
        &[],
    );
    let (one, two) = (authority.issue(&["a.test"]), authority.issue(&["a.test"]));
    let portcullis = Portcullis::builder(&yaml).identity("a", &one).start().await;
    let address = portcullis.listener("tls");
    let shown = async || {
        // A client of its own, which has no session to resume.
        let config = client_config(&authority.roots(), ALL_VERSIONS, &[]).into();
        let stream = tls(address, "a.test", &config).await.expect("a handshake");
        stream
            .get_ref()
            .1
            .peer_certificates()
            .expect("a certificate")[0]
            .clone()
    };
    assert_eq!(shown().await, one.der());
    let mut clients = [
        https1(address, "a.test", &authority.roots()).await,
        https2(address, "a.test", &authority.roots()).await,
    ];
    for client in &mut clients {
        assert_eq!(client.get("/").await.text(), "hello");
    }
    portcullis.replace("a.crt", &two.certificate);
    portcullis.replace("a.key", &two.key);
    portcullis.apply(&yaml).await;
    assert_eq!(shown().await, two.der());
    for client in &mut clients {
        let answer = client.get("/").await;
        assert_eq!((answer.text().as_str(), answer.closes()), ("hello", false));
    }
}

#[tokio::test]
async fn a_pool_with_a_host_name_that_a_reload_brings_answers_at_once() {
    let origin = origin().await;
    let port = origin.address().expect("TCP").port();
    let portcullis = Portcullis::start(&config(&[HTTP], &[&says("none", &[])], &[])).await;
    for round in 0..3 {
        let named = format!("{{name: named{round}, endpoints: [\"localhost:{port}\"]}}");
        let yaml = config(&[HTTP], &[&to(&format!("named{round}"))], &[&named]);
        portcullis.apply(&yaml).await;
        let answer = http1(portcullis.listener("http")).await.get("/").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        portcullis
            .apply(&config(&[HTTP], &[&says("none", &[])], &[]))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_comes_before_a_host_name_that_a_reload_brings_is_looked_up() {
    // Many names in one pool, which is without an endpoint for as long as it would take to look all of them up.
    let (mut origins, mut others) = (Vec::new(), Vec::new());
    for _ in 0..16 {
        let one = origin().await;
        // The name may lead to ::1 as well.
        let port = one.address().expect("TCP").port();
        let other = origin::Origin::builder().listen(format!("[::1]:{port}"));
        others.push(other.start().await);
        origins.push(one);
    }
    let yaml = |host: &str| {
        let endpoints = origins.iter().map(|origin| {
            let port = origin.address().expect("TCP").port();
            format!("\"{host}:{port}\"")
        });
        let endpoints: Vec<_> = endpoints.collect();
        let pool = format!("{{name: p, endpoints: [{}]}}", endpoints.join(", "));
        config(&[HTTP], &[&to("p")], &[&pool])
    };
    // What no configuration names any more is forgotten, so that the name has to be looked up each time.
    let (by_address, by_name) = (yaml("127.0.0.1"), yaml("localhost"));
    let portcullis = Portcullis::start(&by_address).await;
    let clients = Ledger::builder(portcullis.listener("http"))
        .kinds(&[Kind::Keepalive, Kind::Fresh])
        .start();
    clients.settled().await;
    for yaml in [&by_name, &by_address].repeat(3) {
        portcullis.apply(yaml).await;
        let answered = clients.answered();
        eventually("the clients go on", async || {
            clients.answered() > answered + 20
        })
        .await;
    }
    let report = clients.stop().await;
    report.assert_clean();
    assert!(report.reconnects.is_empty(), "{report}");
}

#[tokio::test]
async fn a_host_name_that_nobody_knows_holds_up_a_reload_for_seconds_at_most() {
    let portcullis = Portcullis::start(&config(&[HTTP], &[&says("before", &[])], &[])).await;
    let started = std::time::Instant::now();
    let yaml = config(
        &[HTTP],
        &[&says("after", &[])],
        &["{name: named, endpoints: [\"nobody.invalid:80\"]}"],
    );
    portcullis.apply(&yaml).await;
    assert!(started.elapsed().as_secs() < 8, "{:?}", started.elapsed());
    assert_eq!(text(portcullis.listener("http")).await, "after");
}
