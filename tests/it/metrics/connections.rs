//! What do the metrics tell of connections, from the clients and to the endpoints, of TLS, and of what is spoken?

use rustls::version::TLS13;

use super::*;

fn get(path: &'static str) -> [(&'static str, &'static str); 4] {
    [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "a.test"),
    ]
}

#[tokio::test]
async fn an_idle_connection_is_counted_while_it_waits_and_its_length_when_it_has_ended() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        let idle = "portcullis_connections_idle{listener=\"http\"}";
        let lasted = "portcullis_connection_duration_seconds_count{listener=\"http\"}";
        let address = portcullis.listener("http");
        let mut raw = Raw::connect(address).await;
        becomes(&portcullis, idle, 1.0).await;
        raw.get("/").await;
        becomes(&portcullis, idle, 1.0).await;
        raw.send("GET /held HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        arrived(&origin, 1).await;
        assert_eq!(portcullis.metric(idle).await, 0.0);
        origin.release();
        raw.response().await;
        becomes(&portcullis, idle, 1.0).await;
        assert_eq!(portcullis.metric(lasted).await, 0.0);
        drop(raw);
        becomes(&portcullis, lasted, 1.0).await;
        assert_eq!(portcullis.metric(idle).await, 0.0);
        let long = "portcullis_connection_duration_seconds_bucket{listener=\"http\",le=\"3600\"}";
        assert_eq!(portcullis.metric(long).await, 1.0);
    })
    .await;
}

#[tokio::test]
async fn http2_connections_are_idle_without_a_stream_and_resets_count_for_who_sent_them() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("limits: {streams: 1}", origin.address())).await;
    let idle = "portcullis_connections_idle{listener=\"http\"}";
    let open = "portcullis_http2_connections{listener=\"http\"}";
    let reset = |by: &str| format!("portcullis_http2_streams_reset_total{{by=\"{by}\",");
    let mut client = Frames::connect(portcullis.listener("http")).await;
    becomes(&portcullis, open, 1.0).await;
    becomes(&portcullis, idle, 1.0).await;
    client.headers(1, &get("/held"), true).await;
    arrived(&origin, 1).await;
    assert_eq!(portcullis.metric(idle).await, 0.0);
    // One more than there may be.
    client.headers(3, &get("/"), true).await;
    assert_eq!(client.ended(3).await, Ended::Reset(frames::REFUSED_STREAM));
    becomes(&portcullis, &reset("portcullis"), 1.0).await;
    assert_eq!(portcullis.metric(&reset("client")).await, 0.0);
    client
        .frame(frames::RST_STREAM, 0, 1, &8_u32.to_be_bytes())
        .await;
    becomes(&portcullis, &reset("client"), 1.0).await;
    becomes(&portcullis, idle, 1.0).await;
    drop(client);
    becomes(&portcullis, open, 0.0).await;
    becomes(&portcullis, idle, 0.0).await;
}

