//! What does one worker thread do? It accepts on its own sockets and keeps every connection to itself: its clients',
//! and the idle ones to endpoints. Nothing of a request crosses to another thread.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora_timeout::fast_timeout::fast_timeout;
use tokio::sync::watch;

use super::http1::{self, Ended};
use super::http2;
use super::listen::{Acceptor, ListeningSocket};
use super::live::{Live, LiveConnection};
use super::open::{Opened, open};
use super::socket::Socket;
use crate::proxy::Gate;
use crate::snapshot::{Listener, Snapshot};
use crate::telemetry::metrics::{Counted, RefusedReason};
use crate::upstream::idle::IdlePool;

/// How long an accept loop rests when the process has no descriptor left.
const REST: Duration = Duration::from_millis(50);

/// What the connections of one thread share.
pub struct Worker {
    /// Pingora's proxy with our hooks.
    pub proxy: Arc<HttpProxy<Gate>>,
    /// Turns true when the process stops.
    pub shutdown: watch::Receiver<bool>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    idle: Arc<IdlePool>,
    live: Arc<Live>,
}

impl Worker {
    /// A worker of its own pool of connections.
    pub fn new(
        conf: &Arc<ServerConf>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        live: Arc<Live>,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        let idle = Arc::new(IdlePool::default());
        let gate = Gate::new(Arc::clone(&snapshot), Arc::clone(&idle));
        Self {
            proxy: Arc::new(http_proxy(conf, gate)),
            shutdown,
            snapshot,
            idle,
            live,
        }
    }

    /// The generation of now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Accepts on its sockets until the process stops, and then lets its connections end.
    pub async fn run(self: Arc<Self>, sockets: Vec<(Arc<Listener>, ListeningSocket)>) {
        for (listener, socket) in sockets {
            let worker = Arc::clone(&self);
            tokio::spawn(async move {
                let name = Arc::clone(&listener.name);
                if let Err(error) = worker.accept(listener, socket).await {
                    log::error!("listener {name}: {error}");
                }
            });
        }
        let mut shutdown = self.shutdown.clone();
        let mut tick = tokio::time::interval(IdlePool::SWEEP_EVERY);
        loop {
            tokio::select! {
                _ = tick.tick() => self.idle.sweep(Instant::now()),
                // The sender goes only when the process does.
                _ = shutdown.wait_for(|stopping| *stopping) => break,
            }
        }
        self.live.none_left().await;
    }

    async fn accept(
        self: Arc<Self>,
        listener: Arc<Listener>,
        socket: ListeningSocket,
    ) -> io::Result<()> {
        let acceptor = Acceptor::new(socket)?;
        let mut shutdown = self.shutdown.clone();
        let mut complained = None::<Instant>;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = shutdown.wait_for(|stopping| *stopping) => return Ok(()),
                accepted = acceptor.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer, local)) => {
                    let worker = Arc::clone(&self);
                    // Counted before it is spawned: the worker must not end while one waits for its first turn.
                    let live = worker.live.one_more();
                    tokio::spawn(connection(
                        worker,
                        live,
                        Arc::clone(&listener),
                        socket,
                        peer,
                        local,
                    ));
                }
                Err(error) => {
                    // No descriptor or no memory: what is connected goes on, what waits is taken when there is room.
                    if complained.is_none_or(|last| last.elapsed() > Duration::from_secs(1)) {
                        log::warn!("listener {}: accept: {error}", listener.name);
                        complained = Some(Instant::now());
                    }
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
}

/// One connection, from accept to close.
async fn connection(
    worker: Arc<Worker>,
    _live: LiveConnection,
    listener: Arc<Listener>,
    socket: Socket,
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
) {
    let _counted = Counted::new(&listener.metrics.connections);
    listener.metrics.accepted.inc();
    // Boxed, as everything that is over before the connection is idle: an idle connection holds this future for long.
    let opening = Box::pin(open(Arc::clone(&listener), socket, peer, local));
    let mut shutdown = worker.shutdown.clone();
    let opened = tokio::select! {
        biased;
        opened = fast_timeout(listener.timeouts.handshake, opening) => opened,
        // Nothing was asked yet, so nothing is lost.
        _ = shutdown.wait_for(|stopping| *stopping) => return,
    };
    let opened = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(reason)) => return listener.metrics.refused(reason),
        Err(_) => return listener.metrics.refused(RefusedReason::Timeout),
    };
    drop(listener);
    let Opened {
        connection,
        http2,
        about,
    } = opened;
    if http2 {
        return Box::pin(http2::serve(connection, &about, &worker)).await;
    }
    if let Ended::Http2(connection) = http1::serve(connection, &about, &worker).await {
        Box::pin(http2::serve(connection, &about, &worker)).await;
    }
}
