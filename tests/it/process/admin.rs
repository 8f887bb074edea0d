//! What does the admin listener tell?

use crate::support::*;

#[tokio::test]
async fn livez_readyz_and_metrics_answer_and_nothing_else_does() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut raw = Raw::connect(portcullis.admin()).await;
    for (path, status, body) in [("/livez", 200, "alive\n"), ("/readyz", 200, "ready\n")] {
        let response = raw.get(path).await;
        assert_eq!(
            (response.status, response.text().as_str()),
            (status, body),
            "{path}"
        );
    }
    assert_eq!(raw.get("/").await.status, 404);
    raw.send("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        .await;
    let response = raw.response().await;
    assert_eq!(
        (response.status, response.header("allow")),
        (405, Some("GET, HEAD"))
    );
    raw.send("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(raw.response_to_head().await.status, 200);
    // The admin listener is no way to the pools, and the other way round.
    assert_eq!(origin.journal().requests(), 0);
    assert_eq!(
        http1(portcullis.listener("http"))
            .await
            .get("/livez")
            .await
            .text(),
        "hello from origin: GET /livez\n"
    );
}

#[tokio::test]
async fn the_admin_listener_can_be_a_unix_socket_or_off() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "admin: {address: 'unix:@dir@/admin.sock'}\n";
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = unix1(&portcullis.directory().join("admin.sock")).await;
    assert_eq!(client.get("/readyz").await.text(), "ready\n");
    let portcullis =
        Portcullis::start(&(site("", origin.address()) + "admin: {address: 'off'}\n")).await;
    assert_eq!(
        http1(portcullis.listener("http"))
            .await
            .get("/")
            .await
            .status,
        200
    );
    assert!(
        !portcullis.stderr().contains("admin is listening"),
        "{}",
        portcullis.stderr()
    );
}

/// The text of `/metrics`.
async fn metrics(portcullis: &Portcullis) -> String {
    let response = Raw::connect(portcullis.admin()).await.get("/metrics").await;
    assert!(
        response
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain; version=0.0.4"))
    );
    response.text()
}

#[tokio::test]
async fn metrics_count_requests_bytes_times_connections_and_endpoints() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address())).carrier(carrier).start().await;
        let endpoint = origin.address().expect("TCP");
        let mut client = http1(portcullis.listener("http")).await;
        for path in ["/bytes/1000", "/bytes/500", "/status/404", "/status/503"] {
            client.get(path).await;
        }
        // The last request is counted after its answer, and leaves after that.
        let requests = "portcullis_request_duration_seconds_count{route=\"all\"}";
        let in_flight = "portcullis_requests_in_flight{listener=\"http\"}";
        eventually("four requests are over", async || {
            portcullis.metric(requests).await == 4.0 && portcullis.metric(in_flight).await == 0.0
        })
        .await;
        let text = metrics(&portcullis).await;
        for line in [
            "portcullis_requests_total{code=\"2xx\",route=\"all\"} 2".to_owned(),
            "portcullis_requests_total{code=\"4xx\",route=\"all\"} 1".to_owned(),
            "portcullis_response_body_bytes_total{route=\"all\"} 1500".to_owned(),
            "portcullis_request_duration_seconds_count{route=\"all\"} 4".to_owned(),
            "portcullis_request_duration_seconds_bucket{route=\"all\",le=\"+Inf\"} 4".to_owned(),
            "portcullis_connections{listener=\"http\"} 1".to_owned(),
            "portcullis_connections_total{listener=\"http\"} 1".to_owned(),
            "portcullis_requests_in_flight{listener=\"http\"} 0".to_owned(),
            format!("portcullis_upstream_in_flight{{endpoint=\"{endpoint}\",pool=\"origin\"}} 0"),
            format!("portcullis_upstream_connections_total{{endpoint=\"{endpoint}\",pool=\"origin\",reused=\"false\"}} 1"),
            format!("portcullis_upstream_connections_total{{endpoint=\"{endpoint}\",pool=\"origin\",reused=\"true\"}} 3"),
            "portcullis_upstream_first_byte_duration_seconds_count{pool=\"origin\"} 4".to_owned(),
            "portcullis_upstream_connect_duration_seconds_count{pool=\"origin\"} 1".to_owned(),
            "portcullis_failures_total{reason=\"no_route\",route=\"(none)\"} 0".to_owned(),
            "portcullis_config_generation 1".to_owned(),
            "portcullis_config_last_reload_successful 1".to_owned(),
            format!("portcullis_build_info{{arch=\"{}\",version=\"{}\"}} 1", std::env::consts::ARCH, env!("CARGO_PKG_VERSION")),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_threads"] {
            assert!(portcullis.metric(name).await > 0.0, "{name}");
        }
        let written = "portcullis_access_log_lines_total{result=\"written\"}";
        eventually("the lines are written", async || portcullis.metric(written).await == 4.0).await;
    })
    .await;
}

#[tokio::test]
async fn every_metric_has_a_help_text_and_a_type() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    http1(portcullis.listener("http")).await.get("/").await;
    let text = metrics(&portcullis).await;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().expect("a name");
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name);
        for kind in ["HELP", "TYPE"] {
            let known = text.contains(&format!("# {kind} {family} "))
                || text.contains(&format!("# {kind} {name} "));
            assert!(known, "{kind} of {name}");
        }
    }
}

#[tokio::test]
async fn requests_in_flight_and_connections_go_up_and_back_to_0() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let all_are = async |count: f64| {
            for series in [
                "portcullis_requests_in_flight",
                "portcullis_upstream_in_flight",
                "portcullis_connections{",
            ] {
                eventually(series, async || portcullis.metric(series).await == count).await;
            }
        };
        let raws = [
            Raw::sent(address, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await,
            Raw::sent(address, "GET /hang-body HTTP/1.1\r\nHost: a\r\n\r\n").await,
            Raw::sent(address, "GET /drip/100000/20 HTTP/1.1\r\nHost: a\r\n\r\n").await,
        ];
        all_are(3.0).await;
        drop(raws);
        all_are(0.0).await;
    })
    .await;
}
