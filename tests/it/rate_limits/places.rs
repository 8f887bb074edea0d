//! Where may a limit stand?

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_counts_whatever_it_is_asked() {
    let origin = origin().await;
    let limit = "{name: door, rate: 1/h, burst: 3}";
    let config = limited(&origin, limit, "", "").replace(
        "- {name: all, rate_limits: [], ",
        "- {name: all, match: {paths: [{prefix: /echo}]}, ",
    );
    let portcullis = Portcullis::start(&config).await;
    let mut client = http1(portcullis.listener("http")).await;
    for (path, expected) in [
        ("/own", 200),
        ("/echo", 200),
        ("/nowhere", 404),
        ("/nowhere", 429),
    ] {
        assert_eq!(status(&mut client, path, &[]).await, expected, "{path}");
    }
    let line = portcullis.logged(|line| line["status"] == 429).await;
    assert_eq!(line["route"], serde_json::Value::Null);
    assert_eq!(
        counted(&portcullis, "listener", "door", "refused").await,
        1.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_route_counts_for_itself() {
    let origin = origin().await;
    let limit = "{name: own, rate: 1/h, burst: 1}";
    let portcullis = Portcullis::start(&limited(&origin, "", limit, "")).await;
    let mut client = http1(portcullis.listener("http")).await;
    for (path, expected) in [("/own", 200), ("/own", 429), ("/echo", 200), ("/echo", 429)] {
        assert_eq!(status(&mut client, path, &[]).await, expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_counts_for_all_its_routes_together() {
    let origin = origin().await;
    let config = limited(&origin, "", "", "{name: together, rate: 1/h, burst: 2}");
    let more = "- {name: more, match: {paths: [{prefix: /more}]}, pool: origin}\npools:";
    let portcullis = Portcullis::start(&config.replace("pools:", more)).await;
    let mut client = http1(portcullis.listener("http")).await;
    for (path, expected) in [
        ("/echo", 200),
        ("/more", 200),
        ("/echo", 429),
        ("/more", 429),
        ("/own", 200),
    ] {
        assert_eq!(status(&mut client, path, &[]).await, expected, "{path}");
    }
    assert_eq!(origin.journal().requests(), 2);
    assert_eq!(
        counted(&portcullis, "pool", "together", "refused").await,
        2.0
    );
}
