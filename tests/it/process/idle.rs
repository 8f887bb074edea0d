//! How fast does a process end that has nothing to do?

use std::time::{Duration, Instant};

use crate::support::*;

const YAML: &str = "listeners:\n\
    - {name: http, address: \"127.0.0.1:0\"}\n\
    - {name: https, address: \"127.0.0.1:0\", tls: {certificates: [{certificate: a.crt, key: a.key}]}}\n\
    routes: [{name: hello, respond: {body: hello}}]\n";

/// The shortest of five times from a signal to the end of a process that has nothing to do. The shortest, because on a
/// busy machine anything can be late.
async fn shortest_end(signal: rustix::process::Signal, clients: Idle) -> Duration {
    let authority = Authority::new();
    let identity = authority.issue(&["a.test"]);
    let mut shortest = Duration::MAX;
    for _ in 0..5 {
        let builder = Portcullis::builder(YAML).identity("a", &identity);
        let mut portcullis = builder.start().await;
        let mut parked = Vec::new();
        if clients == Idle::Parked {
            let (plain, tls) = (portcullis.listener("http"), portcullis.listener("https"));
            for _ in 0..4 {
                parked.push(http1(plain).await);
                parked.push(http2(plain).await);
                parked.push(https1(tls, "a.test", &authority.roots()).await);
                parked.push(https2(tls, "a.test", &authority.roots()).await);
            }
            for client in &mut parked {
                assert_eq!(client.get("/").await.text(), "hello");
            }
        }
        let pid = i32::try_from(portcullis.pid()).expect("a pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        let started = Instant::now();
        rustix::process::kill_process(pid, signal).expect("signalled");
        let status = loop {
            if let Some(status) = portcullis.ended() {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            // Often, as it is its time that counts.
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        shortest = shortest.min(started.elapsed());
        assert_eq!(status.code(), Some(0), "{}", portcullis.stderr());
        assert!(
            !portcullis.stderr().contains("are cut"),
            "{}",
            portcullis.stderr()
        );
        for mut client in parked {
            client.closed().await;
        }
    }
    eprintln!("{signal:?} with {clients:?}: {shortest:?}");
    shortest
}

/// Who is connected to a process that has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Idle {
    Nobody,
    /// Clients of HTTP/1 and HTTP/2, plain and TLS, that have been answered.
    Parked,
}

#[tokio::test]
async fn without_clients_sigterm_and_sigquit_end_it_within_200_ms() {
    use rustix::process::Signal;
    for signal in [Signal::TERM, Signal::QUIT] {
        let took = shortest_end(signal, Idle::Nobody).await;
        assert!(took < Duration::from_millis(200), "{signal:?}: {took:?}");
    }
}

#[tokio::test]
async fn with_idle_connections_sigterm_and_sigquit_end_it_within_200_ms() {
    use rustix::process::Signal;
    for signal in [Signal::TERM, Signal::QUIT] {
        let took = shortest_end(signal, Idle::Parked).await;
        assert!(took < Duration::from_millis(200), "{signal:?}: {took:?}");
    }
}

#[tokio::test]
async fn who_connects_and_says_nothing_does_not_hold_it_up() {
    let authority = Authority::new();
    let identity = authority.issue(&["a.test"]);
    let builder = Portcullis::builder(YAML).identity("a", &identity);
    let mut portcullis = builder.start().await;
    let (plain, tls_at) = (portcullis.listener("http"), portcullis.listener("https"));
    let roots = authority.roots();
    let agreed = |alpn| std::sync::Arc::new(client_config(&roots, rustls::ALL_VERSIONS, &[alpn]));
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let _silent = (
        Raw::connect(plain).await,
        Raw::connect(tls_at).await,
        Raw::sent(plain, "GET / HTTP/1.1\r\nHo").await,
        Raw::sent(plain, preface).await,
        Raw::sent(plain, &preface[..10]).await,
        tls(tls_at, "a.test", &agreed("http/1.1")).await,
        tls(tls_at, "a.test", &agreed("h2")).await,
    );
    eventually("all are in", async || {
        portcullis.metric("portcullis_connections_total").await == 7.0
    })
    .await;
    let started = Instant::now();
    assert_eq!(portcullis.stop().await.code(), Some(0));
    // The grace, and the time for a first byte, are 30 seconds.
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}
