//! Is every new connection served while something happens?

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use origin::expected_bytes;
use tokio::task::JoinHandle;

use crate::support::*;

/// Clients that connect again and again and ask once on each connection, at once or a little later.
pub struct Connecting {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

struct Shared {
    stopped: AtomicBool,
    served: AtomicU64,
}

impl Connecting {
    /// Starts as many.
    pub fn start(address: SocketAddr, clients: u64) -> Self {
        let shared = Arc::new(Shared {
            stopped: AtomicBool::new(false),
            served: AtomicU64::new(0),
        });
        let client = |number| {
            let pause = Duration::from_millis(number % 4 * 50);
            tokio::spawn(keep_connecting(address, pause, Arc::clone(&shared)))
        };
        Self {
            clients: (0..clients).map(client).collect(),
            shared,
        }
    }

    /// Waits until a number of them were served that were not when this was called.
    pub async fn goes_on(&self) {
        let served = || self.shared.served.load(Ordering::Relaxed);
        let before = served();
        eventually("new connections are served", async || {
            served() > before + 5 * self.clients.len() as u64 || self.failed()
        })
        .await;
    }

    fn failed(&self) -> bool {
        self.clients.iter().any(JoinHandle::is_finished)
    }

    /// Stops them; panics if one was not served.
    pub async fn stop(self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("every connection is served");
        }
    }
}

async fn keep_connecting(address: SocketAddr, pause: Duration, shared: Arc<Shared>) {
    while !shared.stopped.load(Ordering::Relaxed) {
        let mut raw = Raw::connect(address).await;
        tokio::time::sleep(pause).await;
        raw.send("GET /bytes/10 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
        let answer = raw.last_response().await;
        assert_eq!((answer.status, answer.body), (200, expected_bytes(10)));
        shared.served.fetch_add(1, Ordering::Relaxed);
    }
}
