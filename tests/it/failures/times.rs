//! What happens when an endpoint takes too long?

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::*;

/// A site whose pool has these times.
fn impatient(endpoint: Option<SocketAddr>, timeouts: &str) -> String {
    site("", endpoint).replace("\"]}]", &format!("\"], timeouts: {{{timeouts}}}}}]"))
}

/// A port where connections are never accepted, because its queue is full.
fn full_queue() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("a port");
    socket.listen(0).expect("a queue");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("an address");
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queued.push(stream);
        assert!(queued.len() < 1000, "the queue is never full");
    }
    (address, queued, listener)
}

/// Asks for each path, and compares answer and log.
async fn takes_too_long(portcullis: &Portcullis, path: &str, reason: &str, phase: &str) {
    let address = portcullis.listener("http");
    for mut client in [http1(address).await, http2(address).await] {
        let started = Instant::now();
        let answer = client.get(path).await;
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{:?}",
            started.elapsed()
        );
        assert_eq!(answer.status, 504, "{path}: {answer:?}");
        let id = answer
            .text()
            .lines()
            .last()
            .expect("the request's id")
            .to_owned();
        let line = portcullis
            .logged(|line| line["request_id"] == id.as_str())
            .await;
        assert_eq!(
            (&line["reason"], &line["phase"]),
            (&reason.into(), &phase.into()),
            "{line}"
        );
        assert_eq!(line["status"], 504, "{line}");
        assert!(
            line["duration"]
                .as_f64()
                .is_some_and(|seconds| seconds >= 0.2),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_does_not_open_is_a_504() {
    both_carriers(async |carrier| {
        let (address, _queued, _listener) = full_queue();
        let yaml = impatient(Some(address), "connect: 200ms");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        takes_too_long(&portcullis, "/", "connect_timeout", "connect").await;
        let yaml = impatient(Some(address), "total: 200ms");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        takes_too_long(&portcullis, "/", "total_timeout", "connect").await;
    })
    .await;
}

#[tokio::test]
async fn a_tls_handshake_that_does_not_end_is_a_504() {
    both_carriers(async |carrier| {
        // It takes connections and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let yaml = impatient(silent.local_addr().ok(), "connect: 200ms")
            .replace("timeouts", "tls: {verify: false}, timeouts");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        takes_too_long(&portcullis, "/", "connect_timeout", "connect").await;
    })
    .await;
}

#[tokio::test]
async fn a_first_byte_that_does_not_come_is_a_504_and_ends_the_endpoints_work() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = impatient(origin.address(), "first_byte: 200ms");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        takes_too_long(
            &portcullis,
            "/hang",
            "upstream_first_byte_timeout",
            "response",
        )
        .await;
        assert!(
            origin
                .journal()
                .becomes(PATIENCE, |journal| journal.cancelled() == 2)
                .await,
            "{:?}",
            origin.journal()
        );
        // A body may take as long as it likes between its pieces, as far as this limit goes.
        let answer = http1(portcullis.listener("http"))
            .await
            .get("/delay-body/500")
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (200, "at last\n".to_owned())
        );
    })
    .await;
}

#[tokio::test]
async fn a_request_that_takes_too_long_as_a_whole_is_a_504() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = impatient(origin.address(), "total: 300ms");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        takes_too_long(&portcullis, "/hang", "total_timeout", "response").await;
        assert!(
            origin
                .journal()
                .becomes(PATIENCE, |journal| journal.cancelled() == 2)
                .await,
            "{:?}",
            origin.journal()
        );
    })
    .await;
}

#[tokio::test]
async fn a_body_that_stops_or_takes_too_long_is_cut_off_where_the_client_sees_it() {
    both_carriers(async |carrier| {
        for (timeouts, path, reason) in [
            ("read: 200ms", "/hang-body", "upstream_read_timeout"),
            ("total: 500ms", "/hang-body", "total_timeout"),
            ("total: 500ms", "/drip/100000/20", "total_timeout"),
        ] {
            let origin = origin().await;
            let yaml = impatient(origin.address(), timeouts);
            let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
            let address = portcullis.listener("http");
            for (number, mut client) in [http1(address).await, http2(address).await]
                .into_iter()
                .enumerate()
            {
                let target = format!("{path}?{number}");
                let asked = request("GET", &target).body(full("")).expect("a request");
                let response = client.send(asked).await.expect("a header");
                assert_eq!(response.status(), 200);
                assert!(
                    Answer::read(response).await.is_err(),
                    "{timeouts} {target}: the body looks whole"
                );
                let line = portcullis
                    .logged(|line| line["target"] == target.as_str())
                    .await;
                assert_eq!(
                    (&line["reason"], &line["phase"]),
                    (&reason.into(), &"body".into()),
                    "{line}"
                );
                assert_eq!(line["status"], 200, "what was sent: {line}");
            }
            assert!(
                origin
                    .journal()
                    .becomes(PATIENCE, |journal| journal.in_flight() == 0)
                    .await
            );
        }
    })
    .await;
}

#[tokio::test]
async fn the_time_for_a_first_byte_holds_for_uploads_and_for_websockets_that_are_not_answered() {
    let origin = origin().await;
    let yaml = impatient(origin.address(), "first_byte: 300ms");
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    for mut client in [http1(address).await, http2(address).await] {
        assert_eq!(client.post("/hang", "a body").await.status, 504);
    }
    let asked =
        "GET /hang?ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(Raw::sent(address, asked).await.response().await.status, 504);
    let line = portcullis.logged(|line| line["target"] == "/hang?ws").await;
    assert_eq!(line["reason"], "upstream_first_byte_timeout", "{line}");
}
