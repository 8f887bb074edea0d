//! How many connections does a listener take, and the process?

use rustls::ALL_VERSIONS;
use tokio::net::TcpStream;

use super::*;

#[tokio::test]
async fn who_is_over_the_limit_is_closed_at_once_and_one_that_goes_makes_room() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("limits: {connections: 4}", origin.address())).await;
    let address = portcullis.listener("http");
    // One that says nothing, one in the middle of a header, one that waits for its next request, one of HTTP/2.
    let silent = TcpStream::connect(address).await.expect("connected");
    let _begun = Raw::sent(address, "GET / HT").await;
    let mut first = http1(address).await;
    assert_eq!(first.get("/").await.status, 200);
    let mut second = http2(address).await;
    assert_eq!(second.get("/").await.status, 200);
    open(&portcullis, "http", 4).await;

    for _ in 0..3 {
        let more = TcpStream::connect(address).await;
        assert!(is_served(more).await.is_none());
    }
    assert_eq!(refused(&portcullis, "http", "limit_listener").await, 3.0);
    // Who is in does not notice.
    assert_eq!(first.get("/").await.status, 200);
    assert_eq!(second.get("/").await.status, 200);

    drop(silent);
    open(&portcullis, "http", 3).await;
    let more = TcpStream::connect(address).await;
    let _stays = is_served(more).await.expect("there is room");
    let more = TcpStream::connect(address).await;
    assert!(is_served(more).await.is_none());
    portcullis.says("is refused (limit_listener)").await;
}

#[tokio::test]
async fn a_handshake_that_is_not_done_counts_and_who_is_refused_does_none() {
    let origin = origin().await;
    let authority = Authority::new();
    let listener = "limits: {connections: 3}, \
                    tls: {certificates: [{certificate: a.crt, key: a.key}]}";
    let portcullis = Portcullis::builder(&site(listener, origin.address()))
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    let address = portcullis.listener("http");
    let roots = authority.roots();
    let begun = TcpStream::connect(address).await.expect("connected");
    let mut first = https1(address, "a.test", &roots).await;
    assert_eq!(first.get("/").await.status, 200);
    let mut second = https2(address, "a.test", &roots).await;
    assert_eq!(second.get("/").await.status, 200);
    open(&portcullis, "http", 3).await;
    let config = client_config(&roots, ALL_VERSIONS, &[]).into();
    let more = TcpStream::connect(address).await;
    assert!(is_served(more).await.is_none());
    assert_eq!(refused(&portcullis, "http", "limit_listener").await, 1.0);
    assert_eq!(refused(&portcullis, "http", "tls_handshake").await, 0.0);
    let done = "portcullis_tls_handshakes_total{listener=\"http\"";
    assert_eq!(portcullis.metric(done).await, 2.0);
    drop(begun);
    open(&portcullis, "http", 2).await;
    assert!(tls(address, "a.test", &config).await.is_ok());
}

#[tokio::test]
async fn the_limit_of_the_process_is_one_for_all_listeners() {
    let origin = origin().await;
    let endpoint = origin.address().expect("an origin on TCP");
    let portcullis = Portcullis::start(&format!(
        "overload: {{connections: 2}}\n\
         listeners: [{{name: one, address: '127.0.0.1:0'}}, {{name: two, address: '127.0.0.1:0'}}]\n\
         routes: [{{name: all, pool: origin}}]\n\
         pools: [{{name: origin, endpoints: ['{endpoint}']}}]\n"
    ))
    .await;
    let (one, two) = (portcullis.listener("one"), portcullis.listener("two"));
    let first = http1(one).await;
    let _second = http2(two).await;
    open(&portcullis, "one", 1).await;
    open(&portcullis, "two", 1).await;
    for (name, address) in [("one", one), ("two", two)] {
        let more = TcpStream::connect(address).await;
        assert!(is_served(more).await.is_none());
        assert_eq!(refused(&portcullis, name, "limit_total").await, 1.0);
    }
    assert_eq!(portcullis.metric("portcullis_connections_limit").await, 2.0);
    drop(first);
    open(&portcullis, "one", 0).await;
    let more = TcpStream::connect(two).await;
    assert!(is_served(more).await.is_some());
}

#[tokio::test]
async fn a_reload_raises_a_limit_and_lowers_it_without_cutting_anyone_off() {
    let origin = origin().await;
    let with = |most: u32| {
        let listener = format!("limits: {{connections: {most}}}");
        format!(
            "{}overload: {{connections: 100}}\n",
            site(&listener, origin.address())
        )
    };
    let portcullis = Portcullis::start(&with(2)).await;
    let address = portcullis.listener("http");
    let mut clients = vec![http1(address).await, http2(address).await];
    open(&portcullis, "http", 2).await;
    let more = TcpStream::connect(address).await;
    assert!(is_served(more).await.is_none());
    portcullis.apply(&with(3)).await;
    clients.push(http1(address).await);
    open(&portcullis, "http", 3).await;

    portcullis.apply(&with(1)).await;
    for client in &mut clients {
        assert_eq!(client.get("/").await.status, 200);
    }
    clients.truncate(1);
    open(&portcullis, "http", 1).await;
    let more = TcpStream::connect(address).await;
    assert!(is_served(more).await.is_none());
    assert_eq!(clients[0].get("/").await.status, 200);
    // One that is taken away altogether is no limit any more.
    portcullis.apply(&with(0)).await;
    let more = TcpStream::connect(address).await;
    assert!(is_served(more).await.is_some());
}

#[tokio::test]
async fn a_flood_of_refusals_is_a_line_a_second_in_the_log() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("limits: {connections: 1}", origin.address())).await;
    let address = portcullis.listener("http");
    let _first = http1(address).await;
    open(&portcullis, "http", 1).await;
    let started = std::time::Instant::now();
    for _ in 0..300 {
        let more = TcpStream::connect(address).await;
        assert!(is_served(more).await.is_none());
    }
    let said = portcullis.stderr();
    let lines = said
        .lines()
        .filter(|line| line.contains("is refused (limit_listener)"));
    let lines = lines.count() as u64;
    assert!(
        (1..=started.elapsed().as_secs() + 1).contains(&lines),
        "{said}"
    );
    assert_eq!(refused(&portcullis, "http", "limit_listener").await, 300.0);
}

#[tokio::test]
async fn the_number_of_connections_goes_by_the_descriptors_unless_it_is_given() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "runtime: {threads: 2}\n";
    let portcullis = Portcullis::builder(&yaml).descriptors(1_024).start().await;
    // A half of what is left beside 320 for everything else and the two workers' sockets.
    assert_eq!(
        portcullis.metric("portcullis_connections_limit").await,
        350.0
    );
    portcullis
        .says("connections: 350 at most, for 1024 descriptors")
        .await;
    let too_many = yaml + "overload: {connections: 400}\n";
    let said = Portcullis::builder(&too_many)
        .descriptors(1_024)
        .output(&["check"]);
    let said = String::from_utf8(said.stdout).expect("text");
    assert!(
        said.contains("1024 descriptors are enough for 350 connections"),
        "{said}"
    );
}
