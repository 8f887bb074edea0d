//! What does a connection cost that is refused?

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use super::*;

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

/// What accepting and closing alone costs.
fn bare(count: u32) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let accepting = std::thread::spawn(move || {
        for _ in 0..count {
            let (stream, _) = listener.accept().expect("accepted");
            SockRef::from(&stream)
                .set_linger(Some(Duration::ZERO))
                .expect("set");
        }
        cpu("/proc/thread-self/schedstat").expect("a kernel that counts CPU time")
    });
    connect(address, count);
    accepting.join().expect("no panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_refused_connections_cost_little_more_than_to_accept_them() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("limits: {connections: 1}", origin.address())).await;
    let address = portcullis.listener("http");
    let mut inside = http1(address).await;
    open(&portcullis, "http", 1).await;
    let count = count();
    let memory = portcullis.rss();
    let mut costs = Vec::new();
    // What others do on the machine makes it dearer, never cheaper: one of three is asked for.
    for round in 1..=3 {
        let before = cpu_of(portcullis.pid());
        let connecting = tokio::task::spawn_blocking(move || connect(address, count));
        connecting.await.expect("no panic");
        let spent = cpu_of(portcullis.pid()) - before;
        let bare = tokio::task::spawn_blocking(move || bare(count))
            .await
            .expect("no panic");
        let (each, bare) = (spent / count, bare / count);
        eprintln!("a refused connection costs {each:?} of CPU, accept and close alone {bare:?}");
        assert_eq!(
            refused(&portcullis, "http", "limit_listener").await,
            f64::from(count * round)
        );
        costs.push((each, bare));
        if each < bare * 5 {
            break;
        }
    }
    let more = portcullis.rss().saturating_sub(memory);
    eprintln!("{more} bytes more are held");
    assert_eq!(inside.get("/").await.status, 200);
    // Three times as much without optimisation. A task for each of them, or TLS, would be more.
    assert!(
        costs.iter().any(|(each, bare)| *each < *bare * 5),
        "{costs:?}"
    );
    assert!(more < 8 << 20, "{more}");
}
