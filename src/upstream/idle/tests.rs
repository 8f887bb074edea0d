//! Which connections come back, and which never do?

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::server::connection::socket::Socket;
use crate::telemetry::Metrics;
use crate::upstream::connection::EndpointWire;
use pingora::protocols::UniqueID;

const KEEPALIVE: Keepalive = Keepalive {
    idle: Some(Duration::from_secs(60)),
    connections: 2,
};

/// A connection for the pool, and the endpoint's end of it.
async fn pair() -> (Box<EndpointConnection>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
    let ours = EndpointWire::Plain(Socket::from(ours.expect("it connects")));
    (Box::new(ours.into()), theirs.expect("it accepts").0)
}

fn metrics() -> PoolMetrics {
    Metrics::new().expect("metrics").pool("app")
}

fn peer() -> PeerId {
    PeerId::for_test(1)
}

/// Waits until the runtime knows that there is something to read.
async fn heard(connection: &EndpointConnection) {
    while connection.is_quiet() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_connection_that_was_used_last_comes_first_and_the_oldest_gives_way() {
    let pool = IdlePool::default();
    let now = Instant::now();
    let mut ends = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let (ours, theirs) = pair().await;
        ids.push(ours.id());
        ends.push(theirs);
        pool.put(peer(), ours, &KEEPALIVE, &metrics(), now);
    }
    assert_eq!(
        pool.take(peer(), now).map(|stream| stream.id()),
        Some(ids[2])
    );
    assert_eq!(
        pool.take(peer(), now).map(|stream| stream.id()),
        Some(ids[1])
    );
    assert!(pool.take(peer(), now).is_none());
}

#[tokio::test]
async fn a_connection_the_endpoint_closed_or_wrote_to_never_comes_back() {
    let pool = IdlePool::default();
    let (closed, theirs) = pair().await;
    drop(theirs);
    heard(&closed).await;
    pool.put(peer(), closed, &KEEPALIVE, &metrics(), Instant::now());
    let (talked, mut theirs) = pair().await;
    theirs
        .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
        .await
        .expect("it writes");
    heard(&talked).await;
    pool.put(peer(), talked, &KEEPALIVE, &metrics(), Instant::now());
    assert!(pool.take(peer(), Instant::now()).is_none());
}

#[tokio::test]
async fn what_is_old_is_swept_and_other_peers_get_nothing() {
    let pool = IdlePool::default();
    let now = Instant::now();
    let (ours, _theirs) = pair().await;
    pool.put(peer(), ours, &KEEPALIVE, &metrics(), now);
    assert!(pool.take(PeerId::for_test(2), now).is_none());
    pool.sweep(now + Duration::from_secs(61));
    assert!(pool.take(peer(), now).is_none());
}

#[tokio::test]
async fn the_pool_is_told_at_each_sweep_how_many_there_are_and_when_they_go() {
    let (pool, metrics) = (IdlePool::default(), metrics());
    let now = Instant::now();
    let mut ends = Vec::new();
    for number in 1..=2 {
        let (ours, theirs) = pair().await;
        ends.push(theirs);
        pool.put(PeerId::for_test(number), ours, &KEEPALIVE, &metrics, now);
    }
    let told = || metrics.idle_connections.get();
    assert_eq!(told(), 0);
    pool.sweep(now);
    assert_eq!(told(), 2);
    let taken = pool.take(PeerId::for_test(1), now);
    pool.sweep(now);
    assert_eq!(told(), 1);
    drop(taken);
    pool.keep_only(&FxHashSet::default());
    assert_eq!(told(), 0);
}
