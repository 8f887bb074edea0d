//! What becomes of a question when nobody, a stranger or somebody slow is at the other end?

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const SECOND: u64 = 1_000_000_000;

/// One whose answers may take so long.
fn shared(address: std::net::SocketAddr, timeout: Duration) -> Arc<Shared> {
    let settings = Settings {
        address: RedisAddress::Known(Address::Inet(address)),
        username: None,
        password: None,
        database: 0,
        timeout,
        prefix: "test:".to_owned(),
        secret: None,
    };
    Arc::new(Shared::new(settings, &Metrics::new().expect("metrics")))
}

/// Someone who speaks with everyone in this way.
async fn somebody<F>(speak: impl Fn(TcpStream) -> F + Send + 'static) -> std::net::SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(speak(stream));
        }
    });
    address
}

async fn ask(shared: &Arc<Shared>) -> Result<Debt, Missed> {
    let name = || "test:a".to_owned();
    shared.ask(&name, SECOND, 10 * SECOND)?.await
}

/// Asks until it is away, and gives what the last ask was told.
async fn until_away(shared: &Arc<Shared>) -> Missed {
    let started = Instant::now();
    loop {
        let missed = ask(shared).await.expect_err("no answer");
        if shared.is_away() {
            return missed;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn where_nobody_listens_nobody_is_asked_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let shared = shared(address, Duration::from_secs(5));
    until_away(&shared).await;
    // Not even a future to wait for.
    let name = || panic!("no name is made for what nobody is asked about");
    assert!(matches!(shared.ask(&name, 1, 1), Err(Missed::Away)));
}

#[tokio::test]
async fn who_never_answers_is_away_after_a_while() {
    let silent = somebody(async |mut stream| {
        let mut heard = [0; 1_024];
        while stream.read(&mut heard).await.is_ok_and(|read| read > 0) {}
    });
    let shared = shared(silent.await, Duration::from_millis(5));
    assert_eq!(until_away(&shared).await, Missed::Late);
    assert_eq!(ask(&shared).await, Err(Missed::Away));
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_does_no_harm() {
    for nonsense in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n$3\r\nabc\r\n",
        b"*-1\r\n",
        b"+OK\r\n+OK\r\n+OK\r\n$99999999999\r\n",
        b"*4294967295\r\n*4294967295\r\n*4294967295\r\n",
        b"\0\xff\xfe",
        b":9223372036854775807\r\n",
        b"",
    ] {
        let stranger = somebody(async move |mut stream| {
            let mut heard = [0; 1_024];
            while stream.read(&mut heard).await.is_ok_and(|read| read > 0) {
                if nonsense.is_empty() || stream.write_all(nonsense).await.is_err() {
                    return;
                }
            }
        });
        let shared = shared(stranger.await, Duration::from_millis(20));
        until_away(&shared).await;
    }
}

#[tokio::test]
async fn who_speaks_without_end_is_cut_off() {
    let (cut, mut was_cut) = tokio::sync::mpsc::channel(16);
    let talker = somebody(move |mut stream| {
        let cut = cut.clone();
        async move {
            let _ = stream
                .write_all(b"+OK\r\n+OK\r\n+OK\r\n$8000000000\r\n")
                .await;
            while stream.write_all(&[b'a'; 65_536]).await.is_ok() {}
            let _ = cut.send(()).await;
        }
    });
    let shared = shared(talker.await, Duration::from_millis(20));
    // Also if nobody asks again.
    assert!(ask(&shared).await.is_err());
    let cut = timeout(Duration::from_secs(10), was_cut.recv()).await;
    assert_eq!(cut, Ok(Some(())));
}

#[tokio::test]
async fn only_so_many_may_wait_for_an_answer() {
    let silent = somebody(async |mut stream| {
        let mut heard = [0; 1_024];
        while stream.read(&mut heard).await.is_ok_and(|read| read > 0) {}
    });
    let shared = shared(silent.await, Duration::from_secs(60));
    let name = || "test:a".to_owned();
    let asked: Vec<_> = std::iter::from_fn(|| shared.ask(&name, 1, 1).ok())
        .take(100_000)
        .collect();
    assert_eq!(asked.len(), 1_024);
    assert!(matches!(shared.ask(&name, 1, 1), Err(Missed::Busy)));
    drop(asked);
    assert!(shared.ask(&name, 1, 1).is_ok());
}
