//! What does a correct client of HTTP/2 do with its connections?
//!
//! The `h2` library itself, without hyper over it, because it tells a stream that was never opened from one that failed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Request};
use tokio::sync::Mutex;

use super::AFTER_FAILURE;
use super::book::{Page, What, within};
use super::door::{Door, Protocol};
use super::expected::{Download, Upload, check_body, check_status};
use super::uploads::PIECE_EVERY;

/// What one of the streams of a connection does, again and again.
#[derive(Clone, Copy)]
pub enum Work {
    Download,
    SlowDownload,
    Upload,
}

impl Work {
    pub const ALL: [Work; 3] = [Work::Download, Work::SlowDownload, Work::Upload];
}

/// The connection that several streams use at once, and its successors.
pub struct Connection {
    door: Arc<Door>,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    /// Which connection of this client it is.
    number: u64,
    sender: Option<SendRequest<Bytes>>,
}

/// Asks for one thing after the other, on whichever connection is the current one.
pub async fn keep_asking(connection: Arc<Connection>, page: Page, work: Work) {
    let mut number = 0;
    let mut pause = Duration::ZERO;
    while page.goes_on(pause).await {
        number += 1;
        let (path, body, upload) = match work {
            Work::Download => download(Download::numbered(number)),
            Work::SlowDownload => download(Download::slow()),
            Work::Upload => {
                let upload = Upload::numbered(number);
                (Upload::PATH.to_owned(), upload.body(), Some(upload))
            }
        };
        let well = connection.ask(&page, &path, &body, upload).await;
        pause = match well {
            true => Duration::from_millis(1 + number * 17 % 30),
            false => AFTER_FAILURE,
        };
    }
}

fn download(download: Download) -> (String, Vec<u8>, Option<Upload>) {
    (download.path, download.body, None)
}

impl Connection {
    pub fn new(door: Arc<Door>) -> Arc<Self> {
        let current = Mutex::default();
        Arc::new(Self { door, current })
    }

    /// Asks once; whether that went well.
    async fn ask(&self, page: &Page, path: &str, right: &[u8], upload: Option<Upload>) -> bool {
        let method = upload.map_or(Method::GET, |_| Method::POST);
        let uri = format!("{}://{}{path}", self.door.scheme(), self.door.authority());
        let asked = Request::builder().method(method).uri(uri);
        let asked = asked.body(()).expect("a request");
        let Some((number, sender)) = self.sender(page).await else {
            return false;
        };
        let mut sender = match within("a free stream", sender.ready()).await {
            Ok(Ok(sender)) => sender,
            Ok(Err(error)) => return self.end(page, number, &error).await,
            Err(late) => {
                page.failed(late);
                return false;
            }
        };
        let entry = page.sent();
        let (response, body) = match sender.send_request(asked, upload.is_none()) {
            Ok(stream) => stream,
            Err(error) => {
                entry.unsent();
                return self.end(page, number, &error).await;
            }
        };
        // Held, it would keep a connection open whose other end has said GOAWAY and waits for the streams only.
        drop(sender);
        let answer = async {
            if let Some(upload) = upload {
                send(body, upload).await;
            }
            let read = read(response, path).await?;
            check_body(path, &read, right)
        };
        let answer = answer.await;
        let well = answer.is_ok();
        entry.settle(answer);
        well
    }

    /// The current connection, with its number; a new one if there is none. `None` after a failure, which is written
    /// down.
    async fn sender(&self, page: &Page) -> Option<(u64, SendRequest<Bytes>)> {
        let mut current = self.current.lock().await;
        if current.sender.is_none() {
            match open(&self.door).await {
                Ok(sender) => {
                    current.number += 1;
                    current.sender = Some(sender);
                }
                Err(what) => {
                    page.failed(what);
                    return None;
                }
            }
        }
        current
            .sender
            .clone()
            .map(|sender| (current.number, sender))
    }

    /// Takes leave of a connection that takes no more streams, and writes down why, once; whether that was in good order.
    async fn end(&self, page: &Page, number: u64, error: &h2::Error) -> bool {
        let mut current = self.current.lock().await;
        let farewell = error.is_go_away() && error.is_remote();
        let good = farewell && error.reason() == Some(Reason::NO_ERROR);
        if current.number == number && current.sender.take().is_some() {
            if good {
                page.reconnected();
            } else {
                let more = format!("HTTP/2 without a GOAWAY in good order: {error}");
                page.failed(What::Ended(more));
            }
        }
        good
    }
}

async fn open(door: &Door) -> Result<SendRequest<Bytes>, What> {
    let (stream, _) = door.open(Protocol::Http2).await?;
    let handshake = within("an HTTP/2 handshake", h2::client::handshake(stream)).await?;
    let (sender, connection) = handshake.map_err(|error| What::NoConnection(error.to_string()))?;
    // How it ended is told by its streams, or by the sender when there are none.
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends a body in pieces; why that was not possible is told by the response.
async fn send(mut body: SendStream<Bytes>, upload: Upload) {
    for index in 0..upload.pieces {
        let last = index + 1 == upload.pieces;
        if body.send_data(upload.piece(index), last).is_err() {
            return;
        }
        if !last {
            tokio::time::sleep(PIECE_EVERY).await;
        }
    }
}

async fn read(response: ResponseFuture, path: &str) -> Result<Vec<u8>, What> {
    let response = within(&format!("an answer to {path}"), response).await?;
    let response = response.map_err(|error| broken(&error, path, What::Unanswered))?;
    check_status(response.status(), response.headers())?;
    let mut body: RecvStream = response.into_body();
    let mut read = Vec::new();
    while let Some(piece) = within("the next piece of a body", body.data()).await? {
        let piece = piece.map_err(|error| broken(&error, path, What::CutShort))?;
        read.extend_from_slice(&piece);
        // A window that cannot grow belongs to a stream that is over.
        let _ = body.flow_control().release_capacity(piece.len());
    }
    Ok(read)
}

/// What it means that a stream ended so.
fn broken(error: &h2::Error, path: &str, otherwise: fn(String) -> What) -> What {
    let more = format!("{path}: {error}");
    if error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM) {
        What::RefusedStream(more)
    } else if error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR) {
        What::PastGoAway(more)
    } else {
        otherwise(more)
    }
}
