//! How are admin connections served? By hyper, a few at a time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::answer::View;
use crate::server::door::Queue;
use crate::server::door::accepted::Accepted;
use crate::server::door::listen::{Acceptor, ListeningSocket};
use crate::server::door::live::{Alive, Live};

/// Connections at once: scrapers and probes are few, and nobody else belongs here.
const CONNECTIONS: usize = 64;
/// How long a header may take, and a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(10);

/// Those who ask: the connections of the admin listener and of the control socket.
#[derive(Debug, Default)]
pub struct Askers {
    live: Arc<Live>,
    leave: watch::Sender<bool>,
}

impl Askers {
    /// Counts one more; before it gets its first turn, so that the process does not end meanwhile.
    pub fn one_more(&self) -> Alive {
        self.live.one_more()
    }

    /// Lets everyone have the answer that is due, and no other.
    pub fn leave(&self) {
        self.leave.send_replace(true);
    }

    /// Resolves when nobody is there any more.
    pub async fn none_left(&self) {
        self.live.none_left().await;
    }
}

/// Serves until it is told what becomes of those who wait; connections that were accepted go on until [`Askers::leave`].
pub async fn serve(
    socket: ListeningSocket,
    view: Arc<View>,
    mut closed: oneshot::Receiver<Queue>,
    _serving: Alive,
) {
    let acceptor = match Acceptor::new(socket) {
        Ok(acceptor) => acceptor,
        Err(error) => return log::error!("admin: {error}"),
    };
    let places = places();
    let queue = loop {
        let next = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            match acceptor.accept().await {
                Ok(accepted) => Some((accepted, place)),
                Err(error) => {
                    // No descriptor is left: the traffic has them, and the next try comes soon.
                    log::warn!("admin: accept: {error}");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    None
                }
            }
        };
        tokio::select! {
            biased;
            queue = &mut closed => break queue,
            next = next => if let Some((accepted, place)) = next
                && let Some(arrival) = accepted.take_in()
            {
                let alive = view.process.askers.one_more();
                tokio::spawn(connection(arrival.socket, Arc::clone(&view), place, alive));
            },
        }
    };
    if let Ok(Queue::Take { handshakes }) = queue {
        let take = |accepted: Accepted| {
            let Some(arrival) = accepted.take_in() else {
                return;
            };
            let (view, places) = (Arc::clone(&view), Arc::clone(&places));
            let alive = view.process.askers.one_more();
            tokio::spawn(async move {
                if let Ok(place) = places.acquire_owned().await {
                    connection(arrival.socket, view, place, alive).await;
                }
            });
        };
        acceptor.close(handshakes, take).await;
    }
}

/// Places for as many connections as are served at once.
pub fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(CONNECTIONS))
}

/// Serves one connection.
pub async fn connection<S>(stream: S, view: Arc<View>, _place: OwnedSemaphorePermit, _alive: Alive)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let askers = &view.process.askers;
    let mut leave = askers.leave.subscribe();
    let (asked, mut first) = watch::channel(false);
    let answer = service_fn(|request| {
        asked.send_replace(true);
        let view = Arc::clone(&view);
        async move { Ok::<_, Infallible>(view.answer(request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), answer);
    let mut serving = std::pin::pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        () = async {
            let _ = leave.wait_for(|leave| *leave).await;
            // Who has just come may have asked already; the answer to that is the last one.
            let _ = first.wait_for(|asked| *asked).await;
        } => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        log::debug!("admin: {error}");
    }
}
