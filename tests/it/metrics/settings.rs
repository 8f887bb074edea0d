//! Do the metrics do what the section `metrics` says, are those of the process true, and what does a scraper get that can
//! read gzip?

use std::io::Read;

use super::*;

#[tokio::test]
async fn buckets_and_the_number_of_endpoints_are_those_of_the_start() {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    let yaml = |metrics: &str| {
        format!(
            "metrics: {metrics}\n\
             runtime: {{threads: 3}}\n\
             listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
             routes: [{{name: all, pool: app}}]\n\
             pools: [{{name: app, endpoints: [\"{endpoint}\", \"127.0.0.1:1\", \"127.0.0.1:2\"], \
             health: {{path: /echo, interval: 1s}}}}]\n"
        )
    };
    let few = "{buckets: {request: [50ms, 10s]}, endpoints: 1}";
    let portcullis = Portcullis::start(&yaml(few)).await;
    assert_eq!(portcullis.metric("portcullis_workers ").await, 3.0);
    let checks =
        "portcullis_upstream_checks_total{endpoint=\"(other)\",pool=\"app\",result=\"failed\"}";
    eventually("checks of both that share", async || {
        portcullis.metric(checks).await >= 2.0
    })
    .await;
    let address = portcullis.listener("http");
    http1(address).await.get("/").await;
    becomes(
        &portcullis,
        "portcullis_request_duration_seconds_count",
        1.0,
    )
    .await;
    let scraped = scrape(&portcullis).await;
    let bounds = |name: &str| -> Vec<String> {
        let samples = scraped.families[name].samples.iter();
        let bounds = samples.filter_map(|sample| {
            let of_route = sample
                .labels
                .get("route")
                .is_none_or(|route| route == "all");
            sample.labels.get("le").filter(|_| of_route)
        });
        bounds.cloned().collect()
    };
    let request = "portcullis_request_duration_seconds";
    assert_eq!(bounds(request), ["0.05", "10", "+Inf"]);
    let queue = bounds("portcullis_pool_queue_wait_seconds");
    assert_eq!((queue.len(), &*queue[0], &*queue[14]), (16, "0.001", "60"));
    let endpoints = |name: &str| scraped.families[name].samples.len();
    assert_eq!(endpoints("portcullis_upstream_in_flight"), 2);
    assert_eq!(endpoints("portcullis_upstream_drained"), 1);
    assert_eq!(endpoints("portcullis_upstream_healthy"), 1);

    let said = portcullis
        .reload(&yaml("{buckets: {request: [60ms]}, endpoints: 1}"))
        .await;
    assert_eq!(said.code, 2, "{said:?}");
    let why = "metrics.buckets.request: [50ms, 10s] is running, [60ms] is wanted";
    assert!(said.text.contains(why), "{said:?}");
    let said = portcullis.reload(&yaml(few)).await;
    assert_eq!(said.code, 0, "{said:?}");
}

#[tokio::test]
async fn what_the_process_says_of_itself_is_what_the_kernel_says() {
    let portcullis = Portcullis::builder("listeners: [{name: http, address: \"127.0.0.1:0\"}]\n")
        .descriptors(777)
        .start()
        .await;
    assert_eq!(portcullis.metric("process_max_fds").await, 777.0);
    let open: usize = portcullis.descriptors().values().sum();
    let told = portcullis.metric("process_open_fds").await;
    assert!((told - open as f64).abs() <= 3.0, "{told}, {open}");
    let resident = portcullis.metric("process_resident_memory_bytes").await;
    let ratio = resident / portcullis.rss() as f64;
    assert!((0.5..2.0).contains(&ratio), "{ratio}");
    // As /proc says it, in hundredths of a second.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", portcullis.pid()));
    let stat = stat.expect("a process");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .expect("fields")
        .split(' ')
        .collect();
    let ticks = |field: usize| fields[field].parse::<f64>().expect("a number");
    let cpu = (ticks(12) + ticks(13)) / 100.0;
    let told = portcullis.metric("process_cpu_seconds_total").await;
    assert!(told > 0.0 && (told - cpu).abs() < 1.0, "{told}, {cpu}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let age = now.expect("after 1970").as_secs_f64()
        - portcullis.metric("process_start_time_seconds").await;
    assert!((-5.0..120.0).contains(&age), "{age}");
}

#[tokio::test]
async fn a_scraper_that_reads_gzip_gets_it() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut raw = Raw::connect(portcullis.admin()).await;
    let plain = raw.get("/metrics").await;
    assert_eq!(plain.header("content-encoding"), None);
    raw.send("GET /metrics HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        .await;
    let coded = raw.response().await;
    assert_eq!(coded.header("content-encoding"), Some("gzip"));
    assert_eq!(coded.header("content-type"), plain.header("content-type"));
    assert!(coded.body.len() * 4 < plain.body.len());
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&*coded.body);
    decoder.read_to_string(&mut text).expect("gzip");
    let (coded, plain) = (Exposition::parse(&text), plain.text());
    let plain = Exposition::parse(&plain);
    let names = |one: &Exposition| one.families.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&coded), names(&plain));
}
