//! How does a client of HTTP/2 hear that the process ends (RFC 9113 §6.8)?

use std::time::{Duration, Instant};

use crate::support::*;

/// The first GOAWAY of a graceful end does not say yet which streams are too late.
const ALL_STREAMS: u32 = (1 << 31) - 1;
const NO_ERROR: u32 = 0;

fn fields(path: &str) -> [(&str, &str); 4] {
    [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", path),
    ]
}

async fn ask(frames: &mut Frames, stream: u32, path: &str) {
    frames.headers(stream, &fields(path), true).await;
}

/// What a connection brings from now on to its end.
#[derive(Debug, Default)]
struct Rest {
    /// The last streams of each GOAWAY, all with NO_ERROR.
    goaways: Vec<u32>,
    /// Streams that were answered with 200 and have their end, with their bodies.
    whole: Vec<(u32, Vec<u8>)>,
}

async fn rest(frames: &mut Frames) -> Rest {
    let mut rest = Rest::default();
    let mut open: Vec<(u32, Vec<u8>)> = Vec::new();
    while let Some(frame) = frames.next().await {
        match frame {
            Frame::Headers(stream, status, end) => {
                assert_eq!((status, end), (200, false), "stream {stream}");
                open.push((stream, Vec::new()));
            }
            Frame::Data(stream, bytes, end) => {
                let at = open.iter().position(|(number, _)| *number == stream);
                let at = at.expect("a header before the body");
                open[at].1.extend(bytes);
                if end {
                    rest.whole.push(open.swap_remove(at));
                }
            }
            Frame::GoAway(last, code) => {
                assert_eq!(code, NO_ERROR);
                rest.goaways.push(last);
            }
            Frame::Ping(payload) => frames.pong(&payload).await,
            Frame::Reset(stream, code) => panic!("stream {stream} was reset with {code}"),
            Frame::Other(_) => {}
        }
    }
    assert!(open.is_empty(), "cut off: {open:?}");
    rest.whole.sort();
    rest
}

/// Reads up to the PING behind the first GOAWAY.
async fn first_goaway(frames: &mut Frames) -> Vec<u8> {
    let mut told = false;
    loop {
        match frames.next().await.expect("a GOAWAY before the end") {
            Frame::GoAway(last, code) => {
                assert_eq!((last, code, told), (ALL_STREAMS, NO_ERROR, false));
                told = true;
            }
            Frame::Ping(payload) if told => return payload,
            Frame::Other(_) => {}
            other => panic!("{other:?} before the end of what was asked"),
        }
    }
}

/// Whether a client that came then, and has not asked yet, hears no GOAWAY for a moment. One that is a second old may hear
/// it; where that can have happened, nothing is known.
async fn may_still_ask(frames: &mut Frames, came: Instant) -> bool {
    let goaway = async {
        loop {
            match frames.next().await.expect("no end") {
                Frame::GoAway(..) => return,
                Frame::Other(_) => {}
                other => panic!("{other:?} without a request"),
            }
        }
    };
    let told = tokio::time::timeout(Duration::from_millis(200), goaway).await;
    let quick = came.elapsed() < Duration::from_secs(1);
    assert!(told.is_err() || !quick, "GOAWAY after {:?}", came.elapsed());
    quick
}

/// One of so many rounds has to be quick enough: on a busy machine anything can be late.
const ROUNDS: usize = 10;

