//! Who are the clients that are slow on purpose, hundreds at a time, and who is the good one beside them?

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::support::*;

/// How many there are: enough to fill what they can fill, and fewer where time is short.
pub fn many() -> usize {
    match std::env::var_os("CI") {
        Some(_) => 250,
        None => 1_000,
    }
}

/// What one of them does.
#[derive(Clone)]
pub struct Attack {
    /// What it begins with.
    pub first: Vec<u8>,
    /// What it goes on with, little by little; nothing if it only reads.
    pub then: Vec<u8>,
    /// How many bytes it reads at a time; 0 for none.
    pub sip: usize,
}

/// Between two pieces.
const EVERY: Duration = Duration::from_millis(400);

/// Attackers, until they are dropped.
pub struct Attackers(Vec<JoinHandle<()>>);

impl Attackers {
    /// Connects so many, and gives them once all are.
    pub async fn start(address: SocketAddr, count: usize, attack: &Attack) -> Self {
        let connected = Arc::new(AtomicUsize::new(0));
        let attackers = (0..count).map(|_| {
            let (attack, connected) = (attack.clone(), Arc::clone(&connected));
            tokio::spawn(async move {
                let socket = TcpSocket::new_v4().expect("a socket");
                socket
                    .set_recv_buffer_size(4 << 10)
                    .expect("a small buffer");
                let mut stream = socket.connect(address).await.expect("connected");
                connected.fetch_add(1, Ordering::Relaxed);
                // Until it is cut off, which it may notice late.
                let _ = attack.go_on(&mut stream).await;
                // Its own end must not be what ends the connection.
                std::future::pending::<()>().await;
            })
        });
        let attackers = Self(attackers.collect());
        eventually("attackers are connected", async || {
            connected.load(Ordering::Relaxed) == count
        })
        .await;
        attackers
    }
}

impl Attack {
    async fn go_on(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(&self.first).await?;
        let mut read = vec![0; self.sip];
        loop {
            sleep(EVERY).await;
            stream.write_all(&self.then).await?;
            if self.sip > 0 {
                let _ = stream.try_read(&mut read);
            }
        }
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// A client that asks again and again, on one connection and on new ones.
pub struct GoodClient {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Vec<Duration>>,
}

impl GoodClient {
    pub fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let asking = tokio::spawn(async move {
            let (mut kept, mut took) = (http1(address).await, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                for fresh in [false, true] {
                    let asked = Instant::now();
                    let answer = match fresh {
                        true => http1(address).await.get("/bytes/1k").await,
                        false => kept.get("/bytes/1k").await,
                    };
                    took.push(asked.elapsed());
                    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 1024));
                }
                // It looks, and is no load of its own.
                sleep(Duration::from_millis(5)).await;
            }
            took
        });
        Self { stop, asking }
    }

    /// How long its answers took: the median, and the longest. All of them came, or this panics.
    pub async fn stop(self) -> (Duration, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let took = in_time("the good client's last answer", self.asking).await;
        let mut took = took.expect("every request is answered");
        took.sort_unstable();
        (took[took.len() / 2], took[took.len() - 1])
    }
}
