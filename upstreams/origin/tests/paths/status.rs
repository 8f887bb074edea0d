//! Do statuses come as asked for?

use crate::client::{ask2, collect, get, http1, origin, request};

#[tokio::test]
async fn any_final_status_can_be_had_and_leaves_the_connection_usable() {
    let (origin, address) = origin().await;
    let mut sender = http1(address).await;
    for status in [200, 204, 205, 304, 404, 417, 500, 503, 599] {
        let path = format!("/status/{status}");
        let response = sender.send_request(request("GET", &path, "")).await;
        let reply = collect(response.expect("a response"))
            .await
            .expect("a body");
        assert_eq!(reply.status, status);
        assert!(reply.body.is_empty());
        assert_eq!(ask2(address, "GET", &path, b"").await.status, status);
    }
    assert_eq!(origin.journal().cancelled(), 0);
    assert_eq!(get(address, "/status/100").await.status, 400);
}

#[tokio::test]
async fn flaky_fails_its_share_evenly_over_all_connections() {
    let (_origin, address) = origin().await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(get(address, "/flaky/0.5").await.status.as_u16());
    }
    assert_eq!(statuses, [200, 503, 200, 503, 200, 503, 200, 503]);
    assert_eq!(get(address, "/flaky/2").await.status, 400);
}