#[tokio::test]
async fn a_connection_counts_to_its_end_in_the_listener_that_it_came_to() {
    let origin = origin().await;
    // A listener that keeps its address keeps its connections when it gets another name.
    let place = format!("127.0.0.1:{}", free_port());
    let before = site("", origin.address()).replace("127.0.0.1:0", &place);
    let portcullis = Portcullis::start(&before).await;
    let idle = "portcullis_connections_idle{listener=\"http\"}";
    let open = "portcullis_http2_connections{listener=\"http\"}";
    let mut client = Raw::connect(portcullis.listener("http")).await;
    becomes(&portcullis, idle, 1.0).await;
    portcullis
        .apply(&before.replace("name: http", "name: web"))
        .await;
    // What it speaks turns out only now.
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client
        .send([0, 0, 0, frames::SETTINGS, 0, 0, 0, 0, 0])
        .await;
    becomes(&portcullis, open, 1.0).await;
    assert_eq!(portcullis.metric(idle).await, 1.0);
    drop(client);
    let gone = "portcullis_http2_connections{listener=\"web\"}";
    eventually("nothing is left of it", async || {
        portcullis.metric(idle).await == 0.0
    })
    .await;
    assert_eq!(portcullis.metric(gone).await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_count_by_what_was_spoken_also_those_that_were_none() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let address = portcullis.listener("http");
    let spoken = |protocol: &str| {
        format!(
            "portcullis_requests_by_protocol_total{{listener=\"http\",protocol=\"{protocol}\"}}"
        )
    };
    for protocol in ["http/1.0", "http/1.1", "http/2", "upgrade"] {
        assert_eq!(portcullis.metric(&spoken(protocol)).await, 0.0);
    }
    let mut old = Raw::sent(address, "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n").await;
    old.response().await;
    becomes(&portcullis, &spoken("http/1.0"), 1.0).await;
    http1(address).await.get("/").await;
    Raw::sent(address, "nonsense\r\n\r\n")
        .await
        .response()
        .await;
    becomes(&portcullis, &spoken("http/1.1"), 2.0).await;
    http2(address).await.get("/").await;
    becomes(&portcullis, &spoken("http/2"), 1.0).await;
    let mut socket = WebSocket::connect(address, "/ws");
    socket.send("hello").expect("sent");
    socket.receive().expect("an echo");
    assert_eq!(portcullis.metric(&spoken("upgrade")).await, 0.0);
    socket.close();
    becomes(&portcullis, &spoken("upgrade"), 1.0).await;
    assert_eq!(portcullis.metric("portcullis_requests_total{").await, 5.0);
}

#[tokio::test]
async fn failures_count_at_the_route_where_they_were_and_at_none_before_one_was_found() {
    let yaml = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\n\
                routes: [{name: dead, match: {paths: [{prefix: /dead}]}, pool: dead}]\n\
                pools: [{name: dead, endpoints: [\"127.0.0.1:1\"]}]\n";
    let portcullis = Portcullis::start(yaml).await;
    let failures = |reason: &str, route: &str| {
        format!("portcullis_failures_total{{reason=\"{reason}\",route=\"{route}\"}}")
    };
    let mut client = http1(portcullis.listener("http")).await;
    assert_eq!(client.get("/").await.status, 404);
    assert_eq!(client.get("/dead").await.status, 502);
    becomes(&portcullis, &failures("connect_refused", "dead"), 1.0).await;
    assert_eq!(
        portcullis.metric(&failures("no_route", "(none)")).await,
        1.0
    );
    assert_eq!(portcullis.metric("portcullis_failures_total{").await, 2.0);
}

#[tokio::test]
async fn connections_to_endpoints_are_counted_while_they_wait_in_the_pool() {
    let origin = origin().await;
    let yaml = site("", origin.address());
    let portcullis = Portcullis::start(&yaml).await;
    let idle = "portcullis_upstream_idle_connections{pool=\"origin\"}";
    assert_eq!(portcullis.metric(idle).await, 0.0);
    let mut client = http1(portcullis.listener("http")).await;
    client.get("/").await;
    becomes(&portcullis, idle, 1.0).await;
    let held = client.get("/held");
    let meanwhile = async {
        arrived(&origin, 1).await;
        becomes(&portcullis, idle, 0.0).await;
        origin.release();
    };
    tokio::join!(held, meanwhile);
    becomes(&portcullis, idle, 1.0).await;
    // Another endpoint: the connections to this one are closed.
    let other = crate::support::origin().await;
    portcullis.apply(&site("", other.address())).await;
    becomes(&portcullis, idle, 0.0).await;
}

#[tokio::test]
async fn handshakes_count_by_version_and_resumption_and_certificates_tell_their_end() {
    let authority = Authority::new();
    let yaml = |listeners: &str| {
        format!(
            "listeners: [{listeners}]\n\
             routes: [{{name: hello, respond: {{body: hello}}}}]\n"
        )
    };
    let secure = "{name: https, address: \"127.0.0.1:0\", tls: {certificates: [\
                  {certificate: a.crt, key: a.key}, {certificate: b.crt, key: b.key}]}}";
    let portcullis = Portcullis::builder(&yaml(secure))
        .identity("a", &authority.issue_until(&["a.test", "www.a.test"], 2040))
        .identity("b", &authority.issue_until(&["b.test"], 2041))
        .start()
        .await;
    let handshakes = |resumed: &str| {
        format!(
            "portcullis_tls_handshakes_total{{listener=\"https\",resumed=\"{resumed}\",version=\"1.3\"}}"
        )
    };
    let config = client_config(&authority.roots(), &[&TLS13], &["http/1.1"]).into();
    for resumed in [0.0, 1.0] {
        let stream = tls(portcullis.listener("https"), "a.test", &config).await;
        let mut raw = Raw::over(stream.expect("a handshake"));
        // With the answer come the tickets.
        assert_eq!(raw.get("/").await.text(), "hello");
        assert_eq!(portcullis.metric(&handshakes("no")).await, 1.0);
        assert_eq!(portcullis.metric(&handshakes("yes")).await, resumed);
    }
    let took = "portcullis_tls_handshake_duration_seconds_count{listener=\"https\"}";
    assert_eq!(portcullis.metric(took).await, 2.0);

    let name = "portcullis_certificate_expiry_timestamp_seconds{";
    let end = async |certificate: &str| {
        let series = format!("{name}certificate=\"{certificate}\",listener=\"https\"}}");
        portcullis.metric(&series).await
    };
    // `date -u -d 2040-01-01 +%s`, and of the years after it.
    let (y2040, y2041, y2042) = (2_208_988_800.0, 2_240_611_200.0, 2_272_147_200.0);
    assert_eq!((end("a.test").await, end("b.test").await), (y2040, y2041));
    assert_eq!(portcullis.metric(name).await, y2040 + y2041);
    // Renewed, and one of them gone.
    let renewed = authority.issue_until(&["a.test"], 2042);
    portcullis.replace("a.crt", &renewed.certificate);
    portcullis.replace("a.key", &renewed.key);
    // What is not in force is not told.
    portcullis.rejected(&(yaml(secure) + "nonsense: 1\n")).await;
    assert_eq!(portcullis.metric(name).await, y2040 + y2041);
    let one = secure.replace(", {certificate: b.crt, key: b.key}", "");
    portcullis.apply(&yaml(&one)).await;
    assert_eq!(portcullis.metric(name).await, y2042);
    assert_eq!(end("a.test").await, y2042);
    let plain = "{name: https, address: \"127.0.0.1:0\"}";
    portcullis.apply(&yaml(plain)).await;
    assert_eq!(portcullis.metric(name).await, 0.0);
    let families = scrape(&portcullis).await.families;
    assert!(!families.contains_key(name.trim_end_matches('{')));
}
