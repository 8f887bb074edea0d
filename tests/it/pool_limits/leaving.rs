//! Does a client that leaves while it waits give its place away?

use super::*;

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_away() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&limited(
            &origin,
            "{requests: 1, queue: 2, queue_timeout: 1m}",
        ))
        .carrier(carrier)
        .start()
        .await;
        let address = portcullis.listener("http");
        let first = ask(address, "/held/first");
        arrived(&origin, 1).await;
        let leaves = Raw::sent(address, "GET /one HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        waiting(&portcullis, 1).await;
        let leaves_too = tokio::spawn(async move { http2(address).await.get("/two").await });
        waiting(&portcullis, 2).await;
        drop(leaves);
        leaves_too.abort();
        waiting(&portcullis, 0).await;
        for target in ["/one", "/two"] {
            let line = portcullis.logged(|line| line["target"] == target).await;
            assert_eq!(
                (&line["status"], &line["reason"], &line["phase"]),
                (&499.into(), &"client_gone".into(), &"pool".into())
            );
            assert!(
                line["queue"].as_f64().is_some_and(|seconds| seconds > 0.0),
                "{line}"
            );
        }
        let next = ask(address, "/next");
        waiting(&portcullis, 1).await;
        origin.release();
        succeeds(first).await;
        succeeds(next).await;
        assert_eq!(origin.journal().requests(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_with_its_upload_unread_gives_its_place_away() {
    let origin = origin().await;
    let limits = "{requests: 1, queue: 4, queue_timeout: 1m}";
    let portcullis = Portcullis::start(&limited(&origin, limits)).await;
    let address = portcullis.listener("http");
    let first = ask(address, "/held/first");
    arrived(&origin, 1).await;
    let upload = async |path: &str, length: usize, sent: usize| {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n");
        Raw::sent(address, head + &"x".repeat(sent)).await
    };
    let part = upload("/part", 100_000, 50_000).await;
    waiting(&portcullis, 1).await;
    let whole = upload("/whole", 9, 9).await;
    waiting(&portcullis, 2).await;
    let over_http2 = |path: &'static str| {
        tokio::spawn(async move { http2(address).await.post(path, vec![b'x'; 1000]).await })
    };
    let two = over_http2("/two");
    waiting(&portcullis, 3).await;
    let stays = over_http2("/upload");
    waiting(&portcullis, 4).await;

    drop(part);
    waiting(&portcullis, 3).await;
    drop(whole);
    waiting(&portcullis, 2).await;
    two.abort();
    waiting(&portcullis, 1).await;
    for target in ["/part", "/whole", "/two"] {
        let line = portcullis.logged(|line| line["target"] == target).await;
        assert_eq!(
            (&line["status"], &line["reason"], &line["phase"]),
            (&499.into(), &"client_gone".into(), &"pool".into())
        );
    }
    let mut next = upload("/upload", 50_000, 20_000).await;
    waiting(&portcullis, 2).await;
    origin.release();
    succeeds(first).await;
    assert_eq!(answered(stays).await.json()["bytes"], 1000);
    next.send("x".repeat(30_000)).await;
    assert_eq!(next.response().await.json()["bytes"], 50_000);
    assert_eq!(origin.journal().requests(), 3);
}
