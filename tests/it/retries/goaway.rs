//! Is a request made again that an HTTP/2 endpoint left out at its GOAWAY, and only such a one?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::support::frames::{ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, SETTINGS};

/// What an HTTP/2 endpoint does with a request that has a body; others it answers.
#[derive(Clone, Copy, Debug)]
struct Leaves {
    /// Whether it says GOAWAY when the whole body is there; otherwise as soon as the header is.
    after_body: bool,
    /// Whether GOAWAY names the request's stream as the last that may have been processed, and the connection ends
    /// without an answer. Otherwise it names the one before.
    took_it: bool,
}

impl Leaves {
    /// Where it is, and how many requests with a body have come.
    async fn start(self) -> (SocketAddr, Arc<AtomicU64>) {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("bound");
        let uploads = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&uploads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let counted = Arc::clone(&counted);
                tokio::spawn(async move { self.converse(stream, &counted).await });
            }
        });
        (address, uploads)
    }

    /// Until either end closes the connection.
    async fn converse(self, stream: TcpStream, uploads: &AtomicU64) -> Option<()> {
        let mut frames = Frames::accepted(stream).await?;
        loop {
            let (kind, flags, stream, _) = frames.read().await?;
            let ends = flags & END_STREAM != 0;
            match kind {
                SETTINGS if flags & ACK == 0 => frames.frame(SETTINGS, ACK, 0, b"").await,
                HEADERS if ends => {
                    // `:status: 200` is number 8 of the static table (RFC 7541, appendix A).
                    let flags = END_HEADERS | END_STREAM;
                    frames.frame(HEADERS, flags, stream, &[0x88]).await;
                }
                HEADERS => {
                    uploads.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
            let is_time = match self.after_body {
                true => kind == DATA && ends,
                false => kind == HEADERS && !ends,
            };
            if is_time {
                let last = if self.took_it {
                    stream
                } else {
                    stream.saturating_sub(2)
                };
                // The error code is NO_ERROR.
                let payload = [last.to_be_bytes(), [0; 4]].concat();
                frames.frame(GOAWAY, 0, 0, &payload).await;
                if self.took_it {
                    return None;
                }
            }
        }
    }
}

async fn uploaded(address: SocketAddr, method: &str) -> u16 {
    let sent = request(method, "/upload").body(full("a small body"));
    let answer = http1(address).await.ask(sent.expect("a request")).await;
    answer.status.as_u16()
}

/// A request each to the endpoint that leaves and to a good one: the statuses in order, and how often either has seen it.
async fn two_uploads(leaves: Leaves, method: &str, before: usize) -> ([u16; 2], [u64; 2]) {
    let (leaving, uploads) = leaves.start().await;
    let good = origin().await;
    let endpoints = [leaving, good.address().expect("TCP")];
    let portcullis = Portcullis::start(&pool(&endpoints, ", protocol: http2", "")).await;
    let address = portcullis.listener("http");
    for _ in 0..2 * before {
        assert_eq!(http1(address).await.get("/").await.status, 200);
    }
    let earlier = good.journal().requests();
    let mut statuses = [
        uploaded(address, method).await,
        uploaded(address, method).await,
    ];
    statuses.sort_unstable();
    let seen = [
        uploads.load(Ordering::Relaxed),
        good.journal().requests() - earlier,
    ];
    (statuses, seen)
}

#[tokio::test]
async fn a_stream_that_goaway_leaves_out_is_repeated_with_any_method() {
    for after_body in [false, true] {
        let leaves = Leaves {
            after_body,
            took_it: false,
        };
        for method in ["POST", "PUT"] {
            // On a connection of its own, and on one with a stream before it. Where that one had been idle, the same
            // endpoint is asked once more before the other one is.
            for before in [0, 1] {
                let (statuses, [left_out, served]) = two_uploads(leaves, method, before).await;
                let case = format!("{leaves:?} {method} {before}");
                assert_eq!((statuses, served), ([200, 200], 2), "{case}");
                let most = if before == 0 { 1 } else { 2 };
                assert!((1..=most).contains(&left_out), "{left_out}: {case}");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_goaway_does_not_leave_out_may_have_been_processed_and_is_not_sent_twice() {
    for after_body in [false, true] {
        let leaves = Leaves {
            after_body,
            took_it: true,
        };
        for before in [0, 1] {
            let found = two_uploads(leaves, "POST", before).await;
            assert_eq!(found, ([200, 502], [1, 1]), "{leaves:?} {before}");
            // To do this twice does no harm.
            let (statuses, [_, served]) = two_uploads(leaves, "PUT", before).await;
            assert_eq!((statuses, served), ([200, 200], 2), "{leaves:?} {before}");
        }
    }
}
