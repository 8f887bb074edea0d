//! What becomes of a listener's connections when the listener is removed?

use std::time::{Duration, Instant};

use super::*;

/// `http` and another listener, both with this route and pool.
fn two(other: &str, carrier: Carrier, pool: &str) -> String {
    config(&[HTTP, other], &[&to("origin")], &[pool])
        + &format!("runtime: {{carrier: {carrier}}}\n")
}

/// The same without the other one.
fn one(carrier: Carrier, pool: &str) -> String {
    config(&[HTTP], &[&to("origin")], &[pool]) + &format!("runtime: {{carrier: {carrier}}}\n")
}

const OTHER: &str = "{name: other, address: \"127.0.0.1:0\"}";

#[tokio::test]
async fn nobody_new_comes_in_and_who_is_there_is_served_once_more() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let pool = pool("origin", origin.address());
        let portcullis = Portcullis::start(&two(OTHER, carrier, &pool)).await;
        let address = portcullis.listener("other");
        let (mut waiting, mut running) = (Raw::connect(address).await, Raw::connect(address).await);
        assert!(!waiting.get("/").await.closes());
        running.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (mut streaming, mut fresh) = (Raw::connect(address).await, Raw::connect(address).await);
        streaming
            .send("GET /held-body HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;
        streaming.until(b"\r\n\r\n").await;
        assert!(
            origin
                .journal()
                .becomes(PATIENCE, |journal| journal.in_flight() == 2)
                .await
        );
        let said = portcullis.apply(&one(carrier, &pool)).await;
        assert!(
            said.has_line(&format!(
                "listener other is not listening on {address} any more"
            )),
            "{said:?}"
        );
        assert!(
            is_refused(address).await,
            "what is said to be closed is closed"
        );
        // One that had a request before, and one that has not had any yet.
        for raw in [&mut waiting, &mut fresh] {
            raw.send("GET /bytes/5 HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let response = raw.last_response().await;
            assert!(response.status == 200 && response.closes(), "{response:?}");
        }
        origin.release();
        // Its header had not been sent, so it can still say so.
        let response = running.last_response().await;
        assert_eq!(
            (response.status, response.text().as_str()),
            (200, "at last\n")
        );
        assert!(response.closes(), "{response:?}");
        // Its header had been sent, so it is told with the next one.
        let rest = streaming.until(b"\r\n0\r\n\r\n").await;
        assert!(rest.windows(8).any(|eight| eight == b"at last\n"));
        streaming
            .send("GET /bytes/5 HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;
        assert!(streaming.last_response().await.closes());
        assert_eq!(origin.journal().cancelled(), 0);
        assert!(
            !Raw::connect(portcullis.listener("http"))
                .await
                .get("/")
                .await
                .closes()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_ask_again_is_let_go_a_little_later_and_a_websocket_stays() {
    let origin = origin().await;
    let pool = pool("origin", origin.address());
    let portcullis = Portcullis::start(&two(OTHER, Carrier::Duplex, &pool)).await;
    let address = portcullis.listener("other");
    let (mut one_client, mut two_client) = (http1(address).await, http2(address).await);
    assert_eq!(one_client.get("/").await.status, 200);
    assert_eq!(two_client.get("/").await.status, 200);
    let (mut silent, mut socket) = (
        Raw::connect(address).await,
        WebSocket::connect(address, "/ws"),
    );
    let started = Instant::now();
    portcullis.apply(&one(Carrier::Duplex, &pool)).await;
    // HTTP/2 can be told at once that nothing more is taken.
    two_client.closed().await;
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    one_client.closed().await;
    assert!(
        started.elapsed() > Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    assert!(silent.rest().await.is_empty());
    let connections = "portcullis_connections{listener=\"other\"}";
    eventually("the WebSocket is left", async || {
        portcullis.metric(connections).await == 1.0
    })
    .await;
    socket.send("still there").expect("sent");
    assert_eq!(socket.receive().expect("an echo"), "still there".into());
    socket.close();
    eventually("nothing is left", async || {
        portcullis.metric(connections).await == 0.0
    })
    .await;
    assert_eq!(origin.journal().cancelled(), 0);
}

#[tokio::test]
async fn http2_is_told_and_its_streams_complete() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let pool = pool("origin", origin.address());
        let portcullis = Portcullis::start(&two(OTHER, carrier, &pool)).await;
        let address = portcullis.listener("other");
        let running = tokio::spawn(async move {
            let mut client = http2(address).await;
            let answer = client.get("/held-body").await;
            (answer.status, answer.text(), client)
        });
        let mut frames = Frames::connect(address).await;
        let fields = [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/held"),
            (":authority", "a"),
        ];
        frames.headers(1, &fields, true).await;
        assert!(
            origin
                .journal()
                .becomes(PATIENCE, |journal| journal.in_flight() == 2)
                .await
        );
        portcullis.apply(&one(carrier, &pool)).await;
        // GOAWAY comes while the stream runs, and takes nothing back.
        assert_eq!(frames.ended(1).await, Ended::GoAway(0));
        origin.release();
        let mut last = frames.ended(1).await;
        while last == Ended::GoAway(0) {
            last = frames.ended(1).await;
        }
        assert_eq!(last, Ended::Answered(200));
        let (status, text, mut client) = running.await.expect("an answer");
        assert_eq!(
            (status.as_u16(), text),
            (200, "so far\nat last\n".to_owned())
        );
        client.closed().await;
        assert_eq!(origin.journal().cancelled(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_unix_sockets_file_goes_with_its_listener_and_comes_back_with_it() {
    let origin = origin().await;
    let pool = pool("origin", origin.address());
    let unix = "{name: unix, address: \"unix:@dir@/edge.sock\"}";
    let (with, without) = (
        two(unix, Carrier::Direct, &pool),
        one(Carrier::Direct, &pool),
    );
    let portcullis = Portcullis::start(&with).await;
    let path = portcullis.directory().join("edge.sock");
    for _ in 0..3 {
        let mut client = unix1(&path).await;
        assert_eq!(client.get("/").await.status, 200);
        portcullis.apply(&without).await;
        assert!(!path.exists());
        let answer = client.get("/").await;
        assert_eq!((answer.status.as_u16(), answer.closes()), (200, true));
        portcullis.apply(&with).await;
        assert_eq!(unix1(&path).await.get("/").await.status, 200);
    }
    let mut portcullis = portcullis;
    portcullis.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_listener_can_be_removed_and_added_again_at_the_same_address() {
    let origin = origin().await;
    let pool = pool("origin", origin.address());
    let other = format!("{{name: other, address: \"127.0.0.1:{}\"}}", free_port());
    let (with, without) = (
        two(&other, Carrier::Duplex, &pool),
        one(Carrier::Duplex, &pool),
    );
    let portcullis = Portcullis::start(&with).await;
    let address = portcullis.listener("other");
    let mut clients = Vec::new();
    for round in 1..=3 {
        // One that waits for a request would be let go some seconds after its door was closed; who waits for an answer
        // is there for as long as that takes.
        let mut client = Raw::connect(address).await;
        assert!(!client.get("/").await.closes());
        client.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
        clients.push(client);
        assert!(
            origin
                .journal()
                .becomes(PATIENCE, |journal| journal.in_flight() == round)
                .await
        );
        portcullis.apply(&without).await;
        eventually("nobody listens", async || is_refused(address).await).await;
        portcullis.apply(&with).await;
        assert!(!http1(address).await.get("/").await.closes());
    }
    // They came through a door that was closed since; that there is another one now does not keep them.
    origin.release();
    for mut client in clients {
        let response = client.last_response().await;
        assert!(response.status == 200 && response.closes(), "{response:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_nobody_has_accepted_yet_are_served() {
    let other = format!("{{name: other, address: \"127.0.0.1:{}\"}}", free_port());
    let routes = [&*says("hello", &[])];
    let (with, without) = (
        config(&[HTTP, &other], &routes, &[]),
        config(&[HTTP], &routes, &[]),
    );
    let portcullis = Portcullis::start(&with).await;
    let address = portcullis.listener("other");
    for round in 0..6 {
        eprintln!("round {round}:");
        // Handshakes are completed all the time: some wait in the kernel when the door closes.
        let callers = Callers::start(address, 4);
        callers.answered().await;
        portcullis.apply(&without).await;
        callers.refused();
        portcullis.apply(&with).await;
    }
}
