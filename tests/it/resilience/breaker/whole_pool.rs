//! Does one breaker of a whole pool count, refuse and recover for all its endpoints?

use super::*;
use crate::resilience::report::told;

#[tokio::test]
async fn a_breaker_of_the_whole_pool_counts_all_its_requests_and_refuses_all() {
    both_carriers(async |carrier| {
        let origins = [origin().await, origin().await];
        let addresses = origins.each_ref().map(|one| one.address().expect("TCP"));
        let settings = "{scope: pool, consecutive_failures: 4, open_for: 1h, max_open_for: 1h}";
        let yaml = guarded(&addresses, &format!("breaker: {settings}"));
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let mut client = http1(address).await;
        let requests = || origins.each_ref().map(|one| one.journal().requests());
        // Fewer than four at each of them.
        for _ in 0..4 {
            assert_eq!(client.get("/status/503").await.text(), "");
        }
        assert_eq!(requests(), [2, 2]);
        for _ in 0..10 {
            let answer = ask(address, carrier, "/").await;
            assert_eq!(answer.status, 503);
            assert_eq!(answer.text().lines().nth(1), Some("breaker_open"));
        }
        assert_eq!(requests(), [2, 2]);
        portcullis.says("pool p: its breaker is open for ").await;
        let state = "portcullis_upstream_breaker_state";
        let whole = format!("{state}{{endpoint=\"\",pool=\"p\"}}");
        assert_eq!(portcullis.metric(&whole).await, STATE_OPEN);
        assert_eq!(portcullis.metric(state).await, STATE_OPEN, "one for all");
        let pool = told(&portcullis, "p").await;
        for endpoint in pool["endpoints"].as_array().expect("endpoints") {
            assert_eq!(endpoint["breaker"], "open", "{pool}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_breaker_of_the_whole_pool_closes_for_all_its_endpoints() {
    let origins = [origin().await, origin().await];
    let addresses = origins.each_ref().map(|one| one.address().expect("TCP"));
    let settings =
        "{scope: pool, consecutive_failures: 4, open_for: 50ms, max_open_for: 50ms, trials: 2}";
    let portcullis = Portcullis::start(&guarded(&addresses, &format!("breaker: {settings}"))).await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..4 {
        client.get("/status/503").await;
    }
    portcullis.says("pool p: its breaker is open for ").await;
    let closed =
        "portcullis_upstream_breaker_transitions_total{endpoint=\"\",pool=\"p\",to=\"closed\"}";
    eventually("trials close it", async || {
        client.get("/").await;
        portcullis.metric(closed).await == 1.0
    })
    .await;
    portcullis
        .says("pool p: its breaker is closed: 2 trials in a row succeeded")
        .await;
    let requests = || origins.each_ref().map(|one| one.journal().requests());
    let before = requests();
    for _ in 0..6 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(requests(), before.map(|count| count + 3));
}
