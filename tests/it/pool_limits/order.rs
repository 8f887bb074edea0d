//! Who waits until there is room, and who of those goes first?

use super::*;

#[tokio::test]
async fn what_is_too_much_waits_and_goes_in_the_order_it_came() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&limited(&origin, "{requests: 2}"))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let (first, second) = (ask(address, "/held/1"), ask(address, "/held/2"));
        arrived(&origin, 2).await;
        let third = ask(address, "/held/3");
        waiting(&portcullis, 1).await;
        let mut fourth = http2(address).await;
        let fourth = tokio::spawn(async move { fourth.get("/held/4").await });
        waiting(&portcullis, 2).await;

        origin.release_one("1");
        succeeds(first).await;
        waiting(&portcullis, 1).await;
        origin.release_one("3");
        succeeds(third).await;
        waiting(&portcullis, 0).await;
        origin.release();
        succeeds(second).await;
        succeeds(fourth).await;

        assert_eq!(origin.journal().most_in_flight(), 2);
        let waits = "portcullis_pool_queue_wait_seconds_count{pool=\"app\"}";
        assert_eq!(portcullis.metric(waits).await, 2.0);
        for (target, waited) in [("/held/1", false), ("/held/3", true), ("/held/4", true)] {
            let line = portcullis.logged(|line| line["target"] == target).await;
            let queue = line["queue"].as_f64();
            assert_eq!(queue.is_some_and(|seconds| seconds > 0.0), waited, "{line}");
        }
        assert_eq!(
            portcullis.metric("portcullis_upstream_in_flight").await,
            0.0
        );
    })
    .await;
}

#[tokio::test]
async fn those_of_a_higher_priority_go_first() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&limited(&origin, "{requests: 1}"))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let first = ask(address, "/held/first");
        arrived(&origin, 1).await;
        let low = ask_with(address, "/held/low", &[("x-priority", "urgent")]);
        waiting(&portcullis, 1).await;
        let normal = ask_with(address, "/held/normal", &[("x-priority", "normal")]);
        waiting(&portcullis, 2).await;
        let high = ask_with(address, "/held/high", &[("host", "vip.test")]);
        waiting(&portcullis, 3).await;
        let early = ask_with(address, "/held/early", &[("x-priority", "HIGH")]);
        waiting(&portcullis, 4).await;

        origin.release_one("first");
        succeeds(first).await;
        // Each holds the one slot until it is let go, so that an answer out of turn could not come.
        for (name, asking) in [
            ("high", high),
            ("early", early),
            ("normal", normal),
            ("low", low),
        ] {
            origin.release_one(name);
            succeeds(asking).await;
        }
        assert_eq!(origin.journal().most_in_flight(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_and_websockets_wait_and_are_waited_for() {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    let yaml = limited(&origin, "{requests: 1}")
        .replacen("127.0.0.1:0\"", "127.0.0.1:0\", timeouts: {body: 1s}", 1)
        .replacen(
            "routes:\n",
            "routes:\n- {name: free, match: {hosts: [free.test]}, pool: free}\n",
            1,
        )
        .replacen(
            "pools: [",
            &format!("pools: [{{name: free, endpoints: ['{endpoint}']}}, "),
            1,
        );
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    let mut socket = WebSocket::connect(address, "/ws");
    socket.send("one").expect("an open socket");
    assert_eq!(socket.receive().expect("its echo").to_string(), "one");
    let uploads = [false, true].map(|over_http2| {
        tokio::spawn(async move {
            let mut client = if over_http2 {
                http2(address).await
            } else {
                http1(address).await
            };
            client.post("/upload", vec![b'x'; 1000]).await
        })
    });
    waiting(&portcullis, 2).await;
    // Who waits is not late with its body, as somebody is who began after them.
    let late = "POST /upload HTTP/1.1\r\nHost: free.test\r\nContent-Length: 9\r\n\r\n";
    let late = Raw::sent(address, late).await.response().await;
    assert_eq!(late.status, StatusCode::REQUEST_TIMEOUT);
    socket.close();
    for upload in uploads {
        let answer = answered(upload).await;
        assert_eq!(answer.json()["bytes"], 1000);
    }
    // Beside the one that was late.
    assert!(
        origin.journal().most_in_flight() <= 2,
        "{:?}",
        origin.journal()
    );
}
