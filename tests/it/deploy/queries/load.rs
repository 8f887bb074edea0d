//! What makes every metric move? A load of a few seconds, in which much goes wrong that can.

use std::sync::Arc;

use rustls::ALL_VERSIONS;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::whole::{NAME, Whole};
use crate::deploy::prometheus::Prometheus;
use crate::support::frames::*;
use crate::support::*;

/// Provokes it all, the worst last.
pub async fn provoke(whole: &mut Whole, prometheus: &Prometheus, redis: &mut Redis) {
    it_is_upgraded(whole, prometheus).await;
    lines_are_lost(whole).await;
    requests(whole, prometheus).await;
    connections(whole).await;
    endpoints_fail(whole).await;
    the_cache_is_used(whole, prometheus).await;
    some_are_refused(whole).await;
    a_queue_is_full(whole, prometheus).await;
    the_process_is_full(whole, prometheus).await;
    others_fail(whole, redis).await;
}

/// Sends a GET with these fields on a connection of its own; the status.
async fn get(whole: &Whole, path: &str, fields: &[(&str, &str)]) -> u16 {
    let mut asked = request("GET", path);
    for (name, value) in fields {
        asked = asked.header(*name, *value);
    }
    let asked = asked.body(full("")).expect("a request");
    http1(whole.at("plain"))
        .await
        .ask(asked)
        .await
        .status
        .as_u16()
}

/// Another process takes over, and the one before still has a request.
async fn it_is_upgraded(whole: &mut Whole, prometheus: &Prometheus) {
    let held = "GET /holding/held/former HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut held = Raw::sent(whole.at("plain"), held).await;
    arrived(&whole.holding, 1).await;
    // They did not start in the same second.
    prometheus
        .sees("time() - process_start_time_seconds > 2")
        .await;
    let mut former = whole.portcullis.upgrade(&[]).await;
    prometheus
        .sees("portcullis_predecessor_connections > 0")
        .await;
    whole.holding.release_one("former");
    assert_eq!(held.response().await.status, 200);
    former.gone().await;
}

/// The log is on a full disk and there is no memory for an encoder, until a reload.
async fn lines_are_lost(whole: &Whole) {
    let portcullis = &whole.portcullis;
    assert_eq!(
        get(whole, "/stored/uncoded", &[("accept-encoding", "gzip")]).await,
        200
    );
    eventually("a line is lost", async || {
        portcullis
            .metric("portcullis_access_log_lines_total{result=\"dropped\"")
            .await
            > 0.0
    })
    .await;
    portcullis.apply(whole.yaml()).await;
}

/// Of all protocols and kinds, over connections that stay; a slow endpoint is asked twice.
async fn requests(whole: &Whole, prometheus: &Prometheus) {
    let plain = whole.at("plain");
    let roots = whole.authority.roots();
    let config = Arc::new(client_config(&roots, ALL_VERSIONS, &["h2"]));
    for _ in 0..3 {
        // The same settings, which remember a session.
        let stream = tls(whole.at("tls"), NAME, &config)
            .await
            .expect("a handshake");
        let mut client = over(stream, true, "https", NAME).await;
        assert_eq!(client.get("/").await.status, 200);
    }
    let [mut one, mut two] = [http1(plain).await, http2(plain).await];
    for _ in 0..20 {
        assert_eq!(one.get("/bytes/20k").await.status, 200);
        assert_eq!(two.post("/upload", "some bytes").await.status, 200);
        assert_eq!(one.get("/status/503").await.status, 503);
        assert_eq!(get(whole, "/named/", &[]).await, 200);
    }
    prometheus.sees("portcullis_http2_connections > 0").await;
    prometheus.sees("portcullis_connections_idle > 0").await;
    // Who leaves before there is an answer.
    for _ in 0..3 {
        let mut leaving = Raw::sent(plain, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await;
        leaving.finish_sending().await;
        drop(leaving);
    }
}

/// Refused, taken back, flooded.
async fn connections(whole: &Whole) {
    let plain = whole.at("plain");
    let refused = Raw::sent(whole.at("tls"), "GET / HTTP/1.1\r\n\r\n").await;
    let single = http1(whole.at("single")).await;
    eventually("a connection too many is refused", async || {
        // It may be closed before this end knows that it is open.
        drop(TcpStream::connect(whole.at("single")).await);
        let series =
            "portcullis_connections_refused_total{listener=\"single\",reason=\"limit_listener\"";
        whole.portcullis.metric(series).await > 0.0
    })
    .await;
    drop((refused, single));
    let mut client = Frames::connect(plain).await;
    let hanging = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", NAME),
        (":path", "/hang"),
    ];
    client.headers(1, &hanging, true).await;
    client.frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]).await;
    client
        .write(&frame(PING, 0, 0, b"are you?").repeat(500))
        .await;
    assert!(matches!(client.ended(0).await, Ended::GoAway(_)));
}

