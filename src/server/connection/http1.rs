//! How does an HTTP/1 connection live: idle, header, request, idle?
//!
//! Between requests a connection holds no buffer: it waits for bytes, and only then is anything allocated. The whole
//! header is read here, under one deadline, and checked on its raw bytes before Pingora parses it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::StatusCode;
use pingora::apps::HttpServerApp;
use pingora::protocols::Shutdown;
use pingora::protocols::http::ServerSession;
use pingora_timeout::fast_timeout::fast_timeout;

use super::head::{self, Found, Head};
use super::waiting::Patience;
use crate::error::Reason;
use crate::proxy::watch as watched;
use crate::proxy::{ALLOWED_METHODS, About, Overtime, Unread, error_body, unread_request};
use crate::server::connection::Connection;
use crate::server::door::stay::{LAST_CALL, PARTING, Stay};
use crate::server::worker::Worker;
use crate::snapshot::Listener;
use crate::telemetry::metrics::{Counted, ListenerMetrics};

/// How a connection's life as HTTP/1 ended.
pub enum Ended {
    /// It is closed.
    Closed,
    /// It turned out to be HTTP/2 with prior knowledge.
    Http2(Box<Connection>),
}

/// Serves requests until the connection ends. `metrics` are those of the listener that it came to.
pub async fn serve(
    mut connection: Box<Connection>,
    about: &Arc<About>,
    worker: &Worker,
    metrics: &ListenerMetrics,
) -> Ended {
    let overtime = Arc::new(Overtime::default());
    let mut served: u32 = 0;
    let mut skipped = false;
    // Until when it waits although it must not stay: its last answer did not say so.
    let mut untold = None;
    let came = Instant::now();
    loop {
        if connection.input().is_empty() {
            let patience = {
                let times = &about.door.listener_now().timeouts;
                if served == 0 {
                    times.first_byte
                } else {
                    times.idle
                }
            };
            // Parked: nothing but this future and the socket is held.
            let _idle = Counted::new(&metrics.idle);
            let heard = tokio::select! {
                biased;
                heard = fast_timeout(patience, connection.fill()) => heard,
                () = let_go(&about.stay, (served == 0).then_some(came), untold) => return Ended::Closed,
            };
            match heard {
                Ok(Ok(length)) if length > 0 => {}
                _ => return Ended::Closed,
            }
        }
        if served > 0 && !skipped && connection.skip_line_ends() {
            // Old clients end a body with a line of its own (RFC 9112 §2.2); no request has begun by that.
            skipped = true;
            continue;
        }
        skipped = false;
        let since = Instant::now();
        let listener = about.door.listener_now();
        let reading = Box::pin(read_head(&mut connection, &listener, served == 0));
        let read = tokio::select! {
            biased;
            read = reading => read,
            () = about.stay.overdue(LAST_CALL, untold) => return Ended::Closed,
        };
        let head = match read {
            Ok(Read::Head(head)) => head,
            Ok(Read::Http2) => return Ended::Http2(connection),
            Ok(Read::Gone) => return Ended::Closed,
            Err(reason) => {
                Box::pin(refuse(connection, about, worker, reason, since)).await;
                return Ended::Closed;
            }
        };
        if head.skip > 0 {
            drop(connection.take_input(head.skip));
        }
        let bytes = connection.take_input(head.length);
        connection.expect(head.body);
        connection.be_patient(Patience::of(&listener));
        served += 1;
        let session = session(connection, bytes, &listener, served);
        drop(listener);
        let request = worker.proxy.process_new_http(session, &worker.never);
        let reused = match watched(Arc::clone(&overtime), || worker.snapshot(), request).await {
            Some(Some(reused)) => reused,
            Some(None) if !overtime.was_seen() => {
                // Pingora has refused it before any hook was called.
                let unread = Unread {
                    reason: Reason::BadRequest,
                    head: b"",
                    protocol: "HTTP/1.1",
                };
                unread_request(&worker.snapshot(), about, &unread, since, 0);
                return Ended::Closed;
            }
            _ => return Ended::Closed,
        };
        overtime.reset();
        let (stream, _) = reused.consume();
        let Ok(same) = stream.into_any().downcast::<Connection>() else {
            return Ended::Closed;
        };
        connection = same;
        if about.stay.is_over() {
            untold = Instant::now().checked_add(PARTING);
        }
    }
}

/// How long a request may have been on its way when waiting connections go.
const LAST_LOOK: Duration = Duration::from_millis(50);

/// Resolves when who waits for a request has to go. `fresh` is when a client came that has not asked yet: it may do so for
/// a moment.
async fn let_go(stay: &Stay, fresh: Option<Instant>, untold: Option<Instant>) {
    stay.overdue(LAST_LOOK, untold).await;
    if let Some(came) = fresh {
        Box::pin(tokio::time::sleep(LAST_CALL.saturating_sub(came.elapsed()))).await;
    }
}

/// Pingora's session for one request, whose header is `bytes`.
fn session(
    connection: Box<Connection>,
    bytes: BytesMut,
    listener: &Listener,
    served: u32,
) -> ServerSession {
    let mut session = ServerSession::new_http1(connection);
    session.set_pipelined_prefix(bytes);
    session.set_keepalive(Some(listener.timeouts.idle.as_secs().max(1)));
    if let Some(most) = listener.requests {
        session.set_keepalive_reuses_remaining(Some(most.saturating_sub(served)));
    }
    session.set_read_timeout(Some(listener.timeouts.body));
    session.set_total_drain_timeout(Some(REST));
    session
}

/// How long the rest of a body may take that nobody reads, before the connection is used again.
const REST: Duration = Duration::from_secs(5);

enum Read {
    Head(Head),
    Http2,
    Gone,
}

/// Reads up to the end of a header whose first bytes are there.
async fn read_head(
    connection: &mut Connection,
    listener: &Listener,
    first: bool,
) -> Result<Read, Reason> {
    let started = Instant::now();
    let mut seen = 0;
    loop {
        match head::find(
            connection.input(),
            seen,
            &listener.head,
            first && listener.http2,
        )? {
            Found::Head(head) => return Ok(Read::Head(head)),
            Found::Http2 => return Ok(Read::Http2),
            Found::More => {}
        }
        seen = connection.input().len();
        let left = listener.timeouts.header.saturating_sub(started.elapsed());
        match fast_timeout(left, connection.fill()).await {
            Ok(Ok(length)) if length > 0 => {}
            Ok(_) => return Ok(Read::Gone),
            Err(_) => return Err(Reason::HeaderTimeout),
        }
    }
}

/// Answers a header that never became a request, and closes.
async fn refuse(
    mut connection: Box<Connection>,
    about: &About,
    worker: &Worker,
    reason: Reason,
    since: Instant,
) {
    let body = error_body(reason, None);
    let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let allow = match reason {
        Reason::MethodNotAllowed => format!("Allow: {ALLOWED_METHODS}\r\n"),
        _ => String::new(),
    };
    let mut answer = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Proxy-Status: portcullis;error={};details=\"{reason}\"\r\n{}Connection: close\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        body.len(),
        reason.proxy_status(),
        allow,
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    let sent = if connection.send(&answer).await.is_ok() {
        body.len() as u64
    } else {
        0
    };
    let unread = Unread {
        reason,
        head: connection.input(),
        protocol: "HTTP/1.1",
    };
    unread_request(&worker.snapshot(), about, &unread, since, sent);
    // What the client still sends must not make the kernel throw the answer away.
    connection.expect(super::Expect::Stream);
    connection.shutdown().await;
}
