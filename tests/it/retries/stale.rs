//! Does a request notice that idle connections were closed?

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// An endpoint that answers the first request of each connection, not too soon, and closes it when a second one has come:
/// every idle connection to it is stale.
async fn once() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            tokio::spawn(async move {
                for answers in [true, false] {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    if answers {
                        // So that requests of the same time have a connection each.
                        tokio::time::sleep(Duration::from_millis(200)).await;
                        // Who does not wait for it has no use for it.
                        let _ = stream.write_all(OK.as_bytes()).await;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn many_idle_connections_may_be_stale_one_after_another() {
    both_carriers(async |carrier| {
        let endpoint = once().await;
        // No retries at all: this is none.
        let yaml = pool(&[endpoint], ", retries: {limit: 0}", "");
        let yaml = format!("{yaml}\nruntime: {{threads: 1, carrier: {carrier}}}\n");
        let portcullis = Portcullis::start(&yaml).await;
        let address = portcullis.listener("http");
        // At the same time, so that as many connections stay open.
        let warm = (0..8).map(|_| async move {
            assert_eq!(http1(address).await.get("/").await.status, 200);
        });
        futures_util::future::join_all(warm).await;
        let mut client = http1(address).await;
        for method in ["GET", "PUT", "GET", "DELETE"] {
            let asked = request(method, "/").body(full("")).expect("a request");
            assert_eq!(client.ask(asked).await.status, 200, "{method}");
        }
        let outcomes = |outcome: &str| {
            format!(
                "portcullis_upstream_requests_total{{endpoint=\"{endpoint}\",outcome=\"{outcome}\""
            )
        };
        assert_eq!(portcullis.metric(&outcomes("success")).await, 12.0);
        assert_eq!(portcullis.metric(&outcomes("failure")).await, 0.0);
        assert_eq!(portcullis.metric(&outcomes("neutral")).await, 0.0);
        // They were used, and each was stale.
        let reused = portcullis
            .metric("portcullis_upstream_connections_total")
            .await;
        assert_eq!(reused, 16.0);
        let lines = portcullis.access_log();
        assert!(lines.iter().all(|line| line["attempts"] == 1), "{lines:?}");
    })
    .await;
}

#[tokio::test]
async fn every_idle_connection_that_is_closed_at_once_costs_nothing() {
    for (protocol, carrier) in [
        ("http1", "direct"),
        ("http1", "duplex"),
        ("http2", "duplex"),
    ] {
        let mut origin = origin::Origin::builder().start().await.expect("an origin");
        let address = origin.address().expect("TCP");
        let yaml = pool(
            &[address],
            &format!(", protocol: {protocol}, retries: {{limit: 0}}"),
            "",
        );
        let portcullis = Portcullis::builder(&format!("{yaml}\nruntime: {{carrier: {carrier}}}\n"))
            .start()
            .await;
        let mut client = http1(portcullis.listener("http")).await;
        for _ in 0..5 {
            assert_eq!(client.get("/").await.status, 200);
            origin.stop().await;
            origin = origin::Origin::builder()
                .listen(address.to_string())
                .start()
                .await
                .expect("its port again");
            assert_eq!(client.get("/").await.status, 200, "{protocol} {carrier}");
        }
    }
}