/// Endpoints where nobody is: found by checks, ejected, behind breakers. And one that the operator has drained.
async fn endpoints_fail(whole: &mut Whole) {
    whole.leaving.take().expect("it is there").stop().await;
    eventually("checks find that an endpoint has left", async || {
        let changes = "portcullis_upstream_health_changes_total{";
        whole.portcullis.metric(changes).await > 0.0
    })
    .await;
    for _ in 0..10 {
        assert_eq!(get(whole, "/ejecting/", &[]).await, 200);
        assert_eq!(get(whole, "/checked/", &[]).await, 200);
        assert!(get(whole, "/shut/", &[]).await >= 500);
    }
    for _ in 0..40 {
        assert!(get(whole, "/broken/", &[]).await >= 500);
    }
    let slow = whole.slow.address().expect("TCP").to_string();
    let said = whole
        .portcullis
        .run(&["drain", "--pool", "app", "--endpoint", &slow])
        .await;
    assert_eq!(said.code, 0, "{said:?}");
}

/// Stored, asked for again, pushed out of memory, had from the fetch of another, compressed, purged.
async fn the_cache_is_used(whole: &Whole, prometheus: &Prometheus) {
    let compressed = [("host", NAME), ("accept-encoding", "gzip")];
    for _ in 0..2 {
        for page in 0..40 {
            let path = format!("/stored/{page}");
            assert_eq!(get(whole, &path, &compressed[..1 + page % 2]).await, 200);
        }
    }
    let together = (0..5).map(|_| get(whole, "/stored/together", &compressed[..1]));
    futures_util::future::join_all(together).await;
    let long = async {
        prometheus
            .sees("portcullis_compression_memory_bytes > 0")
            .await;
        whole.stored.release_one("long");
    };
    let (status, ()) = tokio::join!(get(whole, "/stored/long", &compressed), long);
    assert_eq!(status, 200);
    let admin = whole.portcullis.admin();
    eventually("objects are on disk, and read from there", async || {
        for page in ["/stored/1", "/stored/3"] {
            get(whole, page, &compressed).await;
        }
        let hits = "portcullis_cache_disk_reads_total{result=\"hit\"";
        whole.portcullis.metric(hits).await > 0.0
    })
    .await;
    for tier in ["memory", "disk"] {
        prometheus
            .sees(&format!("portcullis_cache_objects{{tier=\"{tier}\"}} > 0"))
            .await;
    }
    let purge = "POST /cache/purge?all HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let purged = Raw::sent(admin, purge).await.response().await;
    assert_eq!(purged.status, 200, "{purged:?}");
}

/// By rate limits, also those that machines share, and for want of a token.
async fn some_are_refused(whole: &Whole) {
    for key in 0..60 {
        let key = key.to_string();
        get(whole, "/limited", &[("x-key", &key)]).await;
        get(whole, "/limited", &[("x-key", "greedy")]).await;
        assert_eq!(get(whole, "/shared", &[]).await, 200);
    }
    let good = whole.key.bearer(&json!({}));
    for _ in 0..5 {
        assert_eq!(get(whole, "/api/", &[("authorization", &good)]).await, 200);
        assert_eq!(get(whole, "/api/", &[]).await, 401);
    }
}

/// One is served, one waits in vain, and the third finds the queue full.
async fn a_queue_is_full(whole: &Whole, prometheus: &Prometheus) {
    let statuses = async |path: &'static str, count: usize| {
        let each = (0..count).map(|_| get(whole, path, &[]));
        futures_util::future::join_all(each).await
    };
    let seen = async {
        prometheus.sees("portcullis_pool_queue_length > 0").await;
        // The one that waits is refused when its time is over; the one that is served is let go.
        prometheus
            .sees("portcullis_pool_refused_total{reason=\"queue_timeout\"} > 0")
            .await;
        whole.holding.release_one("first");
    };
    let (statuses, ()) = tokio::join!(statuses("/narrow/held/first", 3), seen);
    assert_eq!(
        statuses.iter().filter(|&&status| status == 200).count(),
        1,
        "{statuses:?}"
    );
}

/// As many requests are under way as there may be: low priorities are shed, then all.
async fn the_process_is_full(whole: &Whole, prometheus: &Prometheus) {
    let plain = whole.at("plain");
    let mut held = JoinSet::new();
    for _ in 0..12 {
        held.spawn(async move {
            let asked = request("GET", "/holding/held/second").header("x-priority", "high");
            let asked = asked.body(full("")).expect("a request");
            http1(plain)
                .await
                .send_patiently(asked)
                .await
                .expect("an answer")
                .status()
        });
    }
    arrived(&whole.holding, 12).await;
    for priority in ["low", "high"] {
        assert_eq!(
            get(whole, "/holding/", &[("x-priority", priority)]).await,
            503
        );
    }
    prometheus.sees("portcullis_overload_level == 3").await;
    for _ in 0..12 {
        whole.holding.release_one("second");
    }
    assert!(held.join_all().await.iter().all(|status| *status == 200));
}

/// Whoever else is asked: Redis goes, the issuer says nothing of use, the operator makes a mistake.
async fn others_fail(whole: &Whole, redis: &mut Redis) {
    redis.kill();
    whole.issuer.serve(Serves::Body(500, String::new()));
    eventually("limits are not shared any more", async || {
        get(whole, "/shared", &[]).await;
        whole
            .portcullis
            .metric("portcullis_shared_limit_reachable")
            .await
            == 0.0
    })
    .await;
    for _ in 0..5 {
        assert_eq!(get(whole, "/shared", &[]).await, 200);
        // As before: `rate` sees nothing of a series that has only just come.
        assert_eq!(get(whole, "/shut/", &[]).await, 503);
    }
    whole.portcullis.rejected("listeners: 1\n").await;
}
