//! How does an HTTP/2 connection live: streams side by side, each a request?

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use h2::Reason as Code;
use h2::server::Connection as Http2;
use pingora::apps::HttpServerApp;
use pingora::protocols::Digest;
use pingora::protocols::GetProxyDigest;
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, HttpSession, default_h2_options, handshake};
use pingora_timeout::fast_timeout::fast_timeout;
use tokio::sync::Notify;

use super::calm::{Alarm, Calm};
use super::floods::Floods;
use crate::error::Reason;
use crate::proxy::{About, Overtime, Unread, unread_request, watch};
use crate::server::connection::Connection;
use crate::server::door::stay::{LAST_CALL, Word};
use crate::server::worker::Worker;
use crate::snapshot::Listener;
use crate::telemetry::metrics::{Counted, Flood, ListenerMetrics};

/// Streams that are refused before they are requests, on one connection: past it, the connection ends.
const MALFORMED_STREAMS: usize = 32;

/// Bytes of a stream's body that may be on their way before we take them.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for the whole connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Bytes of a stream's answer that wait for the client's window. A client can open a hundred streams and read none.
const SEND_BUFFER: usize = 64 * 1024;
/// How long a connection that was told to end may stay without a stream.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves streams until the connection ends. `metrics` are those of the listener that it came to.
pub async fn serve(
    mut connection: Box<Connection>,
    about: &Arc<About>,
    worker: &Arc<Worker>,
    metrics: &ListenerMetrics,
) {
    // What an HTTP/2 connection was promised when it began holds to its end; its requests see the newest generation.
    let listener = about.door.listener();
    let (times, streams, requests) = (listener.timeouts, listener.streams, listener.requests);
    let options = options(&listener);
    let floods = Floods::new(streams, most_continued(&listener), Instant::now());
    drop(listener);
    let _counted = Counted::new(&metrics.http2_connections);
    let alarm = Arc::new(Alarm::default());
    let calm = Calm::new(floods, Arc::clone(&alarm), metrics.clone());
    connection.become_http2(times.header, calm);
    let digest = Arc::new(Digest {
        proxy_digest: connection.get_proxy_digest(),
        ..Digest::default()
    });
    let preface = fast_timeout(times.first_byte, handshake(connection, Some(options)));
    let begun = tokio::select! {
        biased;
        begun = preface => begun,
        // Nothing was asked yet, so nothing is lost.
        () = about.stay.overdue(LAST_CALL, None) => return,
    };
    let Ok(Ok(mut http2)) = begun else {
        return;
    };
    let open = Arc::new(Open::new(metrics.clone()));
    let mut last = std::pin::pin!(about.stay.until(Word::Last));
    let mut told = false;
    // Who has just come gets to ask: with a GOAWAY before its first request it could only try again, and meet the same.
    let may_ask = tokio::time::sleep(LAST_CALL);
    let mut may_ask = std::pin::pin!(may_ask);
    let mut ending = false;
    let mut gone = std::pin::pin!(about.stay.overdue(LAST_CALL + FAREWELL, None));
    let mut leaving = false;
    let mut served: u32 = 0;
    let mut malformed = 0;
    loop {
        if told && !ending && (served > 0 || may_ask.is_elapsed()) {
            http2.graceful_shutdown();
            ending = true;
        }
        let accepted = tokio::select! {
            biased;
            () = &mut last, if !told => {
                told = true;
                continue;
            }
            () = &mut may_ask, if told && !ending => continue,
            flood = alarm.raised() => {
                note_flood(flood, about, metrics);
                return calm_down(http2).await;
            }
            // A client that does not answer the PING of a graceful end could go on for ever.
            () = &mut gone, if !leaving => {
                leaving = true;
                continue;
            }
            accepted = HttpSession::from_h2_conn(&mut http2, Arc::clone(&digest)) => accepted,
            () = open.idle_for(match (leaving, ending) {
                (true, _) => Duration::ZERO,
                (false, true) => FAREWELL,
                (false, false) => times.idle,
            }) => {
                if ending || leaving {
                    return;
                }
                // Told that nothing more is accepted, a client that is still there closes; else the next round does.
                http2.graceful_shutdown();
                ending = true;
                continue;
            }
        };
        match accepted {
            // Reset, for it came after the last word.
            Ok(Some(H2Accept::Session(_))) if leaving => {}
            Ok(Some(H2Accept::Session(mut session))) => {
                // A client that keeps its window closed never lets the connection itself stall.
                session.set_write_timeout(Some(times.write));
                served += 1;
                let most = |most: u32| served > most.saturating_add(streams);
                if requests.is_some_and(most) {
                    return;
                }
                if requests.is_some_and(|most| served >= most) && !ending {
                    http2.graceful_shutdown();
                    ending = true;
                }
                let worker = Arc::clone(worker);
                let stream = open.stream();
                let about = Arc::clone(about);
                tokio::spawn(async move {
                    let _stream = stream;
                    if is_taken_back(&mut session).await {
                        // Nobody waits for the answer, so no endpoint is asked for it.
                        return refused(&worker, &about, Reason::ClientGone);
                    }
                    let session = ServerSession::new_http2(session);
                    let request = worker.proxy.process_new_http(session, &worker.never);
                    let now = || worker.snapshot();
                    // Dropped when its time is over, which resets the stream.
                    drop(watch(Arc::new(Overtime::default()), now, request).await);
                });
            }
            Ok(Some(H2Accept::Rejected)) => {
                malformed += 1;
                refused(worker, about, Reason::BadRequest);
                if malformed > MALFORMED_STREAMS {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                let cause = error.root_cause().downcast_ref::<h2::Error>();
                if cause.is_some_and(|cause| {
                    cause.is_library() && cause.reason() == Some(Code::ENHANCE_YOUR_CALM)
                }) {
                    note_flood(Flood::Other, about, metrics);
                }
                return;
            }
        }
    }
}

/// Takes note of a stream that became no request.
fn refused(worker: &Worker, about: &About, reason: Reason) {
    let unread = Unread {
        reason,
        head: b"",
        protocol: "HTTP/2",
    };
    unread_request(&worker.snapshot(), about, &unread, Instant::now(), 0);
}

/// Whether the client has reset the stream already.
async fn is_taken_back(session: &mut HttpSession) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut session.idle()).poll(cx).is_ready())).await
}

