//! What does the admin listener tell of the cache, before and after a purge?

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_of_the_cache_is_told() {
    let (_origin, portcullis) = started("").await;
    let mut client = http1(portcullis.listener("http")).await;
    let told = async || http1(portcullis.admin()).await.get("/cache").await.json();
    let empty = told().await;
    assert_eq!(empty["memory"]["objects"], 0, "{empty}");
    assert_eq!(
        (&empty["hit_ratio"], &empty["disk"]),
        (&Value::Null, &Value::Null),
        "{empty}"
    );
    for page in ["/a", "/b"] {
        get(&mut client, page).await;
        stored(&mut client, page).await;
    }
    // An answer is counted a moment after its client has it.
    eventually("both hits are counted", async || {
        told().await["requests"]["hit"].as_u64() >= Some(2)
    })
    .await;
    let report = told().await;
    assert_eq!(report["memory"]["objects"], 2, "{report}");
    assert_eq!(report["memory"]["limit_bytes"], 64 << 20, "{report}");
    let bytes = report["memory"]["bytes"].as_u64().expect("a number");
    assert!((16..16 << 10).contains(&bytes), "{report}");
    assert_eq!(report["routes"][0]["route"], "all", "{report}");
    let requests = &report["requests"];
    let count = |of: &str| requests[of].as_f64().expect("a number");
    assert!(count("miss") >= 2.0 && count("hit") >= 2.0, "{report}");
    let ratio = count("hit") / (count("hit") + count("miss"));
    assert_eq!(report["hit_ratio"].as_f64(), Some(ratio), "{report}");
    assert_eq!(
        portcullis
            .metric("portcullis_cache_objects{tier=\"memory\"}")
            .await,
        2.0
    );
    assert_eq!(
        portcullis
            .metric("portcullis_cache_bytes{tier=\"memory\"}")
            .await,
        bytes as f64
    );
    let hits = "portcullis_cache_requests_total{result=\"hit\",route=\"all\"}";
    assert_eq!(portcullis.metric(hits).await, count("hit"));
    portcullis.logged(|line| line["cache"] == "hit").await;
    purge(&portcullis, json!({"all": true})).await;
    assert_eq!(told().await["memory"]["objects"], 0);
}
