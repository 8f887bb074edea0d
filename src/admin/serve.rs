//! How are admin connections served? By hyper, a few at a time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::answer::View;
use super::taking::Taking;
use crate::server::door::Queue;
use crate::server::door::accepted::Accepted;
use crate::server::door::listen::{Acceptor, ListeningSocket};
use crate::server::door::live::{Alive, Live};

/// Connections at once: scrapers and probes are few, and nobody else belongs here.
const CONNECTIONS: usize = 64;
/// How long a header may take, and a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(10);

/// Those who ask: the connections of the admin listener and of the control socket.
#[derive(Debug)]
pub struct Askers {
    live: Arc<Live>,
    leave: watch::Sender<bool>,
    /// Held while a configuration is compared.
    pub(super) comparing: Arc<Semaphore>,
    /// Held while the metrics are read.
    pub(super) scraping: Arc<Semaphore>,
}

impl Default for Askers {
    fn default() -> Self {
        Self {
            live: Arc::default(),
            leave: watch::Sender::default(),
            comparing: Arc::new(Semaphore::new(1)),
            scraping: Arc::new(Semaphore::new(1)),
        }
    }
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
    let mut serving = std::pin::pin!(http1(stream, answer));
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

/// HTTP/1 with who may be slow, but not for ever.
fn http1<S, A>(stream: S, answer: A) -> http1::Connection<TokioIo<Taking<S>>, A>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible>,
{
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(Taking::new(stream)), answer)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    const LONG: usize = 1 << 20;

    /// For how long a client is served; no longer than a minute.
    async fn served<C>(client: impl FnOnce(DuplexStream) -> C) -> Duration
    where
        C: Future<Output = ()> + Send + 'static,
    {
        let (near, far) = duplex(4096);
        tokio::spawn(client(far));
        let answer = service_fn(|_| async {
            let body = Full::from(vec![b'a'; LONG]);
            Ok::<_, Infallible>(Response::new(body))
        });
        let began = Instant::now();
        let served = timeout(Duration::from_secs(60), http1(near, answer)).await;
        assert!(served.is_ok(), "it is still there");
        began.elapsed()
    }

    async fn ask(client: &mut DuplexStream) {
        let asked = client.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        asked.await.expect("asked");
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_of_an_answer_does_not_stay() {
        let lasted = served(|mut client| async move {
            ask(&mut client).await;
            sleep(Duration::from_secs(3600)).await;
        });
        assert_eq!(lasted.await.as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_a_little_of_an_answer_now_and_then_does_not_stay_either() {
        let lasted = served(|mut client| async move {
            ask(&mut client).await;
            while client.read_u8().await.is_ok() {
                sleep(Duration::from_millis(100)).await;
            }
        });
        assert_eq!(lasted.await.as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_has_its_own_time_and_who_is_idle_goes() {
        let lasted = served(|mut client| async move {
            for _ in 0..5 {
                ask(&mut client).await;
                sleep(Duration::from_secs(8)).await;
                let mut left = LONG;
                while left > 0 {
                    let mut piece = [0; 4096];
                    let length = client.read(&mut piece).await.expect("more");
                    let begun = piece[..length]
                        .windows(4)
                        .position(|end| end == b"\r\n\r\n");
                    left -= length - begun.map_or(0, |end| end + 4);
                }
            }
            sleep(Duration::from_secs(3600)).await;
        });
        assert_eq!(lasted.await.as_secs(), 5 * 8 + 10);
    }
}
