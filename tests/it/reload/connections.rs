//! Do connections and streams that are there go on, and does their next request see the new generation?

use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::streaming::pieces::next_piece;

const OTHER: &str = "{name: other, address: \"127.0.0.1:0\"}";

#[tokio::test]
async fn the_next_request_of_a_connection_sees_the_new_generation() {
    both_carriers(async |carrier| {
        let (a, b) = (origin().await, origin().await);
        let runtime = format!("runtime: {{carrier: {carrier}}}\n");
        let yaml = |origin: &origin::Origin, status: &str| {
            config(
                &[HTTP],
                &[
                    &format!("{{name: own, match: {{paths: [{{exact: /own}}]}}, respond: {{status: {status}}}}}"),
                    "{name: rest, pool: p}",
                ],
                &[&pool("p", origin.address())],
            ) + &runtime
        };
        let portcullis = Portcullis::start(&yaml(&a, "201")).await;
        let address = portcullis.listener("http");
        let mut clients = [http1(address).await, http2(address).await];
        for client in &mut clients {
            assert_eq!((client.get("/own").await.status, client.get("/").await.status.as_u16()), (201.try_into().expect("a status"), 200));
        }
        assert_eq!((a.journal().requests(), b.journal().requests()), (2, 0));
        portcullis.apply(&yaml(&b, "202")).await;
        for client in &mut clients {
            assert_eq!((client.get("/own").await.status, client.get("/").await.status.as_u16()), (202.try_into().expect("a status"), 200));
        }
        assert_eq!((a.journal().requests(), b.journal().requests()), (2, 2));
        // Idle connections to an endpoint that nobody can ask any more are closed; those that Pingora keeps for the
        // duplex stay for `keepalive.idle`.
        if carrier == Carrier::Duplex {
            return;
        }
        assert!(a.journal().becomes(PATIENCE, |journal| journal.open_connections() == 0).await);
    })
    .await;
}

/// Configurations that leave less and less of what a stream under way began with.
fn less_and_less(endpoint: Option<SocketAddr>) -> [String; 4] {
    let p = pool("p", endpoint);
    [
        config(&[HTTP, OTHER], &["{name: all, pool: p}"], &[&p]),
        // Its route does something else.
        config(
            &[HTTP, OTHER],
            &["{name: all, respond: {status: 404}}"],
            &[&p],
        ),
        // Its pool is gone.
        config(
            &[HTTP, OTHER],
            &["{name: new, respond: {status: 410}}"],
            &[],
        ),
        // Its listener as well.
        config(&[HTTP], &["{name: new, respond: {status: 410}}"], &[]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_goes_on_without_its_route_its_pool_and_its_listener() {
    let origin = origin().await;
    let [first, rest @ ..] = less_and_less(origin.address());
    let portcullis = Portcullis::start(&first).await;
    let mut socket = WebSocket::connect(portcullis.listener("other"), "/ws");
    let mut talk = |word: &str| {
        socket.send(word).expect("sent");
        assert_eq!(socket.receive().expect("an echo"), Message::from(word));
    };
    talk("before");
    for yaml in &rest {
        portcullis.apply(yaml).await;
        talk("after");
        let asked = http1(portcullis.listener("http")).await.get("/").await;
        assert_ne!(asked.status, 200, "a new request");
    }
    eventually("two generations", async || {
        portcullis
            .metric("portcullis_config_generations_in_use ")
            .await
            == 2.0
    })
    .await;
    socket.close();
    assert!(
        origin
            .journal()
            .becomes(PATIENCE, |journal| journal.open_connections() == 0)
            .await
    );
    assert_eq!(origin.journal().cancelled(), 0);
    eventually("its generation is gone", async || {
        portcullis
            .metric("portcullis_config_generations_in_use")
            .await
            == 1.0
    })
    .await;
}

#[tokio::test]
async fn server_sent_events_go_on_without_their_route_their_pool_and_their_listener() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let runtime = format!("runtime: {{carrier: {carrier}}}\n");
        let [first, rest @ ..] = less_and_less(origin.address());
        let portcullis = Portcullis::start(&(first + &runtime)).await;
        let address = portcullis.listener("other");
        let mut streams = Vec::new();
        for mut client in [http1(address).await, http2(address).await] {
            let asked = request("GET", "/sse?n=0&ms=10").body(full(""));
            let response = client.send(asked.expect("a request")).await;
            streams.push((response.expect("a header").into_body(), Vec::new(), client));
        }
        for yaml in rest {
            portcullis.apply(&(yaml + &runtime)).await;
            for (body, text, _) in &mut streams {
                let before = text.len();
                while text.len() == before {
                    let piece = next_piece(body).await;
                    assert!(!piece.is_empty(), "it is over");
                    text.extend_from_slice(&piece);
                }
            }
        }
        let events = (0..250).map(|number| format!("id: {number}\ndata: event {number}\n\n"));
        let expected: String = events.collect();
        for (body, text, _) in &mut streams {
            while text.len() < expected.len() {
                let piece = next_piece(body).await;
                assert!(!piece.is_empty(), "it is over");
                text.extend_from_slice(&piece);
            }
            text.truncate(expected.len());
            assert_eq!(String::from_utf8_lossy(text), expected);
        }
        assert_eq!(origin.journal().cancelled(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_request_under_way_keeps_the_limits_and_headers_it_began_with() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let runtime = format!("runtime: {{carrier: {carrier}}}\n");
        let yaml = |word: &str, read: &str| {
            let route =
                format!("{{name: all, pool: p, response_headers: {{set: {{x-word: {word}}}}}}}");
            let endpoint = origin.address().expect("TCP");
            let pool = format!(
                "{{name: p, endpoints: [\"{endpoint}\"], timeouts: {{first_byte: {read}}}}}"
            );
            config(&[HTTP], &[&route], &[&pool]) + &runtime
        };
        let portcullis = Portcullis::start(&yaml("before", "60s")).await;
        let address = portcullis.listener("http");
        let running = tokio::spawn(async move { http1(address).await.get("/held").await });
        assert!(
            origin
                .journal()
                .becomes(PATIENCE, |journal| journal.in_flight() == 1)
                .await
        );
        portcullis.apply(&yaml("after", "1s")).await;
        let answer = http1(address).await.get("/").await;
        assert_eq!(answer.header("x-word"), Some("after"));
        // When that has taken too long, it would have done so as well whose time began anew with the reload.
        assert_eq!(http1(address).await.get("/hang").await.status, 504);
        origin.release();
        let answer = running.await.expect("an answer");
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-word")),
            (200, Some("before"))
        );
    })
    .await;
}
