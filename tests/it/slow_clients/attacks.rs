//! What do a thousand clients cost that are slow on purpose, and what does a good one notice?

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::attackers::{Attack, Attackers, GoodClient, many};
use crate::support::*;

/// Everybody has three seconds for everything but for doing nothing, and must be faster than any attacker here.
const DEADLINES: &str = "timeouts: {header: 3s, body: 3s, write: 3s, idle: 60s}, \
     limits: {min_body_rate: 1kB, min_send_rate: 10kB}";

/// How long after the last attacker has come an attack may last: the three seconds that each has, and time for a machine
/// that is busy with a thousand of them.
const CUT_OFF: Duration = Duration::from_secs(3 + 10);

/// Longer than that it never lasts, whatever else the machine does.
const AT_LAST: Duration = Duration::from_secs(30);

/// What the good client may wait for the slowest answer; for most of them three times as long as before, and a little more.
const LONGEST: Duration = Duration::from_secs(8);

/// What there was to see of an attack.
#[derive(Debug)]
struct Seen {
    lasted: Duration,
    before: Duration,
    median: Duration,
    longest: Duration,
}

impl Seen {
    fn is_good(&self) -> bool {
        self.lasted < CUT_OFF
            && self.median <= self.before * 3 + Duration::from_millis(50)
            && self.longest < LONGEST
    }
}

/// Attacks until nobody has waited for long, three times at most: other tests may keep the machine busy once or twice.
async fn endured(attack: impl AsyncFn() -> Seen) {
    let mut rounds = Vec::new();
    while rounds.len() < 3 {
        let seen = attack().await;
        if seen.is_good() {
            return;
        }
        rounds.push(seen);
    }
    panic!("each time somebody waits for long: {rounds:?}");
}

/// One attack at a time: it is not the other attackers' machine that is to be told of.
static ALONE: Mutex<()> = Mutex::const_new(());

/// What one attacker may cost, with all that it makes an endpoint send.
const COST: u64 = 256 << 10;

/// Runs the attack beside a good client. All attackers are cut off in time, and for this reason, but for those whose
/// request did not come as far as that.
async fn endure(attack: Attack, reason: &str) {
    let _alone = ALONE.lock().await;
    endured(async || attacked(&attack, reason).await).await;
}

async fn attacked(attack: &Attack, reason: &str) -> Seen {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site(DEADLINES, origin.address())).await;
    let address = portcullis.listener("http");
    // So that what is filled once is not taken for the attackers' doing.
    let good = GoodClient::start(address);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (median_before, _) = good.stop().await;
    let before = portcullis.rss();

    let good = GoodClient::start(address);
    let count = many();
    let attackers = Attackers::start(address, count, attack).await;
    let all_here = Instant::now();
    let mut most = before;
    loop {
        most = most.max(portcullis.rss());
        let failures = portcullis.metric("portcullis_failures_total{").await;
        let lasts = all_here.elapsed();
        if failures >= count as f64 {
            break;
        }
        assert!(
            lasts < AT_LAST,
            "after {lasts:?} {failures} of {count} are cut off"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let lasted = all_here.elapsed();
    let (median, longest) = good.stop().await;
    let failed = async |reason: &str| {
        let series = format!("portcullis_failures_total{{reason=\"{reason}\"");
        portcullis.metric(&series).await
    };
    let of_reason = failed(reason).await;
    let never_in = match reason {
        "header_timeout" => 0.0,
        _ => failed("header_timeout").await,
    };
    let cost = most.saturating_sub(before) / count as u64;
    eprintln!(
        "{reason}: {of_reason} of {count} attackers ({never_in} never in) cut off {lasted:?} after the last came, \
         {cost} bytes each; a good client's answers took {median:?} (before {median_before:?}), at most {longest:?}"
    );
    assert!(cost < COST, "{cost} bytes");
    let came_in = count as f64 - never_in;
    assert!(came_in >= count as f64 / 2.0, "{never_in} of {count}");
    assert!(
        of_reason >= 0.95 * came_in,
        "{of_reason} of {came_in} that came in"
    );
    let journal = origin.journal();
    let free = journal.becomes(PATIENCE, |journal| journal.in_flight() == 0);
    assert!(free.await, "the endpoint is free");
    drop(attackers);
    Seen {
        lasted,
        before: median_before,
        median,
        longest,
    }
}

fn http1_attack(first: &str, then: &str, sip: usize) -> Attack {
    Attack {
        first: first.into(),
        then: then.into(),
        sip,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_headers() {
    let first = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Slow: ";
    endure(http1_attack(first, "x", 0), "header_timeout").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies() {
    let first = "POST /upload HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n";
    endure(http1_attack(first, "x", 0), "body_too_slow").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers() {
    let first = "GET /bytes/640k HTTP/1.1\r\nHost: a.test\r\n\r\n";
    endure(http1_attack(first, "", 16), "client_too_slow").await;
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a small frame");
    let [high, low] = length.to_be_bytes();
    [&[0, high, low, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// `:scheme http`, `:authority a.test`, the method of this index of the static table and a short path (RFC 7541).
fn fields(method: u8, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).expect("a short path");
    [
        &[method, 0x86, 0x41, 6][..],
        b"a.test",
        &[0x44, length],
        path.as_bytes(),
    ]
    .concat()
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;

fn http2_attack(settings: &[u8], first: Vec<u8>, then: Vec<u8>) -> Attack {
    Attack {
        first: [PREFACE, &frame(4, 0, 0, settings), &first].concat(),
        then,
        sip: 64,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_slow_bodies() {
    let first = frame(1, 4, 1, &fields(POST, "/upload"));
    let attack = http2_attack(&[], first, frame(0, 0, 1, b"x"));
    endure(attack, "body_too_slow").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_slow_readers() {
    let first = frame(1, 5, 1, &fields(GET, "/bytes/640k"));
    // A window of ten bytes, and one byte more at a time.
    let settings = [0, 4, 0, 0, 0, 10];
    let attack = http2_attack(&settings, first, frame(8, 0, 1, &[0, 0, 0, 1]));
    endure(attack, "client_too_slow").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_slow_headers() {
    let _alone = ALONE.lock().await;
    endured(slow_http2_headers).await;
}

async fn slow_http2_headers() -> Seen {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site(DEADLINES, origin.address())).await;
    let address = portcullis.listener("http");
    // As long as it takes to know what its answers take without attackers.
    let good = GoodClient::start(address);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (median_before, _) = good.stop().await;
    let good = GoodClient::start(address);
    // A header of 1,000 bytes, of which one comes at a time: it is no request yet, so it has no line.
    let whole = frame(1, 4, 1, &[0x82; 1_000]);
    let attack = http2_attack(&[], whole[..10].to_vec(), vec![0x82]);
    let count = many();
    let attackers = Attackers::start(address, count, &attack).await;
    let started = Instant::now();
    eventually("they are cut off", async || {
        portcullis.metric("portcullis_connections{").await <= 3.0
    })
    .await;
    let lasted = started.elapsed();
    let (median, longest) = good.stop().await;
    eprintln!(
        "{count} attackers cut off after {lasted:?}; a good client's answers took {median:?}, at most {longest:?}"
    );
    assert!(lasted < AT_LAST, "{lasted:?}");
    drop(attackers);
    Seen {
        lasted,
        before: median_before,
        median,
        longest,
    }
}
