//! Is the client still there while something else is waited for?

use std::future::Future;
use std::pin::Pin;

use pingora::proxy::Session;

use super::answer::client;
use crate::error::{Phase, ProxyError, Reason};

/// The client went away.
#[derive(Debug)]
pub struct Gone;

/// Runs `work`, unless the client goes away first. Polling the client also lets go what was written to it so far.
///
/// The work is pinned by the caller: an async function that takes a future by value holds it twice.
///
/// # Errors
///
/// It went away.
pub async fn while_client_stays<T>(
    session: &mut Session,
    work: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Gone> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        heard = session.as_downstream_mut().read_body_or_idle(true) => {
            log::trace!("client: {heard:?}");
            Err(Gone)
        }
    }
}

/// Runs `work`, unless the client goes away first. What has come of its body is left where it is, so that an attempt can
/// read it after that.
///
/// # Errors
///
/// It went away.
pub async fn while_uploader_stays<T>(
    session: &mut Session,
    work: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Gone> {
    if session.as_downstream_mut().is_body_done() {
        return while_client_stays(session, work).await;
    }
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = leaves(session) => Err(Gone),
    }
}

/// Waits until a client leaves of whose body a part is not read yet. Who closes only its own side counts as one that has
/// left, here as in Pingora's sessions.
///
/// Pingora can't tell that of HTTP/1 without reading: its wait for the end takes a byte away that belongs to the body, and
/// reading the body into its buffer for retries gets no further than that buffer, after which no attempt may fail. So the
/// socket is asked, without a byte being read. HTTP/2 tells that a stream is reset, or its connection closed, past its data.
///
/// One client is not heard: one of HTTP/1 that closes in good order with more on its way than the socket's buffers hold. Its
/// end is behind what has no room. That costs one of the places of `limits.queue`, until `queue_timeout` at most.
async fn leaves(session: &mut Session) {
    if let Some(stream) = session.as_downstream_mut().watch_h2_stream_close() {
        let heard = stream.await;
        log::trace!("client: {heard:?}");
        return;
    }
    match client(session) {
        Some(connection) => connection.closes().await,
        None => std::future::pending().await,
    }
}

/// The failure of a request whose client went away.
pub const fn client_gone(phase: Phase) -> ProxyError {
    ProxyError::new(Reason::ClientGone, phase)
}
