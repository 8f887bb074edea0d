//! How many connections may one client have, and who is a client?

use super::*;

/// One that is served for as long as what this gives is held.
async fn from(client: &str, portcullis: &Portcullis) -> Option<Raw> {
    is_served(connect_from(client, portcullis.listener("http")).await).await
}

#[tokio::test]
async fn one_client_does_not_take_the_room_of_others() {
    let origin = origin().await;
    let limits = "limits: {connections_per_client: 2, exempt_clients: [127.0.0.4/31]}";
    let yaml = site(limits, origin.address()) + "forwarding: {trusted_proxies: [127.0.0.6]}\n";
    let portcullis = Portcullis::start(&yaml).await;
    let mut open = Vec::new();
    for client in ["127.0.0.2", "127.0.0.3"] {
        open.push(from(client, &portcullis).await.expect("its first"));
        open.push(from(client, &portcullis).await.expect("its second"));
        assert!(from(client, &portcullis).await.is_none(), "{client}");
    }
    assert_eq!(refused(&portcullis, "http", "limit_client").await, 2.0);
    // Exempt clients, and a proxy that speaks for many.
    for client in ["127.0.0.4", "127.0.0.5", "127.0.0.6"] {
        for _ in 0..5 {
            open.push(from(client, &portcullis).await.expect(client));
        }
    }
    open.remove(0);
    super::open(&portcullis, "http", 18).await;
    assert!(from("127.0.0.3", &portcullis).await.is_none());
    assert!(from("127.0.0.2", &portcullis).await.is_some());
}

#[tokio::test]
async fn a_limit_that_comes_with_a_reload_knows_who_is_there() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(from("127.0.0.2", &portcullis).await.expect("no limit"));
    }
    let limited = site("limits: {connections_per_client: 3}", origin.address());
    portcullis.apply(&limited).await;
    assert!(from("127.0.0.2", &portcullis).await.is_none());
    assert_eq!(open[0].get("/").await.status, 200);
    open.pop();
    super::open(&portcullis, "http", 2).await;
    assert!(from("127.0.0.2", &portcullis).await.is_some());
}

#[tokio::test]
async fn behind_a_proxy_header_the_client_counts_that_it_names() {
    let origin = origin().await;
    let listener = "proxy_protocol: {mode: optional, trusted: [127.0.0.1]}, \
                    limits: {connections_per_client: 1}";
    let portcullis = Portcullis::start(&site(listener, origin.address())).await;
    let address = portcullis.listener("http");
    let behind = async |source: &str| {
        let family = if source.contains(':') { "6" } else { "4" };
        let to = if source.contains(':') {
            "2001:db8::ff"
        } else {
            "198.51.100.1"
        };
        let header = format!("PROXY TCP{family} {source} {to} 1234 443\r\n");
        is_served_behind(&header, connect_from("127.0.0.1", address).await).await
    };
    let held = behind("192.0.2.1").await.expect("its first");
    assert!(behind("192.0.2.1").await.is_none());
    let _other = behind("192.0.2.2").await.expect("another client");
    // Everyone in an IPv6 /64 is one client.
    let _held = behind("2001:db8::1").await.expect("its first");
    assert!(behind("2001:db8::ffff:2").await.is_none());
    let _other = behind("2001:db8:0:1::1").await.expect("another network");
    // Counted when it is closed already.
    eventually("both are counted", async || {
        refused(&portcullis, "http", "limit_client").await == 2.0
    })
    .await;
    drop(held);
    open(&portcullis, "http", 3).await;
    assert!(behind("192.0.2.1").await.is_some());
    portcullis
        .says("a connection from 192.0.2.1 is refused (limit_client)")
        .await;
    // Without a header everyone speaks for itself, the balancer as well. A check of its own, which names nobody, is not limited.
    let _held = is_served(connect_from("127.0.0.1", address).await)
        .await
        .expect("its first");
    assert!(
        is_served(connect_from("127.0.0.1", address).await)
            .await
            .is_none()
    );
    for _ in 0..2 {
        let check = connect_from("127.0.0.1", address).await;
        std::mem::forget(
            is_served_behind("PROXY UNKNOWN\r\n", check)
                .await
                .expect("it may"),
        );
    }
    let _held = is_served(connect_from("127.0.0.2", address).await)
        .await
        .expect("its first");
    assert!(
        is_served(connect_from("127.0.0.2", address).await)
            .await
            .is_none()
    );
}

