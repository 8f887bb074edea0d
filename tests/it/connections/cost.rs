//! What does a connection cost that is refused?

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::*;

/// In how many turns.
const PARTS: u32 = 10;

/// How many are refused; fewer where the suite has to be short.
fn count() -> u32 {
    match std::env::var_os("CI") {
        Some(_) => 2_000,
        None => 10_000,
    }
}

/// The CPU time in the first number of such a file (`schedstat`), if there is one.
fn cpu(path: impl AsRef<std::path::Path>) -> Option<Duration> {
    let text = std::fs::read_to_string(path).ok()?;
    let nanos = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// The CPU time of a process in all of its threads.
fn cpu_of(pid: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    // One may have ended meanwhile, but not all.
    let threads =
        threads.filter_map(|thread| cpu(thread.expect("a thread").path().join("schedstat")));
    let sum: Duration = threads.sum();
    assert!(sum > Duration::ZERO, "a kernel that counts CPU time");
    sum
}

/// Connects so often, one after the other, and waits each time until the connection is closed.
fn connect(address: SocketAddr, count: u32) {
    for _ in 0..count {
        // A reset may be quicker than this is with the handshake's end.
        let Ok(mut stream) = TcpStream::connect(address) else {
            continue;
        };
        // Its end or a reset.
        let read = stream.read(&mut [0; 1]);
        assert!(read.is_err() || read.is_ok_and(|length| length == 0));
    }
}

/// Connects so often, one after the other, and has one request answered each time.
fn be_served(address: SocketAddr, count: u32) {
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).expect("connected");
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(request).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_refused_connections_cost_little_beside_some_that_are_served() {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    let portcullis = Portcullis::start(&format!(
        "listeners:\n\
         - {{name: http, address: \"127.0.0.1:0\", limits: {{connections: 1}}}}\n\
         - {{name: free, address: \"127.0.0.1:0\"}}\n\
         routes: [{{name: all, pool: origin}}]\n\
         pools: [{{name: origin, endpoints: [\"{endpoint}\"]}}]\n"
    ))
    .await;
    let (address, free) = (portcullis.listener("http"), portcullis.listener("free"));
    let mut inside = http1(address).await;
    open(&portcullis, "http", 1).await;
    let refusals = count();
    let memory = portcullis.rss();
    // In the same process and by turns, so that what others do on the machine makes both dearer.
    let (mut refusing, mut serving) = (Duration::ZERO, Duration::ZERO);
    let served = refusals / PARTS / 10;
    for part in 1..=PARTS {
        let before = cpu_of(portcullis.pid());
        let connecting = tokio::task::spawn_blocking(move || connect(address, refusals / PARTS));
        connecting.await.expect("no panic");
        let between = cpu_of(portcullis.pid());
        let connecting = tokio::task::spawn_blocking(move || be_served(free, served));
        connecting.await.expect("no panic");
        refusing += between - before;
        serving += cpu_of(portcullis.pid()) - between;
        assert_eq!(
            refused(&portcullis, "http", "limit_listener").await,
            f64::from(refusals / PARTS * part)
        );
    }
    let (refusal, service) = (refusing / refusals, serving / (served * PARTS));
    eprintln!("a refused connection costs {refusal:?} of CPU, one with a request {service:?}");
    let more = portcullis.rss().saturating_sub(memory);
    eprintln!("{more} bytes more are held");
    assert_eq!(inside.get("/").await.status, 200);
    // A tenth without optimisation. A task for each of them, or TLS, would be more.
    assert!(refusal < service / 4, "{refusal:?}, {service:?}");
    assert!(more < 8 << 20, "{more}");
}
