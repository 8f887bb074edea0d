//! How are admin connections served? By hyper, a few at a time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::View;
use crate::server::listen::{Acceptor, ListeningSocket};

/// Connections at once: scrapers and probes are few, and nobody else belongs here.
const CONNECTIONS: usize = 64;
/// How long a header may take, and a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves until it is aborted; connections that were accepted go on.
pub async fn serve(socket: ListeningSocket, view: Arc<View>) {
    let acceptor = match Acceptor::new(socket) {
        Ok(acceptor) => acceptor,
        Err(error) => return log::error!("admin: {error}"),
    };
    let places = places();
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match acceptor.accept().await {
            Ok((stream, ..)) => {
                tokio::spawn(connection(stream, Arc::clone(&view), place));
            }
            Err(error) => {
                // No descriptor is left: the traffic has them, and the next try comes soon.
                log::warn!("admin: accept: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Places for as many connections as are served at once.
pub fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(CONNECTIONS))
}

/// Serves one connection.
pub async fn connection<S>(stream: S, view: Arc<View>, _place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = service_fn(|request| {
        let view = Arc::clone(&view);
        async move { Ok::<_, Infallible>(view.answer(request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = served {
        log::debug!("admin: {error}");
    }
}
