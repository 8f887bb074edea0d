//! What counts against an endpoint, and what of that which clients do does not?

use std::time::Duration;

use super::*;

#[tokio::test]
async fn clients_that_go_away_open_nothing_and_eject_nobody() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let endpoint = origin.address().expect("TCP");
        let other = origin_that_answers().await;
        let yaml = guarded(
            &[endpoint, other.address()],
            "breaker: {consecutive_failures: 1, error_ratio: 1, min_requests: 1}, \
             ejection: {consecutive_failures: 1, error_ratio: 1, min_requests: 1}",
        );
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let mut left = 0;
        while left < 5 {
            let mut raw = Raw::sent(address, "GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
            // One of the two answers at once; the other one holds it until the client goes away.
            let journal = origin.journal();
            tokio::select! {
                answer = raw.response() => {
                    assert_eq!(answer.status, 200);
                    continue;
                }
                held = journal.becomes(PATIENCE, |journal| journal.in_flight() == 1) => assert!(held),
            }
            drop(raw);
            left += 1;
            arrived(&origin, 0).await;
        }
        eventually("they are seen to be gone", async || {
            let gone = "portcullis_failures_total{reason=\"client_gone\"";
            portcullis.metric(gone).await == 5.0
        })
        .await;
        for series in ["breaker_state", "breaker_transitions_total", "ejected", "ejections_total"] {
            assert_eq!(portcullis.metric(&format!("portcullis_upstream_{series}")).await, 0.0, "{series}");
        }
        let neutral = format!(
            "portcullis_upstream_requests_total{{endpoint=\"{endpoint}\",outcome=\"neutral\",pool=\"p\"}}"
        );
        assert_eq!(portcullis.metric(&neutral).await, 5.0);
    })
    .await;
}

#[tokio::test]
async fn what_counts_as_a_failure_and_what_is_slow_is_as_the_pool_says() {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    let portcullis = Portcullis::start(&guarded(
        &[endpoint],
        "breaker: {consecutive_failures: 2, open_for: 1h, max_open_for: 1h, failures: [429, 500-501]}",
    ))
    .await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..3 {
        for status in ["503", "404", "429", "200", "501"] {
            let answer = client.get(&format!("/status/{status}")).await;
            assert_eq!(answer.status.as_str(), status);
        }
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(client.get("/status/500").await.status, 500);
    assert_eq!(client.get("/status/429").await.status, 429);
    assert_eq!(
        client.get("/").await.text().lines().nth(1),
        Some("breaker_open")
    );

    let portcullis = Portcullis::start(&guarded(
        &[endpoint],
        "breaker: {slow_ratio: 100, slow_after: 10ms, min_requests: 3, open_for: 1h, max_open_for: 1h}",
    ))
    .await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..3 {
        assert_eq!(client.get("/delay/50").await.status, 200);
    }
    assert_eq!(
        client.get("/").await.text().lines().nth(1),
        Some("breaker_open")
    );
    portcullis.says("3 of 3 requests were slow").await;
}

/// A client that says it uploads so many bytes and sends the first few one by one, each half a second after the other.
async fn trickles(address: SocketAddr, length: usize, sent: usize) -> Raw {
    let head = format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    let mut raw = Raw::sent(address, head).await;
    for _ in 0..sent {
        tokio::time::sleep(Duration::from_millis(500)).await;
        raw.send("a").await;
    }
    raw
}

#[tokio::test]
async fn a_client_that_uploads_slowly_does_not_make_its_endpoint_look_slow() {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    for protocol in ["http1", "http2"] {
        let portcullis = Portcullis::start(&guarded(
            &[endpoint],
            &format!(
                "protocol: {protocol}, breaker: {{slow_ratio: 50, slow_after: 1s, min_requests: 3, \
                 open_for: 1h, max_open_for: 1h}}"
            ),
        ))
        .await;
        let address = portcullis.listener("http");
        let uploads = async || trickles(address, 4, 4).await.response().await.status;
        assert_eq!(
            tokio::join!(uploads(), uploads(), uploads()),
            (200, 200, 200)
        );
        assert_eq!(http1(address).await.get("/").await.status, 200);
    }
}

async fn an_upload_takes_all_the_time_there_is(endpoint: SocketAddr, protocol: &str) {
    let portcullis = Portcullis::start(&guarded(
        &[endpoint],
        &format!(
            "protocol: {protocol}, timeouts: {{total: 2s}}, \
             breaker: {{consecutive_failures: 3, open_for: 1h, max_open_for: 1h}}"
        ),
    ))
    .await;
    let address = portcullis.listener("http");
    // Who is silent at the end is answered, and who is not is dropped a little later.
    let silent = async || trickles(address, 100, 1).await.response().await.status;
    let busy = async || trickles(address, 100, 3).await.rest().await;
    let (one, two, three, ..) = tokio::join!(silent(), silent(), silent(), busy(), busy(), busy());
    assert_eq!((one, two, three), (504, 504, 504));
    eventually("all six have failed", async || {
        let failed = "portcullis_failures_total{reason=\"total_timeout\"";
        portcullis.metric(failed).await == 6.0
    })
    .await;
    assert_eq!(http1(address).await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_client_whose_upload_takes_all_the_time_there_is_does_not_make_its_endpoint_look_ill() {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    tokio::join!(
        an_upload_takes_all_the_time_there_is(endpoint, "http1"),
        an_upload_takes_all_the_time_there_is(endpoint, "http2"),
    );
}
