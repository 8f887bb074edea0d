//! Do large bodies pass whole, in flat memory?

use bytes::Bytes;
use http_body_util::BodyExt;

use super::pieces::growing;
use crate::support::*;

/// How much more memory a transfer may take, however large it is.
const ROOM: u64 = 64 << 20;

/// How much is sent at once, in bytes.
const PIECE: usize = 256 * 1024;

/// The size of a large body: 1 GiB, a quarter of it where every minute is paid for.
fn large() -> u64 {
    if std::env::var_os("CI").is_some() {
        256 << 20
    } else {
        1 << 30
    }
}

/// Downloads `size` bytes and gives the most memory the process had meanwhile.
async fn download(portcullis: &Portcullis, client: &mut Client, size: u64) -> u64 {
    let asked = request("GET", &format!("/bytes/{size}"))
        .body(full(""))
        .expect("a request");
    let mut body = client.send(asked).await.expect("a header").into_body();
    let (mut length, mut most, mut looked) = (0_u64, 0, 0);
    while let Some(frame) = in_time("a piece", body.frame()).await {
        length += frame
            .expect("no break")
            .into_data()
            .map_or(0, |data| data.len() as u64);
        if length >= looked {
            most = most.max(portcullis.rss());
            looked += 16 << 20;
        }
    }
    assert_eq!(length, size);
    most
}

/// Uploads `size` bytes over HTTP/1.1 and gives the most memory the process had meanwhile.
async fn upload(portcullis: &Portcullis, size: u64) -> u64 {
    let header = format!("POST /echo HTTP/1.1\r\nHost: a.test\r\nContent-Length: {size}\r\n\r\n");
    let mut raw = Raw::sent(portcullis.listener("http"), header).await;
    let (piece, mut most) = (vec![b'x'; PIECE], 0);
    for number in 0..size / PIECE as u64 {
        raw.send(&piece).await;
        if number % 64 == 0 {
            most = most.max(portcullis.rss());
        }
    }
    assert_eq!(raw.response().await.json()["body_bytes"], size);
    most
}

/// The same over HTTP/2.
async fn upload_http2(portcullis: &Portcullis, size: u64) -> u64 {
    let (sender, body) = growing();
    let asked = request("POST", "/echo").body(body).expect("a request");
    let mut client = http2(portcullis.listener("http")).await;
    let (most, answer) = tokio::join!(
        async {
            let (piece, mut most) = (Bytes::from(vec![b'x'; PIECE]), 0);
            for number in 0..size / PIECE as u64 {
                in_time("room for a piece", sender.send(piece.clone()))
                    .await
                    .expect("taken");
                if number % 64 == 0 {
                    most = most.max(portcullis.rss());
                }
            }
            drop(sender);
            most
        },
        client.ask(asked)
    );
    assert_eq!(answer.json()["body_bytes"], size);
    most
}

#[tokio::test]
async fn a_gibibyte_comes_down_in_flat_memory() {
    let origin = origin().await;
    for (carrier, http2_client, size) in [
        (Carrier::Direct, false, large()),
        (Carrier::Duplex, false, large() / 4),
        (Carrier::Direct, true, large() / 4),
        (Carrier::Duplex, true, large() / 8),
    ] {
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let mut client = if http2_client {
            http2(address).await
        } else {
            http1(address).await
        };
        assert_eq!(
            client.get("/bytes/1m").await.body,
            origin::expected_bytes(1 << 20)
        );
        assert_eq!(
            client.get("/chunked/1m").await.body,
            origin::expected_bytes(1 << 20)
        );
        let before = portcullis.rss();
        let most = download(&portcullis, &mut client, size).await;
        assert!(
            most < before + ROOM,
            "{before} before, at most {most} ({carrier}, HTTP/2: {http2_client})"
        );
        let path = format!("/bytes/{size}");
        let line = portcullis
            .logged(|line| line["target"] == path.as_str())
            .await;
        assert_eq!(
            (&line["bytes_sent"], line.get("reason")),
            (&size.into(), None),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_gibibyte_goes_up_in_flat_memory() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut client = http1(portcullis.listener("http")).await;
    assert_eq!(
        client.post("/upload", "foobar").await.json()["fnv1a64"],
        "85944171f73967e8"
    );
    let before = portcullis.rss();
    let most = upload(&portcullis, large()).await;
    assert!(most < before + ROOM, "{before} before, at most {most}");
    portcullis
        .logged(|line| line["bytes_received"] == large())
        .await;

    let before = portcullis.rss();
    let most = upload_http2(&portcullis, large() / 8).await;
    assert!(
        most < before + ROOM,
        "{before} before, at most {most} over HTTP/2"
    );
}