/// The GOAWAYs of a connection on which only the end of a body was left to read.
async fn goaways(frames: &mut Frames) -> Vec<u32> {
    let mut goaways = Vec::new();
    while let Some(frame) = frames.next().await {
        match frame {
            Frame::GoAway(last, NO_ERROR) => goaways.push(last),
            Frame::Ping(payload) => frames.pong(&payload).await,
            Frame::Data(..) | Frame::Other(_) => {}
            other => panic!("{other:?}"),
        }
    }
    goaways
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc9113_6_8_goaway_comes_twice_and_a_stream_between_them_is_served() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut frames = Frames::connect(portcullis.listener("http")).await;
    ask(&mut frames, 1, "/held").await;
    ask(&mut frames, 3, "/held").await;
    arrived(&origin, 2).await;
    portcullis.signal("TERM");
    let ping = first_goaway(&mut frames).await;
    // These were on their way when the server said GOAWAY.
    ask(&mut frames, 5, "/bytes/5").await;
    ask(&mut frames, 7, "/held").await;
    // Clients answer the PING before they send what was queued by then.
    frames.pong_and_headers(&ping, 9, &fields("/held")).await;
    let arrived = origin.journal().becomes(PATIENCE, |journal| {
        (journal.requests(), journal.in_flight()) == (5, 4)
    });
    assert!(arrived.await);
    origin.release();
    let rest = rest(&mut frames).await;
    assert_eq!(rest.goaways, [9], "{rest:?}");
    let streams: Vec<u32> = rest.whole.iter().map(|(stream, _)| *stream).collect();
    assert_eq!(streams, [1, 3, 5, 7, 9], "{rest:?}");
    assert_eq!(rest.whole[0].1, b"at last\n");
    assert_eq!(rest.whole[2].1.len(), 5);
    let ended = Instant::now();
    assert_eq!(portcullis.end().await.code(), Some(0));
    assert!(
        ended.elapsed() < Duration::from_secs(10),
        "{:?}",
        ended.elapsed()
    );
    assert!(
        !portcullis.stderr().contains("are cut"),
        "{}",
        portcullis.stderr()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_http2_connection_is_told_and_closed_soon() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut frames = Frames::connect(portcullis.listener("http")).await;
    ask(&mut frames, 1, "/bytes/1").await;
    assert_eq!(frames.ended(1).await, Ended::Answered(200));
    // One that has never asked, and one that does not answer a PING.
    let mut unused = Frames::connect(portcullis.listener("http")).await;
    assert_eq!(unused.next().await, Some(Frame::Other(4)), "SETTINGS");
    let mut deaf = Frames::connect(portcullis.listener("http")).await;
    ask(&mut deaf, 1, "/bytes/1").await;
    assert_eq!(deaf.ended(1).await, Ended::Answered(200));
    let started = Instant::now();
    portcullis.signal("TERM");
    for (frames, last) in [(&mut frames, 1), (&mut unused, 0)] {
        assert_eq!(goaways(frames).await, [ALL_STREAMS, last]);
    }
    let mut told = false;
    while let Some(frame) = deaf.next().await {
        told |= frame == Frame::GoAway(ALL_STREAMS, NO_ERROR);
    }
    assert!(told, "GOAWAY");
    assert_eq!(portcullis.end().await.code(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_over_http2_goes_on_after_goaway() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut frames = Frames::connect(portcullis.listener("http")).await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/upload"),
    ];
    frames.headers(1, &fields, false).await;
    frames.data(1, b"half", false).await;
    arrived(&origin, 1).await;
    portcullis.signal("TERM");
    let ping = first_goaway(&mut frames).await;
    frames.pong(&ping).await;
    // Longer than an idle connection may stay.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(portcullis.ended().is_none());
    frames.data(1, b"half", true).await;
    let rest = rest(&mut frames).await;
    assert_eq!(rest.goaways, [1], "{rest:?}");
    let answer: serde_json::Value = serde_json::from_slice(&rest.whole[0].1).expect("JSON");
    assert_eq!(answer["bytes"], 8);
    assert_eq!(portcullis.end().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_stop_delay_goaway_comes_at_once_and_new_connections_get_it_too() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "runtime: {stop_delay: 1h}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    let mut frames = Frames::connect(portcullis.listener("http")).await;
    ask(&mut frames, 1, "/bytes/1").await;
    assert_eq!(frames.ended(1).await, Ended::Answered(200));
    // All of this comes during the delay.
    portcullis.signal("TERM");
    assert_eq!(goaways(&mut frames).await, [ALL_STREAMS, 1]);
    // A client that comes now gets to ask, even if that takes it a moment.
    let mut client = http2(portcullis.listener("http")).await;
    assert_eq!(client.get("/bytes/6").await.body.len(), 6);
    for round in 1.. {
        assert!(round <= ROUNDS, "never quick enough");
        let came = Instant::now();
        let mut late = Frames::connect(portcullis.listener("http")).await;
        if may_still_ask(&mut late, came).await {
            ask(&mut late, 1, "/bytes/5").await;
            let rest = rest(&mut late).await;
            assert_eq!(rest.goaways, [ALL_STREAMS, 1], "{rest:?}");
            assert_eq!(rest.whole.len(), 1, "{rest:?}");
            break;
        }
    }
    portcullis.signal("TERM");
    assert_eq!(portcullis.end().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_has_just_come_may_still_ask() {
    let origin = origin().await;
    for round in 1.. {
        assert!(round <= ROUNDS, "never quick enough");
        let mut portcullis = Portcullis::start(&site("", origin.address())).await;
        let came = Instant::now();
        let mut frames = Frames::connect(portcullis.listener("http")).await;
        assert_eq!(frames.next().await, Some(Frame::Other(4)), "SETTINGS");
        portcullis.signal("TERM");
        portcullis.says("connections have 30s to end").await;
        if may_still_ask(&mut frames, came).await {
            ask(&mut frames, 1, "/bytes/5").await;
            let rest = rest(&mut frames).await;
            assert_eq!(rest.goaways, [ALL_STREAMS, 1], "{rest:?}");
            assert_eq!(rest.whole.len(), 1, "{rest:?}");
            assert_eq!(portcullis.end().await.code(), Some(0));
            break;
        }
    }
}
