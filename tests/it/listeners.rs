//! Does each kind of listener serve its clients?

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use http::Version;
use rustls::ALL_VERSIONS;

use crate::support::*;

/// A listener `https` with one certificate, `a.crt`, and these settings; routes and pools are for the caller to add.
fn https(listener: &str) -> String {
    let comma = if listener.is_empty() { "" } else { ", " };
    format!(
        "listeners: [{{name: https, address: \"127.0.0.1:0\", \
         tls: {{certificates: [{{certificate: a.crt, key: a.key}}]}}{comma}{listener}}}]\n\
         routes: [{{name: hello, respond: {{body: hello}}}}]\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http1_keeps_its_connection_over_answers_of_every_framing() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site("", origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        for (path, length) in [
            ("/bytes/10", 10),
            ("/status/204", 0),
            ("/chunked/10k", 10 * 1024),
            ("/status/304", 0),
            ("/bytes/0", 0),
        ] {
            let response = raw.get(path).await;
            assert_eq!(
                (response.body.len(), response.closes()),
                (length, false),
                "{path}"
            );
        }
        raw.send("HEAD /bytes/10 HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .await;
        assert_eq!(
            raw.response_to_head().await.header("content-length"),
            Some("10")
        );
        assert_eq!(raw.get("/bytes/3").await.body.len(), 3);
        assert_eq!(portcullis.metric("portcullis_connections_total").await, 1.0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9112_9_3_2_pipelined_requests_are_answered_in_their_order() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site("", origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let together = ["/delay/200", "/bytes/3", "/chunked/70k", "/nowhere"]
            .map(request)
            .concat();
        let mut raw = Raw::sent(portcullis.listener("http"), together).await;
        assert_eq!(raw.response().await.status, 200);
        assert_eq!(raw.response().await.body.len(), 3);
        assert_eq!(raw.response().await.body.len(), 70 * 1024);
        assert!(raw.response().await.text().contains("GET /nowhere"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_pipelined_behind_a_body_is_not_taken_for_a_part_of_it() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let second = "POST /upload HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    let third = "GET /bytes/7 HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let first = "POST /upload HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello";
    let mut raw = Raw::sent(portcullis.listener("http"), [first, second, third].concat()).await;
    assert_eq!(raw.response().await.json()["bytes"], 5);
    assert_eq!(raw.response().await.json()["bytes"], 2);
    assert_eq!(raw.response().await.body.len(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_comes_while_an_upload_is_answered_waits_for_its_turn() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    for upload in [
        "Content-Length: 2\r\n\r\nab",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    ] {
        let before = origin.journal().requests();
        let first = format!("POST /delay/300 HTTP/1.1\r\nHost: a.test\r\n{upload}");
        let mut raw = Raw::sent(portcullis.listener("http"), first).await;
        assert!(
            origin
                .journal()
                .becomes(PATIENCE, |journal| journal.requests() > before)
                .await
        );
        raw.send("GET /bytes/7 HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .await;
        assert_eq!(raw.response().await.status, 200, "{upload:?}");
        assert_eq!(raw.response().await.body.len(), 7, "{upload:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9113_3_3_http2_with_prior_knowledge_is_served_on_the_port_of_http1() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site("", origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut two = http2(portcullis.listener("http")).await;
        let answer = two.get("/chunked/100k").await;
        assert_eq!(
            (answer.version, answer.body.len()),
            (Version::HTTP_2, 100 * 1024)
        );
        let mut one = http1(portcullis.listener("http")).await;
        assert_eq!(one.get("/bytes/1").await.version, Version::HTTP_11);
        let line = portcullis
            .logged(|line| line["target"] == "/chunked/100k")
            .await;
        assert_eq!(line["protocol"], "HTTP/2");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_streams_of_one_http2_connection_do_not_wait_for_each_other() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut client = http2(portcullis.listener("http")).await;
    let hanging = client.send(
        request("GET", "/hang-body")
            .body(full(""))
            .expect("a request"),
    );
    let hanging = hanging.await.expect("its header");
    assert_eq!(client.get("/bytes/9").await.body.len(), 9);
    drop(hanging);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc7301_over_tls_the_client_chooses_between_http1_and_http2_by_alpn() {
    let authority = Authority::new();
    let portcullis = Portcullis::builder(&https(""))
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    let address = portcullis.listener("https");
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1"][..], Some(&b"http/1.1"[..])),
        (&[][..], None),
    ] {
        let config = client_config(&authority.roots(), ALL_VERSIONS, offered).into();
        let stream = tls(address, "a.test", &config).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed, "{offered:?}");
        let mut client = over(stream, agreed == Some(b"h2"), "https", "a.test").await;
        let answer = client.get("/").await;
        assert_eq!(answer.text(), "hello");
        assert_eq!(answer.version == Version::HTTP_2, agreed == Some(b"h2"));
    }
    assert_eq!(
        https2(address, "a.test", &authority.roots())
            .await
            .get("/")
            .await
            .status,
        200
    );
    assert_eq!(
        https1(address, "a.test", &authority.roots())
            .await
            .get("/")
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_http2_neither_alpn_nor_the_preface_gets_it() {
    let authority = Authority::new();
    let portcullis = Portcullis::builder(&https("http2: false"))
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    let config = client_config(&authority.roots(), ALL_VERSIONS, &["h2", "http/1.1"]).into();
    let stream = tls(portcullis.listener("https"), "a.test", &config)
        .await
        .expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));

    let origin = origin().await;
    let portcullis = Portcullis::start(&site("http2: false", origin.address())).await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut raw = Raw::sent(portcullis.listener("http"), preface).await;
    assert_eq!(raw.last_response().await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ipv6_listener_serves_and_logs_ipv6_clients() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let yaml = "listeners: [{name: six, address: \"[::1]:0\"}]\n\
                routes: [{name: hello, respond: {body: hello}}]\n";
    let portcullis = Portcullis::start(yaml).await;
    assert_eq!(
        http1(portcullis.listener("six"))
            .await
            .get("/")
            .await
            .text(),
        "hello"
    );
    assert_eq!(
        portcullis.logged(|line| line["status"] == 200).await["client"],
        "::1"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_on_every_address_sees_an_ipv4_client_as_one() {
    let yaml = "listeners: [{name: all, address: \":0\"}]\n\
                routes: [{name: hello, respond: {body: hello}}]\n";
    let portcullis = Portcullis::start(yaml).await;
    let port = portcullis.listener("all").port();
    let mut client = http1(([127, 0, 0, 1], port).into()).await;
    assert_eq!(client.get("/").await.text(), "hello");
    assert_eq!(
        portcullis.logged(|line| line["status"] == 200).await["client"],
        "127.0.0.1"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_listener_serves_and_takes_over_an_abandoned_socket_file() {
    let origin = origin().await;
    let yaml = site("", origin.address()).replace("127.0.0.1:0", "unix:@dir@/edge.sock");
    let builder = Portcullis::builder(&yaml);
    let path = builder.directory().join("edge.sock");
    drop(UnixListener::bind(&path).expect("a socket file that is left behind"));
    let portcullis = builder.start().await;
    let answer = unix1(&path).await.get("/echo").await;
    assert_eq!(answer.status, 200);
    // A peer without an address is not made one up.
    assert_eq!(answer.seen_header("x-forwarded-for"), None);
    let line = portcullis.logged(|line| line["target"] == "/echo").await;
    assert_eq!((&line["peer"], line.get("client")), (&"unix:".into(), None));
}

#[test]
fn an_address_that_is_taken_is_named_and_ends_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let routes = "routes: [{name: hello, respond: {body: hello}}]\n";
    let listener = format!("listeners: [{{name: http, address: \"127.0.0.1:{port}\"}}]\n{routes}");
    let said = Portcullis::builder(&listener).refused(3);
    assert!(
        said.contains(&format!("port {port} is taken")) && said.contains("http"),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");

    let admin = format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n{routes}\
         admin: {{address: \"127.0.0.1:{port}\"}}\n"
    );
    let said = Portcullis::builder(&admin).refused(3);
    assert!(
        said.contains(&format!("port {port} is taken")) && said.contains("admin"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_its_limit_of_requests_an_http1_connection_is_closed_in_good_order() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site("limits: {requests: 3}", origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        assert!(!raw.get("/bytes/1").await.closes());
        assert!(!raw.get("/bytes/2").await.closes());
        raw.send("GET /bytes/3 HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .await;
        let last = raw.last_response().await;
        assert_eq!((last.body.len(), last.closes()), (3, true));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_its_limit_of_requests_an_http2_connection_says_goaway_and_finishes_its_streams() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site("limits: {requests: 3}", origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut client = http2(portcullis.listener("http")).await;
        for length in 1..=2 {
            assert_eq!(
                client.get(&format!("/bytes/{length}")).await.body.len(),
                length
            );
        }
        assert_eq!(client.get("/chunked/200k").await.body.len(), 200 * 1024);
        client.closed().await;
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_never_taken_for_one() {
    let origin = origin().await;
    let yaml = site("", origin.address()).replace("127.0.0.1:0", "unix:@dir@/precious.txt");
    let refused = Portcullis::builder(&yaml)
        .file("precious.txt", "kept")
        .refused(5);
    assert!(refused.contains("not a socket"), "{refused}");
}
