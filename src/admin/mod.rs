//! How is the process looked at? An own listener with `/metrics`, `/livez` and `/readyz`, apart from all traffic.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::server::listen::{Acceptor, ListeningSocket};
use crate::server::socket::Socket;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::CONTENT_TYPE as METRICS_TYPE;

/// Connections at once: scrapers and probes are few, and nobody else belongs here.
const CONNECTIONS: usize = 64;
/// How long a header may take, and a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(10);

/// The admin listener.
pub struct Admin {
    socket: ListeningSocket,
    view: Arc<View>,
}

struct View {
    metrics: Arc<Metrics>,
    ready: Arc<AtomicBool>,
}

impl Admin {
    /// An admin listener on an open socket.
    pub fn new(socket: ListeningSocket, metrics: Arc<Metrics>, ready: Arc<AtomicBool>) -> Self {
        Self {
            socket,
            view: Arc::new(View { metrics, ready }),
        }
    }

    /// Serves for as long as the process runs.
    pub async fn serve(self) {
        let acceptor = match Acceptor::new(self.socket) {
            Ok(acceptor) => acceptor,
            Err(error) => return log::error!("admin: {error}"),
        };
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        // The semaphore is never closed.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match acceptor.accept().await {
                Ok((stream, ..)) => {
                    tokio::spawn(serve(stream, Arc::clone(&self.view), place));
                }
                Err(error) => {
                    // No descriptor is left: the traffic has them, and the next try comes soon.
                    log::warn!("admin: accept: {error}");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }
}

async fn serve(stream: Socket, view: Arc<View>, _place: OwnedSemaphorePermit) {
    let answer = service_fn(|request| {
        let response = view.answer(&request);
        async { Ok::<_, Infallible>(response) }
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

impl View {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD are answered here\n",
            );
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/metrics" => {
                let mut body = Vec::new();
                self.metrics.render(&mut body);
                let mut response = Response::new(Full::from(body));
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
                response
            }
            "/livez" => text(StatusCode::OK, "alive\n"),
            "/readyz" if self.ready.load(Ordering::Relaxed) => text(StatusCode::OK, "ready\n"),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /metrics, /livez and /readyz\n",
            ),
        }
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
