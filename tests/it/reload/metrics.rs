//! What do the metrics tell of reloads, and what do they keep over them?

use std::time::{SystemTime, UNIX_EPOCH};

use super::*;

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs_f64()
}

#[tokio::test]
async fn generation_result_times_and_hash_are_told() {
    let yaml = |word: &str| config(&[HTTP], &[&says(word, &[])], &[]);
    let portcullis = Portcullis::start(&yaml("a")).await;
    let metric = async |name: &str| portcullis.metric(&format!("portcullis_{name} ")).await;
    let by_result = async || {
        let mut counts = Vec::new();
        for result in ["applied", "unchanged", "rejected", "needs_upgrade"] {
            counts.push(
                portcullis
                    .metric(&format!("portcullis_reloads_total{{result=\"{result}\"}}"))
                    .await,
            );
        }
        counts
    };
    assert_eq!(by_result().await, [0.0; 4]);
    let hash = metric("config_hash").await;
    assert!(hash > 0.0);
    let started = metric("config_last_reload_success_timestamp_seconds").await;
    assert!((now() - 60.0..=now()).contains(&started), "{started}");
    portcullis.apply(&yaml("b")).await;
    assert_ne!(metric("config_hash").await, hash);
    assert_eq!(metric("config_generation").await, 2.0);
    // The same configuration has the same hash, although it is another generation.
    portcullis.apply(&yaml("a")).await;
    assert_eq!(
        (
            metric("config_hash").await,
            metric("config_generation").await
        ),
        (hash, 3.0)
    );
    portcullis.reload(&yaml("a")).await;
    assert_eq!(metric("config_last_reload_successful").await, 1.0);
    let success = metric("config_last_reload_success_timestamp_seconds").await;
    assert!(success >= started && success <= now(), "{success}");
    // The clock of these metrics has whole seconds.
    eventually("the next second", async || now().floor() > success).await;
    portcullis.rejected("nonsense: 1\n").await;
    assert_eq!(metric("config_last_reload_successful").await, 0.0);
    assert_eq!(
        metric("config_last_reload_success_timestamp_seconds").await,
        success
    );
    assert!(metric("config_last_reload_timestamp_seconds").await > success);
    assert_eq!(
        (
            metric("config_hash").await,
            metric("config_generation").await
        ),
        (hash, 3.0)
    );
    portcullis
        .reload(&(yaml("c") + "runtime: {threads: 9}\n"))
        .await;
    assert_eq!(by_result().await, [2.0, 1.0, 1.0, 1.0]);
    assert_eq!(metric("config_last_reload_successful").await, 0.0);
    portcullis.reload(&yaml("a")).await;
    assert_eq!(metric("config_last_reload_successful").await, 1.0);
    assert_eq!(by_result().await, [2.0, 2.0, 1.0, 1.0]);
}

#[tokio::test]
async fn the_hash_tells_of_certificates_too() {
    let (authority, listener) = (
        Authority::new(),
        "{name: tls, address: \"127.0.0.1:0\", tls: {certificates: [{certificate: a.crt, key: a.key}]}}",
    );
    let yaml = config(&[listener], &[&says("hello", &[])], &[]);
    let (one, two) = (authority.issue(&["a.test"]), authority.issue(&["a.test"]));
    let portcullis = Portcullis::builder(&yaml).identity("a", &one).start().await;
    let hash = async || portcullis.metric("portcullis_config_hash ").await;
    let put = |identity: &Identity| {
        portcullis.replace("a.crt", &identity.certificate);
        portcullis.replace("a.key", &identity.key);
    };
    let before = hash().await;
    put(&two);
    let said = portcullis.apply(&yaml).await;
    assert!(
        said.has_line("file a.crt: changed") && said.has_line("file a.key: changed"),
        "{said:?}"
    );
    assert_ne!(hash().await, before);
    put(&one);
    portcullis.apply(&yaml).await;
    assert_eq!(hash().await, before);
}

#[tokio::test]
async fn series_of_what_is_gone_vanish_and_those_of_what_stays_go_on() {
    let (origin, other) = (origin().await, origin().await);
    let endpoint = origin.address().expect("TCP");
    let gone_endpoint = other.address().expect("TCP").to_string();
    let both = format!("{{name: p, endpoints: [\"{endpoint}\", \"{gone_endpoint}\"]}}");
    let gone = ["gone-door", "gone-route", "gone-pool", &gone_endpoint];
    let before = config(
        &[HTTP, "{name: gone-door, address: \"127.0.0.1:0\"}"],
        &[
            "{name: stays, pool: p}",
            "{name: gone-route, match: {paths: [{prefix: /gone}]}, respond: {}}",
        ],
        &[&both, "{name: gone-pool, endpoints: [\"127.0.0.1:1\"]}"],
    );
    let portcullis = Portcullis::start(&before).await;
    let address = portcullis.listener("http");
    for path in ["/", "/gone"] {
        for _ in 0..4 {
            http1(address).await.get(path).await;
        }
    }
    let metrics = async || {
        Raw::connect(portcullis.admin())
            .await
            .get("/metrics")
            .await
            .text()
    };
    let counted = "portcullis_requests_total{code=\"2xx\",route=\"stays\"}";
    eventually("all are counted", async || {
        portcullis.metric(counted).await == 4.0
    })
    .await;
    for name in gone {
        assert!(metrics().await.contains(name), "{name}");
    }
    let after = config(
        &[HTTP],
        &["{name: stays, pool: p}"],
        &[&pool("p", origin.address())],
    );
    portcullis.apply(&after).await;
    eventually("they are gone", async || {
        let text = metrics().await;
        gone.iter().all(|name| !text.contains(name))
    })
    .await;
    http1(address).await.get("/").await;
    eventually("counted on", async || {
        portcullis.metric(counted).await == 5.0
    })
    .await;
    let connections = "portcullis_connections_total{listener=\"http\"}";
    assert_eq!(portcullis.metric(connections).await, 9.0);
    let attempts = format!("portcullis_upstream_requests_total{{endpoint=\"{endpoint}\"");
    assert!(portcullis.metric(&attempts).await >= 3.0);
}

#[tokio::test]
async fn requests_in_flight_are_counted_over_reloads() {
    let origin = origin().await;
    let yaml = |weight: u32| {
        let endpoint = origin.address().expect("TCP");
        let pool =
            format!("{{name: p, endpoints: [{{address: \"{endpoint}\", weight: {weight}}}]}}");
        config(&[HTTP], &["{name: all, pool: p}"], &[&pool])
    };
    let portcullis = Portcullis::start(&yaml(1)).await;
    let address = portcullis.listener("http");
    let hangs = [
        Raw::sent(address, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await,
        Raw::sent(address, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await,
    ];
    let both = [
        "portcullis_requests_in_flight",
        "portcullis_upstream_in_flight",
    ];
    let are = async |count: f64| {
        for series in both {
            eventually(series, async || portcullis.metric(series).await == count).await;
        }
    };
    are(2.0).await;
    for weight in 2..5 {
        portcullis.apply(&yaml(weight)).await;
        are(2.0).await;
    }
    drop(hangs);
    are(0.0).await;
    eventually("one generation", async || {
        portcullis
            .metric("portcullis_config_generations_in_use ")
            .await
            == 1.0
    })
    .await;
}
