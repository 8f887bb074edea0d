//! How fast must a client be, when is that counted, and what happens to one that is not?

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;

use crate::support::*;

const POST: &str = "POST /upload HTTP/1.1\r\nHost: a.test\r\n";
const LENGTH: &str = "Content-Length: 1000000\r\n\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

/// 100 bytes a second are too slow, and 100 kB a second are not; nobody is idle for a second.
const RATES: &str =
    "timeouts: {body: 1s, write: 1s}, limits: {min_body_rate: 10kB, min_send_rate: 100kB}";

/// Sends a piece every so often until there is an answer, and says after how long that was.
async fn drip(raw: &mut Raw, piece: &str, every: Duration) -> (RawResponse, Duration) {
    let started = Instant::now();
    loop {
        raw.send(piece).await;
        if let Ok(response) = tokio::time::timeout(every, raw.response()).await {
            return (response, started.elapsed());
        }
        assert!(started.elapsed() < PATIENCE, "it is never cut off");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_moves_but_too_slowly_gets_408_and_its_own_reason() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site(RATES, origin.address())).await;
    // Where there is no gRPC, to say that it is does not help.
    for (says, framing, piece) in [
        ("", LENGTH, "x"),
        ("", CHUNKED, "1\r\nx\r\n"),
        ("Content-Type: application/grpc\r\n", LENGTH, "x"),
    ] {
        let request = format!("{POST}{says}{framing}");
        let mut raw = Raw::sent(portcullis.listener("http"), request).await;
        let (response, lasted) = drip(&mut raw, piece, Duration::from_millis(50)).await;
        assert!(response.closes(), "{response:?}");
        if says.is_empty() {
            assert_eq!(response.status, 408);
            let said = response.text();
            assert!(said.contains("\nbody_too_slow\n"), "{response:?}");
        } else {
            // Told as a client of gRPC is told.
            assert_eq!(response.header("grpc-message"), Some("body_too_slow"));
        }
        assert!(lasted >= Duration::from_secs(1), "{lasted:?}");
    }
    let line = portcullis
        .logged(|line| line["reason"] == "body_too_slow")
        .await;
    assert_eq!(
        (&line["status"], &line["phase"]),
        (&408.into(), &"request".into())
    );
    let journal = origin.journal();
    let none = journal.becomes(PATIENCE, |journal| journal.in_flight() == 0);
    assert!(none.await, "the endpoint is free");
    assert_eq!(journal.cancelled(), journal.requests());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_fast_enough_may_take_long_and_pause_when_it_is_ahead() {
    let origin = origin().await;
    // Each piece earns 12 s, so that no pause is long; together they are longer than the grace of 5 s.
    let rates = "timeouts: {body: 30s}, limits: {min_body_rate: 1kB}";
    let portcullis = Portcullis::start(&site(rates, origin.address())).await;
    let request = format!("{POST}Content-Length: 48000\r\n\r\n");
    let mut raw = Raw::sent(portcullis.listener("http"), request).await;
    for _ in 0..4 {
        raw.send("x".repeat(12_000)).await;
        sleep(Duration::from_millis(1_750)).await;
    }
    assert_eq!(raw.response().await.json()["bytes"], 48_000);
}

/// Longer than the grace that everybody has.
const PAUSE: Duration = Duration::from_secs(7);

/// All who moved some at first may do nothing for longer than [`PAUSE`].
const BURST: &str =
    "timeouts: {body: 20s, write: 20s}, limits: {min_body_rate: 1kB, min_send_rate: 1kB}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_came_fast_at_first_may_pause_longer_than_the_grace() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site(BURST, origin.address())).await;
    let address = portcullis.listener("http");
    let burst = "x".repeat(20_000);
    let upload = async |framing: &str, rest: &str| {
        // All in one piece, so that nobody has waited for any of it.
        let mut raw = Raw::sent(address, format!("{POST}{framing}{burst}")).await;
        sleep(PAUSE).await;
        raw.send(rest).await;
        raw.response().await.json()["bytes"].clone()
    };
    let (length, chunked) = tokio::join!(
        upload("Content-Length: 20002\r\n\r\n", "ok"),
        upload(
            "Transfer-Encoding: chunked\r\n\r\n4e20\r\n",
            "\r\n2\r\nok\r\n0\r\n\r\n"
        ),
    );
    assert_eq!((length, chunked), (20_002.into(), 20_002.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_in_which_the_endpoint_takes_no_bytes_is_not_the_client_s() {
    // It accepts, and reads nothing for longer than any client may take.
    const SLEEPS: Duration = Duration::from_secs(3);
    const LENGTH: usize = 16 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let endpoint = tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 20];
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.expect("accepted");
            sleep(SLEEPS).await;
            let mut read = 0;
            while read < LENGTH {
                read += stream.read(&mut buffer).await.expect("bytes");
            }
            let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
            stream.write_all(answer).await.expect("sent");
        }
    });
    let portcullis = Portcullis::start(&site(RATES, Some(address))).await;
    let address = portcullis.listener("http");
    for mut client in [http1(address).await, http2(address).await] {
        let answer = client.post("/", vec![b'x'; LENGTH]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text().as_str()),
            (200, "ok")
        );
    }
    endpoint.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_for_100_continue_is_not_late_before_it_comes() {
    // Longer than the grace, and less than the client may be silent.
    const THINKS: Duration = Duration::from_secs(6);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let endpoint = tokio::spawn(async move {
        let mut raw = Raw::over(listener.accept().await.expect("accepted").0);
        raw.until(b"\r\n\r\n").await;
        sleep(THINKS).await;
        raw.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        assert_eq!(raw.exactly(2).await, b"ok");
        raw.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await;
        raw.rest().await;
    });
    let portcullis = Portcullis::start(&site("timeouts: {body: 10s}", Some(address))).await;
    let request = format!("{POST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    let mut raw = Raw::sent(portcullis.listener("http"), request).await;
    assert_eq!(raw.response().await.status, 100);
    raw.send("ok").await;
    assert_eq!(raw.response().await.status, 200);
    drop((raw, portcullis));
    endpoint.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_a_body_that_moves_but_too_slowly_ends_its_stream_and_no_other() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site(RATES, origin.address())).await;
    // The endpoint speaks HTTP/1, and so no gRPC.
    let fields = |path| {
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "a.test"),
            (":path", path),
            ("content-type", "application/grpc"),
        ]
    };
    let mut client = Frames::connect(portcullis.listener("http")).await;
    client.headers(1, &fields("/upload"), false).await;
    let started = Instant::now();
    let ended = loop {
        client.data(1, b"x", false).await;
        let soon = tokio::time::timeout(Duration::from_millis(50), client.ended(1)).await;
        if let Ok(ended) = soon {
            break ended;
        }
        assert!(started.elapsed() < PATIENCE, "it is never cut off");
    };
    assert!(ended.is_refusal(), "{ended:?}");
    assert!(started.elapsed() >= Duration::from_secs(1));
    let line = portcullis.logged(|line| line["target"] == "/upload").await;
    assert_eq!(line["reason"], "body_too_slow");
    client.headers(3, &fields("/bytes/1"), true).await;
    assert_eq!(client.ended(3).await, Ended::Answered(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_what_grpc_carries_may_be_silent() {
    let origin = origin().await;
    let endpoint = origin.address().expect("an origin on TCP");
    let yaml = format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\", timeouts: {{body: 20s}}, limits: {{min_body_rate: 1GB}}}}]\n\
         routes: [{{name: all, pool: app}}]\n\
         pools: [{{name: app, protocol: http2, endpoints: [\"{endpoint}\"]}}]\n"
    );
    let portcullis = Portcullis::start(&yaml).await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", "/origin.Echo/Unary"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let mut client = Frames::connect(portcullis.listener("http")).await;
    client.headers(1, &fields, false).await;
    client.data(1, &[0, 0, 0], false).await;
    // Longer than the grace that others have, at a rate that nobody keeps.
    sleep(Duration::from_secs(6)).await;
    client.data(1, &[0, 2, b'o', b'k'], true).await;
    assert_eq!(client.ended(1).await, Ended::Answered(200));
}

/// A client with a small window, so that what it does not read is not taken.
async fn narrow(portcullis: &Portcullis, request: &str) -> TcpStream {
    buffered(8 << 10, portcullis, request).await
}

/// A client whose kernel takes so many bytes that it has not read, or twice as many.
async fn buffered(bytes: u32, portcullis: &Portcullis, request: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(bytes).expect("a buffer");
    let address = portcullis.listener("http");
    let mut stream = socket.connect(address).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream
}

/// Reads so many bytes, at most, every so often; how many there were until the end, or until it has lasted so long, and
/// whether there was an end.
async fn sip(
    stream: &mut TcpStream,
    bytes: usize,
    every: Duration,
    time: Duration,
) -> (usize, bool) {
    let started = Instant::now();
    let mut buffer = vec![0; bytes];
    let mut read = 0;
    while started.elapsed() < time {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return (read, true),
            Ok(length) => read += length,
        }
        sleep(every).await;
    }
    (read, false)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_but_too_slowly_is_cut_off_and_one_that_is_fast_enough_is_not() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site(RATES, origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let get = "GET /bytes/64m HTTP/1.1\r\nHost: a.test\r\n\r\n";
        // 20 kB a second at most, and as much as comes.
        let mut slow = narrow(&portcullis, get).await;
        let mut fast = narrow(&portcullis, get).await;
        let (slow, fast) = tokio::join!(
            sip(&mut slow, 1_000, Duration::from_millis(50), PATIENCE),
            sip(
                &mut fast,
                64_000,
                Duration::from_millis(1),
                Duration::from_secs(4)
            ),
        );
        assert!(slow.1 && slow.0 < 8 << 20, "{slow:?}");
        assert!(!fast.1, "{fast:?}");
        let line = portcullis
            .logged(|line| line["reason"] == "client_too_slow")
            .await;
        assert_eq!(
            (&line["status"], &line["phase"]),
            (&200.into(), &"body".into())
        );
        let journal = origin.journal();
        assert!(
            journal
                .becomes(PATIENCE, |journal| journal.in_flight() == 0)
                .await
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_taken_fast_at_first_may_wait_longer_than_the_grace() {
    const LENGTH: usize = 16 << 20;
    let origin = origin().await;
    let portcullis = Portcullis::start(&site(BURST, origin.address())).await;
    let get = "GET /bytes/16m HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let mut stream = buffered(64 << 10, &portcullis, get).await;
    let mut some = vec![0; 1 << 20];
    stream.read_exact(&mut some).await.expect("some of it");
    sleep(PAUSE).await;
    let mut rest = vec![0; LENGTH - some.len()];
    stream.read_exact(&mut rest).await.expect("the rest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_that_was_not_accepted_spares_nobody() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site(RATES, origin.address())).await;
    let get = "GET /bytes/64m HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
               Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut slow = narrow(&portcullis, get).await;
    // 20 kB a second, without a pause in which it takes nothing.
    let (read, ended) = sip(&mut slow, 1_000, Duration::from_millis(50), PATIENCE).await;
    assert!(ended && read < 8 << 20, "{read} bytes, {ended}");
    let line = portcullis
        .logged(|line| line["reason"] == "client_too_slow")
        .await;
    assert_eq!(line["status"], 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_slowly_is_not_the_client_s_fault() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site(RATES, origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut client = http1(portcullis.listener("http")).await;
        assert_eq!(client.get("/drip/10/300").await.body.len(), 10);
        let mut client = http2(portcullis.listener("http")).await;
        assert_eq!(client.get("/drip/10/300").await.body.len(), 10);
    })
    .await;
}
