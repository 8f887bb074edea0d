//! What does an HTTP/2 client do that only wants to keep us busy?

use std::ops::Range;

use crate::support::frames::*;
use crate::support::*;

/// RFC 9113 §7.
const ENHANCE_YOUR_CALM: u32 = 11;

fn get(stream: u32, path: &str) -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", path),
    ];
    headers(stream, &fields, true)
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

fn window(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

/// The stream of the client's request with this number.
fn stream(number: u32) -> u32 {
    2 * number + 1
}

/// A flood: the metric's label, what a client does once, how often it may at once, and how often it may not.
type Flood = (&'static str, fn(u32) -> Vec<u8>, u32, u32);

/// Taken back after it was asked.
fn taken_back(number: u32) -> Vec<u8> {
    [get(stream(number), "/hang"), reset(stream(number))].concat()
}

/// Its window opened beyond what one can be, so that we have to reset it ("MadeYouReset").
fn provoked(number: u32) -> Vec<u8> {
    let stream = stream(number);
    [get(stream, "/hang"), window(stream, 0x7fff_ffff)].concat()
}

const FLOODS: &[Flood] = &[
    ("reset", taken_back, 190, 700),
    ("provoked_reset", provoked, 90, 700),
    ("ping", |_| frame(PING, 0, 0, b"are you?"), 90, 400),
    ("ping", |_| frame(PING, ACK, 0, b"i am ok!"), 90, 400),
    ("settings", |_| frame(SETTINGS, 0, 0, b""), 40, 200),
    (
        "priority",
        |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]),
        190,
        800,
    ),
    ("window_update", |_| window(0, 1), 900, 4000),
    ("other", |_| frame(0xfe, 0, 0, b""), 90, 400),
];

async fn send(client: &mut Frames, once: fn(u32) -> Vec<u8>, numbers: Range<u32>) {
    client
        .write(&numbers.map(once).collect::<Vec<_>>().concat())
        .await;
}

/// What comes of a request on this stream.
async fn asked(client: &mut Frames, stream: u32) -> Ended {
    client.write(&get(stream, "/echo")).await;
    client.ended(stream).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_flood_ends_its_connection_and_no_other() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let address = portcullis.listener("http");
    let mut neighbour = http2(address).await;
    let before = portcullis.rss();
    for (kind, once, few, many) in FLOODS {
        let series = format!("portcullis_http2_floods_total{{kind=\"{kind}\",listener=\"http\"}}");
        let counted = portcullis.metric(&series).await;
        let mut client = Frames::connect(address).await;
        send(&mut client, *once, 0..*few).await;
        let ended = asked(&mut client, stream(*few)).await;
        assert_eq!(ended, Ended::Answered(200), "{few} of {kind}");
        send(&mut client, *once, *few + 1..*few + *many).await;
        assert_eq!(
            client.ended(0).await,
            Ended::GoAway(ENHANCE_YOUR_CALM),
            "{kind}"
        );
        while client.read().await.is_some() {}
        assert_eq!(portcullis.metric(&series).await, counted + 1.0, "{kind}");
        let answer = neighbour.get("/echo").await;
        assert_eq!(answer.status, 200, "beside {kind}");
    }
    let grown = portcullis.rss().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes for floods that are over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_in_pieces_without_end_is_a_flood() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut client = Frames::connect(portcullis.listener("http")).await;
    client.write(&frame(HEADERS, 0, 1, b"")).await;
    client
        .write(&frame(CONTINUATION, 0, 1, b"\0\x01a\x01b").repeat(1000))
        .await;
    assert_eq!(client.ended(1).await, Ended::GoAway(ENHANCE_YOUR_CALM));
    let series = "portcullis_http2_floods_total{kind=\"continuation\",listener=\"http\"}";
    assert_eq!(portcullis.metric(series).await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_of_a_body_without_a_byte_are_a_flood() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut client = Frames::connect(portcullis.listener("http")).await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", "/upload"),
    ];
    client.headers(1, &fields, false).await;
    client.write(&frame(DATA, 0, 1, b"").repeat(1000)).await;
    assert_eq!(client.ended(0).await, Ended::GoAway(ENHANCE_YOUR_CALM));
    let series = "portcullis_http2_floods_total{kind=\"empty_data\",listener=\"http\"}";
    assert_eq!(portcullis.metric(series).await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cve_2023_44487_what_is_taken_back_at_once_costs_the_endpoints_next_to_nothing() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site("", origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut floods = 0;
        for _ in 0..5 {
            let mut client = Frames::connect(portcullis.listener("http")).await;
            send(&mut client, taken_back, 0..5000).await;
            floods += u32::from(client.ended(0).await == Ended::GoAway(ENHANCE_YOUR_CALM));
        }
        assert_eq!(floods, 5);
        // 25,000 were sent; what a flood has not spent of its budget is the most that is even looked at.
        let reached = origin.journal().requests();
        assert!(reached <= 5 * 250, "{reached} requests at the origin");
        let journal = origin.journal();
        let left = journal.becomes(PATIENCE, |journal| journal.in_flight() == 0);
        assert!(left.await, "none stays at the origin");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_client_that_takes_some_requests_back_is_no_flood() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut client = Frames::connect(portcullis.listener("http")).await;
    let rounds = if std::env::var_os("CI").is_some() {
        40
    } else {
        80
    };
    for round in 0..rounds {
        let first = round * 40;
        let mut sent = Vec::new();
        for number in first..first + 40 {
            let stream = stream(number);
            if number % 4 == 0 {
                sent.extend([get(stream, "/hang"), reset(stream)].concat());
            } else {
                sent.extend([get(stream, "/echo"), window(stream, 1 << 20)].concat());
            }
        }
        sent.extend(frame(PING, 0, 0, b"are you?"));
        client.write(&sent).await;
        let mut answered = 0;
        while answered < 30 {
            match client.next().await {
                Some(Frame::Headers(_, 200, _)) => answered += 1,
                Some(Frame::GoAway(_, code)) => panic!("round {round}: GOAWAY {code}"),
                Some(_) => {}
                None => panic!("round {round}: closed"),
            }
        }
        // What was read makes room for more.
        client.write(&window(0, 1 << 20)).await;
    }
    assert_eq!(
        portcullis.metric("portcullis_http2_floods_total").await,
        0.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_may_open_its_windows_in_small_steps() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut client = Frames::connect(portcullis.listener("http")).await;
    const SIZE: usize = 8 << 20;
    client.write(&get(1, &format!("/bytes/{SIZE}"))).await;
    let (mut received, mut steps) = (0, 0);
    loop {
        match client.next().await {
            Some(Frame::Data(1, bytes, end)) => {
                received += bytes.len();
                if end {
                    break;
                }
                for step in bytes.chunks(4096) {
                    let step = u32::try_from(step.len()).expect("a step");
                    client
                        .write(&[window(1, step), window(0, step)].concat())
                        .await;
                    steps += 2;
                }
            }
            Some(Frame::GoAway(_, code)) => panic!("GOAWAY {code} after {received} bytes"),
            Some(_) => {}
            None => panic!("closed after {received} bytes"),
        }
    }
    assert_eq!(received, SIZE);
    assert!(steps > 2000, "{steps}");
}
