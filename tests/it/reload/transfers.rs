//! Do a slow upload and a slow download come whole over reloads in their middle?

use std::time::{Duration, Instant};

use bytes::Bytes;
use origin::expected_bytes;
use tokio::net::TcpSocket;
use tokio::sync::watch;

use super::*;
use crate::streaming::pieces::{growing, next_piece};

/// How long a transfer takes at least. It does not end before the reloads are done.
fn duration() -> Duration {
    match std::env::var_os("CI") {
        Some(_) => Duration::from_secs(4),
        None => Duration::from_secs(6),
    }
}

/// The pieces of an upload.
const PIECES: u64 = 60;
const PIECE: usize = 40_000;

/// A body that is larger than what the kernel's buffers between Portcullis and a [`slow`] client hold, so that it is
/// under way for as long as the client wants.
const DOWNLOAD: usize = 20 << 20;

fn piece(number: u64) -> Bytes {
    let bytes = (0..PIECE as u64).map(|at| (number * 31 + at * 7 + at / 251).to_le_bytes()[0]);
    bytes.collect()
}

/// What the origin answers to an upload of all pieces.
fn receipt() -> String {
    let bytes = (0..PIECES).flat_map(piece);
    let sum = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!(
        "{{\"bytes\":{},\"fnv1a64\":\"{sum:016x}\"}}\n",
        PIECES * PIECE as u64
    )
}

/// Waits in the middle of a transfer until the reloads are done: what is left then is more than buffers hold.
async fn linger(share: f64, done: &mut watch::Receiver<bool>) {
    if share > 0.5 {
        done.wait_for(|done| *done).await.expect("a word");
    }
}

async fn upload(mut client: Client, mut done: watch::Receiver<bool>) {
    let (sender, body) = growing();
    let pieces = async move {
        for number in 0..PIECES {
            sender.send(piece(number)).await.expect("taken");
            tokio::time::sleep(duration() / PIECES as u32).await;
            linger(number as f64 / PIECES as f64, &mut done).await;
        }
    };
    let asked = request("POST", "/upload").body(body).expect("a request");
    let (response, ()) = tokio::join!(client.send_patiently(asked), pieces);
    let answer = Answer::read(response.expect("a response"))
        .await
        .expect("whole");
    assert_eq!((answer.status.as_u16(), answer.text()), (200, receipt()));
}

/// A client for which the kernel buffers little.
async fn slow(address: SocketAddr, http2: bool) -> Client {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(64 << 10).expect("a size");
    let stream = socket.connect(address).await.expect("connected");
    over(stream, http2, "http", &address.to_string()).await
}

async fn download(mut client: Client, mut done: watch::Receiver<bool>) {
    let asked = request("GET", &format!("/bytes/{DOWNLOAD}")).body(full(""));
    let response = client
        .send(asked.expect("a request"))
        .await
        .expect("a response");
    assert_eq!(response.status(), 200);
    let (started, mut body, mut read) = (Instant::now(), response.into_body(), Vec::new());
    loop {
        let piece = next_piece(&mut body).await;
        if piece.is_empty() {
            break;
        }
        read.extend_from_slice(&piece);
        let share = read.len() as f64 / DOWNLOAD as f64;
        let due = duration().mul_f64(share);
        tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
        linger(share, &mut done).await;
    }
    assert!(
        started.elapsed() > duration() * 9 / 10,
        "{:?}",
        started.elapsed()
    );
    assert!(
        read == expected_bytes(DOWNLOAD),
        "{} bytes, or other ones",
        read.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_in_the_middle_of_slow_transfers_leave_them_whole() {
    let origin = origin().await;
    let yaml = |carrier: Carrier, number: u32| {
        let listener = match number {
            3.. => "{name: other, address: \"127.0.0.1:0\"}",
            _ => HTTP,
        };
        let headers = format!("request_headers: {{set: {{x-number: \"{number}\"}}}}");
        let route = format!("{{name: all, pool: p, {headers}}}");
        let pool = pool("p", origin.address());
        config(&[listener], &[&route], &[&pool]) + &format!("runtime: {{carrier: {carrier}}}\n")
    };
    let direct = Portcullis::start(&yaml(Carrier::Direct, 0)).await;
    let duplex = Portcullis::start(&yaml(Carrier::Duplex, 0)).await;
    let (at_direct, at_duplex) = (direct.listener("http"), duplex.listener("http"));
    let (done, told) = watch::channel(false);
    let transfers = [
        tokio::spawn(upload(http1(at_duplex).await, told.clone())),
        tokio::spawn(upload(http2(at_duplex).await, told.clone())),
        tokio::spawn(download(slow(at_duplex, false).await, told.clone())),
        tokio::spawn(download(slow(at_duplex, true).await, told.clone())),
        tokio::spawn(download(slow(at_direct, false).await, told.clone())),
        tokio::spawn(download(slow(at_direct, true).await, told)),
    ];
    let are_under_way = async || {
        for (portcullis, count) in [(&direct, 2.0), (&duplex, 4.0)] {
            eventually("all are under way", async || {
                portcullis.metric("portcullis_requests_in_flight").await == count
            })
            .await;
        }
    };
    are_under_way().await;
    let mut ticks = tokio::time::interval(duration() / 8);
    for number in 1..6 {
        ticks.tick().await;
        direct.apply(&yaml(Carrier::Direct, number)).await;
        duplex.apply(&yaml(Carrier::Duplex, number)).await;
    }
    // The reloads came in the middle.
    are_under_way().await;
    assert!(!transfers.iter().any(|transfer| transfer.is_finished()));
    done.send_replace(true);
    for transfer in transfers {
        let transfer = in_time("the rest of a transfer", transfer);
        transfer.await.expect("a whole transfer");
    }
    assert_eq!(origin.journal().cancelled(), 0);
    for portcullis in [&direct, &duplex] {
        eventually("former generations are gone", async || {
            portcullis
                .metric("portcullis_config_generations_in_use")
                .await
                == 1.0
        })
        .await;
    }
}
