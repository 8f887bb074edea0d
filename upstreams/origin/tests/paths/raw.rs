//! Does a raw origin send and keep exact bytes?

use std::io::ErrorKind;
use std::time::Duration;

use origin::{RawAnswer, RawOrigin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{SOON, collect, exchange, http1, read_until, request, send_raw};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn heads_are_answered_one_by_one_on_a_connection_that_stays_open() {
    let raw = RawOrigin::start(|head| {
        if head.starts_with(b"GET /interim ") {
            RawAnswer::new()
                .send("HTTP/1.1 103 Early Hints\r\n\r\n")
                .pause(Duration::from_millis(5))
                .send(OK)
        } else {
            RawAnswer::new().send(OK)
        }
    })
    .await
    .expect("started");
    let mut sender = http1(raw.address()).await;
    for path in ["/interim", "/"] {
        let response = sender.send_request(request("GET", path, "")).await;
        let reply = collect(response.expect("a response")).await;
        assert_eq!(reply.expect("a body").text(), "ok");
    }
    assert_eq!((raw.connections(), raw.requests()), (1, 2));
    raw.stop().await;
}

#[tokio::test]
async fn what_was_received_is_kept_byte_for_byte_and_per_connection() {
    let raw = RawOrigin::start(|_| RawAnswer::new().read(4).send(OK).close())
        .await
        .expect("started");
    let sent = "POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nbodyGET /smuggled HTTP/1.1\r\n\r\n";
    let answer = exchange(raw.address(), sent).await;
    assert_eq!(answer, OK.as_bytes());
    let second = "GET / HTTP/1.0\r\n\r\nbody";
    exchange(raw.address(), second).await;
    assert_eq!((raw.connections(), raw.requests()), (2, 2));
    assert_eq!(raw.received(), [sent.as_bytes(), second.as_bytes()]);
}

#[tokio::test]
async fn what_is_left_over_is_the_start_of_the_next_head() {
    let raw = RawOrigin::start(|head| RawAnswer::new().send(head.to_vec()))
        .await
        .expect("started");
    let mut stream = send_raw(raw.address(), "A\r\n\r\nB\r\n").await;
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "A\r\n\r\n");
    stream.write_all(b"\r\n").await.expect("sent");
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "B\r\n\r\n");
    assert_eq!(raw.requests(), 2);
}

#[tokio::test]
async fn reset_is_a_reset_and_dropping_refuses_at_once() {
    let raw = RawOrigin::start(|_| RawAnswer::new().reset()).await;
    let raw = raw.expect("started");
    let mut stream = send_raw(raw.address(), "GET / HTTP/1.1\r\n\r\n").await;
    let read = tokio::time::timeout(SOON, stream.read_u8()).await;
    let error = read.expect("soon").expect_err("reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let address = raw.address();
    drop(raw);
    let error = TcpStream::connect(address).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}
