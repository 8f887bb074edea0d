//! Does each kind of listener serve its clients?

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_listener_serves_http1_and_keeps_the_connection() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address())).carrier(carrier).start().await;
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        for path in ["/echo", "/bytes/10", "/status/204", "/chunked/10k"] {
            let response = raw.get(path).await;
            assert_eq!(response.version, "HTTP/1.1");
            assert!(!response.closes());
        }
        let mut client = http1(portcullis.listener("http")).await;
        assert_eq!(client.get("/bytes/5").await.status, 200);
        let line = portcullis.logged(|line| line["target"] == "/bytes/5").await;
        assert_eq!(line["status"], 200);
        assert!(portcullis.metric("portcullis_requests_total").await >= 5.0);
    })
    .await;
}