fn note_flood(flood: Flood, about: &About, metrics: &ListenerMetrics) {
    metrics.flooded(flood);
    if log::log_enabled!(log::Level::Debug) {
        let peer = about.peer.map(|peer| peer.ip());
        log::debug!(
            "listener {}: HTTP/2 flood of {} from {}",
            about.door.listener().name,
            flood.as_str(),
            peer.map_or("a Unix socket".to_owned(), |peer| peer.to_string()),
        );
    }
}

/// How long the client of a flood may take to hear of its end.
const CALM: Duration = Duration::from_secs(3);

/// Ends a connection with GOAWAY and `ENHANCE_YOUR_CALM` (RFC 9113 §10.5); the requests on it end with it.
async fn calm_down(mut http2: Http2<Stream, bytes::Bytes>) {
    http2.abrupt_shutdown(Code::ENHANCE_YOUR_CALM);
    // Whether it was heard makes no difference.
    let _ = fast_timeout(CALM, poll_fn(|cx| http2.poll_closed(cx))).await;
}

/// What the library takes beyond our own limit, so that it is we who refuse, with a reason: it counts 32 bytes more for
/// each field.
const LIBRARY_MARGIN: usize = 16 * 1024;

/// How many streams may be reset before they are looked at, beside those that may be open: more than `floods` lets pass.
const UNSEEN: usize = 128;
/// A frame's payload (RFC 9113 §4.2), and the fewest further frames that every header may have.
const FRAME: usize = 16 * 1024;
const FEW: usize = 5;

/// Bytes of a header list, as the library counts them.
fn header_list(listener: &Listener) -> usize {
    listener.head.header * 2 + LIBRARY_MARGIN
}

/// In how many frames a header may come: a quarter more than the largest one needs. The library allows no more either.
fn most_continued(listener: &Listener) -> u32 {
    let frames = header_list(listener) / FRAME;
    u32::try_from((frames + frames / 4).max(FEW)).unwrap_or(u32::MAX)
}

fn options(listener: &Listener) -> pingora::protocols::http::v2::server::H2Options {
    let mut options = default_h2_options();
    options
        .max_concurrent_streams(listener.streams)
        .max_header_list_size(u32::try_from(header_list(listener)).unwrap_or(u32::MAX))
        // Streams that are reset before we have looked at them are counted with all others, in `floods`: the library's own
        // limit of 20 would end the connection of a browser that leaves a page while we are busy.
        .max_pending_accept_reset_streams(
            usize::try_from(listener.streams)
                .unwrap_or(usize::MAX)
                .saturating_add(UNSEEN),
        )
        // What is on its way to a stream that we have ended early, such as the body of an upload that is refused, is passed
        // over (RFC 9113 §5.1). For a stream that the library has forgotten each frame would be answered with a reset, which
        // `floods` counts as the client's doing.
        .max_concurrent_reset_streams(
            usize::try_from(listener.streams)
                .unwrap_or(usize::MAX)
                .saturating_mul(2),
        )
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER);
    options
}

/// The streams that are open now. While there are none, the connection is counted as idle.
struct Open {
    streams: AtomicUsize,
    changed: Notify,
    metrics: ListenerMetrics,
}

struct OpenStream(Arc<Open>);

impl Open {
    fn new(metrics: ListenerMetrics) -> Self {
        metrics.idle.inc();
        Self {
            streams: AtomicUsize::new(0),
            changed: Notify::new(),
            metrics,
        }
    }

    fn stream(self: &Arc<Self>) -> OpenStream {
        if self.streams.fetch_add(1, Ordering::Relaxed) == 0 {
            self.metrics.idle.dec();
        }
        OpenStream(Arc::clone(self))
    }

    /// Resolves when no stream has been open for this long.
    async fn idle_for(&self, time: Duration) {
        loop {
            if self.streams.load(Ordering::Relaxed) > 0 {
                self.changed.notified().await;
                continue;
            }
            tokio::time::sleep(time).await;
            return;
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        if self.0.streams.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.metrics.idle.inc();
            self.0.changed.notify_one();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Each stream held it.
        self.metrics.idle.dec();
    }
}
