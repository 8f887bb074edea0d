//! How does an HTTP/2 connection live: streams side by side, each a request?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pingora::apps::HttpServerApp;
use pingora::protocols::Digest;
use pingora::protocols::GetProxyDigest;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, HttpSession, default_h2_options, handshake};
use pingora_timeout::fast_timeout::fast_timeout;
use tokio::sync::Notify;

use crate::error::Reason;
use crate::proxy::{About, Unread, Watchdog, unread_request, watch};
use crate::server::connection::Connection;
use crate::server::door::stay::{LAST_CALL, Word};
use crate::server::worker::Worker;
use crate::snapshot::Listener;

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

/// Serves streams until the connection ends.
pub async fn serve(mut connection: Box<Connection>, about: &Arc<About>, worker: &Arc<Worker>) {
    // What an HTTP/2 connection was promised when it began holds to its end; its requests see the newest generation.
    let listener = about.door.listener();
    let (times, streams, requests) = (listener.timeouts, listener.streams, listener.requests);
    let options = options(&listener);
    drop(listener);
    connection.become_http2(times.header);
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
    let open = Arc::new(Open::default());
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
                tokio::spawn(async move {
                    let _stream = stream;
                    let session = ServerSession::new_http2(session);
                    let request = worker.proxy.process_new_http(session, &worker.never);
                    let now = || worker.snapshot();
                    // Dropped when its time is over, which resets the stream.
                    drop(watch(Arc::new(Watchdog::default()), now, request).await);
                });
            }
            Ok(Some(H2Accept::Rejected)) => {
                malformed += 1;
                let unread = Unread {
                    reason: Reason::BadRequest,
                    head: b"",
                    protocol: "HTTP/2",
                };
                unread_request(&worker.snapshot(), about, &unread, Instant::now(), 0);
                if malformed > MALFORMED_STREAMS {
                    return;
                }
            }
            Ok(None) | Err(_) => return,
        }
    }
}

/// What the library takes beyond our own limit, so that it is we who refuse, with a reason: it counts 32 bytes more for
/// each field.
const LIBRARY_MARGIN: usize = 16 * 1024;

fn options(listener: &Listener) -> pingora::protocols::http::v2::server::H2Options {
    let mut options = default_h2_options();
    options
        .max_concurrent_streams(listener.streams)
        .max_header_list_size(
            u32::try_from(listener.head.header * 2 + LIBRARY_MARGIN).unwrap_or(u32::MAX),
        )
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER);
    options
}

/// The streams that are open now.
#[derive(Default)]
struct Open {
    streams: AtomicUsize,
    changed: Notify,
}

struct OpenStream(Arc<Open>);

impl Open {
    fn stream(self: &Arc<Self>) -> OpenStream {
        self.streams.fetch_add(1, Ordering::Relaxed);
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
            self.0.changed.notify_one();
        }
    }
}
