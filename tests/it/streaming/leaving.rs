//! Does the endpoint's work end when the client leaves, and wait when the client is slow?

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::pieces::{Stage, growing};
use crate::support::*;

/// What the kernel's buffers between client and endpoint may hold, with room to spare.
const BUFFERS: u64 = 48 << 20;

#[tokio::test]
async fn a_client_of_http1_that_leaves_ends_the_endpoints_work() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        for (number, (path, answered)) in [
            ("/hang", false),
            ("/drip/100000/20", true),
            ("/hang-body", true),
            ("/sse?ms=20", true),
        ]
        .into_iter()
        .enumerate()
        {
            let request = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n");
            let mut raw = Raw::sent(portcullis.listener("http"), request).await;
            if answered {
                raw.until(b"\r\n\r\n").await;
            }
            assert!(
                origin
                    .journal()
                    .becomes(PATIENCE, |journal| journal.in_flight() == 1)
                    .await,
                "{path}"
            );
            drop(raw);
            let cancelled = origin
                .journal()
                .becomes(PATIENCE, |journal| journal.cancelled() == number as u64 + 1);
            assert!(cancelled.await, "{path}: {:?}", origin.journal());
            let line = portcullis.logged(|line| line["target"] == path).await;
            assert_eq!(line["reason"], "client_gone", "{line}");
            let (status, phase) = match answered {
                true => (200, "body"),
                false => (499, "response"),
            };
            assert_eq!(line["status"], status, "{line}");
            assert_eq!(line["phase"], phase, "{line}");
        }
        assert!(
            portcullis
                .metric("portcullis_failures_total{reason=\"client_gone\"")
                .await
                >= 4.0
        );
        assert_eq!(
            portcullis.metric("portcullis_upstream_in_flight").await,
            0.0
        );
    })
    .await;
}

#[tokio::test]
async fn a_stream_of_http2_that_is_reset_ends_the_endpoints_work_and_leaves_the_others_alone() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        let mut client = http2(portcullis.listener("http")).await;
        let get = |path: &str| request("GET", path).body(full("")).expect("a request");
        let journal = origin.journal();
        tokio::select! {
            answer = client.send(get("/hang")) => panic!("{answer:?}"),
            hangs = journal.becomes(PATIENCE, |journal| journal.in_flight() == 1) => assert!(hangs),
        }
        assert!(
            journal
                .becomes(PATIENCE, |journal| journal.cancelled() == 1)
                .await,
            "{journal:?}"
        );
        let response = client.send(get("/drip/100000/20")).await.expect("a header");
        drop(response);
        assert!(
            journal
                .becomes(PATIENCE, |journal| journal.cancelled() == 2)
                .await,
            "{journal:?}"
        );
        assert_eq!(client.get("/echo").await.status, 200);
        let line = portcullis.logged(|line| line["target"] == "/hang").await;
        assert_eq!(
            (&line["status"], &line["reason"]),
            (&499.into(), &"client_gone".into()),
            "{line}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_upload_ends_it() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let journal = origin.journal();
    let header = "POST /upload HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nsome";
    let raw = Raw::sent(portcullis.listener("http"), header).await;
    assert!(
        journal
            .becomes(PATIENCE, |journal| journal.bytes_received() == 4)
            .await
    );
    drop(raw);
    assert!(
        journal
            .becomes(PATIENCE, |journal| journal.cancelled() == 1)
            .await,
        "{journal:?}"
    );

    let mut client = http2(portcullis.listener("http")).await;
    let (sender, body) = growing();
    sender.send("more".into()).await.expect("taken");
    let asked = request("POST", "/upload?2").body(body).expect("a request");
    tokio::select! {
        answer = client.send(asked) => panic!("{answer:?}"),
        came = journal.becomes(PATIENCE, |journal| journal.bytes_received() == 8) => assert!(came),
    }
    assert!(
        journal
            .becomes(PATIENCE, |journal| journal.cancelled() == 2)
            .await,
        "{journal:?}"
    );
    for target in ["/upload", "/upload?2"] {
        let line = portcullis.logged(|line| line["target"] == target).await;
        assert_eq!(
            (&line["status"], &line["reason"]),
            (&499.into(), &"client_gone".into()),
            "{line}"
        );
    }
}

/// Writes until nobody takes more, and counts.
async fn pour(stream: TcpStream, poured: Arc<AtomicU64>) {
    let (mut read, mut write) = stream.into_split();
    tokio::spawn(async move {
        let mut ignored = [0; 4096];
        while read.read(&mut ignored).await.is_ok_and(|length| length > 0) {}
    });
    let piece = vec![b'x'; 64 * 1024];
    while write.write_all(&piece).await.is_ok() {
        poured.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
}

/// Waits until the count stands still.
async fn stands_still(poured: &AtomicU64) -> u64 {
    let mut last = (0, 0);
    let what = "the sender is made to wait";
    eventually(what, async || {
        let now = poured.load(Ordering::Relaxed);
        last = if now == last.0 && now > 0 {
            (now, last.1 + 1)
        } else {
            (now, 0)
        };
        // A third of a second without one more piece.
        last.1 > 33
    })
    .await;
    last.0
}

/// An endpoint that answers every request with an endless body, and how much of it was taken.
async fn endless() -> (SocketAddr, Arc<AtomicU64>) {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let (address, poured) = (
        socket.local_addr().expect("an address"),
        Arc::new(AtomicU64::new(0)),
    );
    let count = Arc::clone(&poured);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            let header = b"HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\n";
            stream.write_all(header).await.expect("sent");
            tokio::spawn(pour(stream, Arc::clone(&count)));
        }
    });
    (address, poured)
}

#[tokio::test]
async fn an_endpoint_waits_while_the_client_does_not_read() {
    both_carriers(async |carrier| {
        for http2_client in [false, true] {
            let (address, poured) = endless().await;
            let yaml = site("", Some(address));
            let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
            let before = portcullis.rss();
            let address = portcullis.listener("http");
            let mut client = if http2_client {
                http2(address).await
            } else {
                http1(address).await
            };
            let asked = request("GET", "/").body(full("")).expect("a request");
            let mut response = client.send(asked).await.expect("a header");
            let first = stands_still(&poured).await;
            assert!(
                first < BUFFERS,
                "{first} bytes were taken (HTTP/2: {http2_client})"
            );
            assert!(
                portcullis.rss() < before + (16 << 20),
                "{before} and now {}",
                portcullis.rss()
            );
            // It goes on when the client does.
            let mut read = 0;
            while read <= first {
                read += super::pieces::next_piece(response.body_mut()).await.len() as u64;
            }
            assert!(stands_still(&poured).await > first);
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_waits_while_the_endpoint_does_not_read() {
    let stage = Stage::new().await;
    let portcullis = Portcullis::start(&site("", stage.address())).await;
    let mut stream = TcpStream::connect(portcullis.listener("http"))
        .await
        .expect("connected");
    let header = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1099511627776\r\n\r\n";
    stream.write_all(header).await.expect("sent");
    let poured = Arc::new(AtomicU64::new(0));
    let client = tokio::spawn(pour(stream, Arc::clone(&poured)));
    let (_endpoint, _) = stage.request().await;
    let taken = stands_still(&poured).await;
    assert!(taken < BUFFERS, "{taken} bytes were taken");
    assert!(portcullis.rss() < (100 << 20), "{}", portcullis.rss());
    client.abort();
    let left = tokio::time::timeout(Duration::from_secs(1), client).await;
    assert!(left.is_ok());
}