#[tokio::test]
async fn a_client_whom_the_filter_denies_is_closed_before_tls_and_its_requests_get_403() {
    let origin = origin().await;
    let authority = Authority::new();
    let listener = "ip_filter: {allow: [127.0.0.0/29, 10.0.0.0/8], deny: [127.0.0.3]}, \
                    tls: {certificates: [{certificate: a.crt, key: a.key}]}";
    let yaml = site(listener, origin.address()) + "forwarding: {trusted_proxies: [127.0.0.9]}\n";
    let portcullis = Portcullis::builder(&yaml)
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    let address = portcullis.listener("http");
    let config = client_config(&authority.roots(), rustls::ALL_VERSIONS, &[]).into();
    for (client, is_in) in [
        ("127.0.0.2", true),
        ("127.0.0.3", false),
        ("127.0.0.8", false),
    ] {
        let served = match connect_from(client, address).await {
            Ok(stream) => tls_over(stream, "a.test", &config).await.is_ok(),
            Err(_) => false,
        };
        assert_eq!(served, is_in, "{client}");
    }
    assert_eq!(refused(&portcullis, "http", "ip_denied").await, 2.0);
    assert_eq!(refused(&portcullis, "http", "tls_handshake").await, 0.0);
    // Of a trusted proxy, only each request tells who the client is.
    let stream = connect_from("127.0.0.9", address).await.expect("connected");
    let mut raw = Raw::over(
        tls_over(stream, "a.test", &config)
            .await
            .expect("it is let in"),
    );
    for (client, status) in [("10.0.0.1", 200), ("192.0.2.1", 403), ("127.0.0.3", 403)] {
        raw.send(format!(
            "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {client}\r\n\r\n"
        ))
        .await;
        assert_eq!(raw.response().await.status, status, "{client}");
    }
    assert_eq!(refused(&portcullis, "http", "ip_denied").await, 2.0);
}

#[tokio::test]
async fn a_proxy_header_that_names_a_denied_client_ends_the_connection() {
    let origin = origin().await;
    let listener = "proxy_protocol: {mode: required, trusted: [127.0.0.1]}, \
                    ip_filter: {deny: [192.0.2.0/24]}";
    let portcullis = Portcullis::start(&site(listener, origin.address())).await;
    let address = portcullis.listener("http");
    for (source, is_in) in [("192.0.2.1", false), ("198.51.100.7", true)] {
        let header = format!("PROXY TCP4 {source} 198.51.100.1 1234 443\r\n");
        let stream = connect_from("127.0.0.1", address).await;
        let served = is_served_behind(&header, stream).await;
        assert_eq!(served.is_some(), is_in, "{source}");
    }
    eventually("it is counted", async || {
        refused(&portcullis, "http", "ip_denied").await == 1.0
    })
    .await;
}

#[tokio::test]
async fn a_client_that_connects_too_fast_is_refused_and_the_reload_does_not_forgive_it() {
    let origin = origin().await;
    let limits = |burst: u32| {
        let limits = format!(
            "limits: {{new_connections_per_client: 1/h, new_connections_burst: {burst}, \
             exempt_clients: [127.0.0.4]}}"
        );
        site(&limits, origin.address())
    };
    let portcullis = Portcullis::start(&limits(3)).await;
    for number in 1..=3 {
        assert!(from("127.0.0.2", &portcullis).await.is_some(), "{number}");
    }
    assert!(from("127.0.0.2", &portcullis).await.is_none());
    assert!(from("127.0.0.3", &portcullis).await.is_some());
    for _ in 0..5 {
        assert!(from("127.0.0.4", &portcullis).await.is_some());
    }
    assert_eq!(refused(&portcullis, "http", "rate_client").await, 1.0);
    portcullis.apply(&limits(4)).await;
    assert!(from("127.0.0.2", &portcullis).await.is_some(), "one more");
    assert!(from("127.0.0.2", &portcullis).await.is_none());
}

#[tokio::test]
async fn a_list_in_a_file_is_read_anew_when_it_changes_and_one_with_a_mistake_is_refused() {
    let origin = origin().await;
    let listener = "ip_filter: {deny: [127.0.0.9], deny_files: [denied.txt]}";
    let yaml = site(listener, origin.address()) + "runtime: {watch: 100ms}\n";
    let portcullis = Portcullis::builder(&yaml)
        .file("denied.txt", "# nobody but\n127.0.0.2\n")
        .start()
        .await;
    for (client, is_in) in [
        ("127.0.0.2", false),
        ("127.0.0.9", false),
        ("127.0.0.3", true),
    ] {
        assert_eq!(from(client, &portcullis).await.is_some(), is_in, "{client}");
    }
    let held = from("127.0.0.3", &portcullis).await;
    portcullis.replace("denied.txt", "127.0.0.3\n");
    eventually("the list is read", async || {
        from("127.0.0.3", &portcullis).await.is_none()
    })
    .await;
    assert!(from("127.0.0.2", &portcullis).await.is_some());
    // Who came before hears it at the next request.
    assert_eq!(held.expect("it came").get("/").await.status, 403);

    portcullis.replace("denied.txt", "127.0.0.2\n127.0.0.0/33\n");
    portcullis
        .says("denied.txt:2:1: error: listeners[http].ip_filter.deny_files[0]")
        .await;
    assert!(from("127.0.0.2", &portcullis).await.is_some());
    assert!(from("127.0.0.3", &portcullis).await.is_none());
}
