//! What does a correct client of HTTP/1.1 do with its connections?

use std::error::Error;
use std::io;
use std::net::TcpStream as Socket;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use super::AFTER_FAILURE;
use super::book::{Entry, Page, What, within};
use super::door::{Door, Protocol};
use super::expected::{Download, check_body, check_status};
use crate::support::{Body, full, request};

/// Asks over one connection after the other, with short pauses.
pub async fn keep_asking(door: Arc<Door>, page: Page, seed: u64) {
    let mut line = Line::new(door);
    let mut number = seed;
    // Pauses from 1 to 30 milliseconds that look random; they are the same in each run.
    while page
        .goes_on(Duration::from_millis(1 + number * 17 % 30))
        .await
    {
        number += 1;
        if !download(&mut line, &page, number).await {
            page.goes_on(AFTER_FAILURE).await;
        }
    }
}

/// Asks over a new connection each time.
pub async fn ask_afresh(door: Arc<Door>, page: Page) {
    let mut number = 0;
    while page.goes_on(Duration::from_millis(15)).await {
        number += 1;
        if !download(&mut Line::new(Arc::clone(&door)), &page, number).await {
            page.goes_on(AFTER_FAILURE).await;
        }
    }
}

/// Asks once; whether that went well.
async fn download(line: &mut Line, page: &Page, number: u64) -> bool {
    let Download { path, body } = Download::numbered(number);
    let asked = request("GET", &path).body(full("")).expect("a request");
    let Some((entry, response)) = line.ask(page, asked).await else {
        return false;
    };
    let answer = line.whole(response, &path, &body).await;
    let well = answer.is_ok();
    entry.settle(answer);
    well
}

/// A client with at most one connection.
pub struct Line {
    door: Arc<Door>,
    connection: Option<Connection>,
}

struct Connection {
    sender: SendRequest<Body>,
    running: JoinHandle<hyper::Result<()>>,
    socket: Socket,
    /// It has brought an answer, so that from now on the other end may close it between requests.
    answered: bool,
    /// The other end said that the answer under way is the last.
    last: bool,
}

impl Line {
    pub fn new(door: Arc<Door>) -> Self {
        let connection = None;
        Self { door, connection }
    }

    /// Sends a request and gives the response's header; `None` after a failure, which is written down.
    pub async fn ask(
        &mut self,
        page: &Page,
        mut request: Request<Body>,
    ) -> Option<(Entry, Response<Incoming>)> {
        let host = self.door.authority().parse().expect("an authority");
        request.headers_mut().insert(HOST, host);
        loop {
            let mut connection = self.ready(page).await?;
            let entry = page.sent();
            let what = format!("an answer to {}", request.uri());
            let response = match within(&what, connection.sender.try_send_request(request)).await {
                Ok(Ok(response)) => response,
                Ok(Err(mut error)) => match error.take_message() {
                    Some(unsent) => {
                        entry.unsent();
                        connection.end(page).await?;
                        request = unsent;
                        continue;
                    }
                    None => {
                        let more = format!("{what}: {}", causes(error.error()));
                        entry.settle(Err(What::Unanswered(more)));
                        return None;
                    }
                },
                Err(late) => {
                    entry.settle(Err(late));
                    return None;
                }
            };
            connection.last = says_close(&response);
            connection.answered = true;
            self.connection = Some(connection);
            return Some((entry, response));
        }
    }

    /// Reads a response to its end and checks it. A connection on which that failed is not used again.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub async fn whole(
        &mut self,
        response: Response<Incoming>,
        path: &str,
        right: &[u8],
    ) -> Result<(), What> {
        let answer = async {
            check_status(response.status(), response.headers())?;
            let mut body = response.into_body();
            let mut read = Vec::new();
            while let Some(piece) = piece(&mut body).await? {
                read.extend_from_slice(&piece);
            }
            check_body(path, &read, right)
        }
        .await;
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }

    /// A connection that takes a request: the one there is, or a new one.
    async fn ready(&mut self, page: &Page) -> Option<Connection> {
        if let Some(mut connection) = self.connection.take() {
            if connection.takes_another().await {
                return Some(connection);
            }
            connection.end(page).await?;
        }
        match Connection::open(&self.door).await {
            Ok(connection) => Some(connection),
            Err(what) => {
                page.failed(what);
                None
            }
        }
    }
}

impl Connection {
    async fn open(door: &Door) -> Result<Self, What> {
        let (stream, socket) = door.open(Protocol::Http1).await?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) =
            handshake.map_err(|error| What::NoConnection(causes(&error)))?;
        let running = tokio::spawn(connection);
        let ready = within("a connection that takes a request", sender.ready()).await?;
        ready.map_err(|error| What::NoConnection(causes(&error)))?;
        Ok(Self {
            sender,
            running,
            socket,
            answered: false,
            last: false,
        })
    }

    /// Whether nothing speaks against the next request. The socket itself is asked last: what the runtime has not
    /// noticed yet, a careful client can know.
    async fn takes_another(&mut self) -> bool {
        !self.last
            && matches!(
                within("a free connection", self.sender.ready()).await,
                Ok(Ok(()))
            )
            && matches!(self.socket.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Writes down how it ended while nothing was asked on it; `None` if that was a failure.
    async fn end(self, page: &Page) -> Option<()> {
        let ended = if self.last {
            Ok(())
        } else if !self.answered {
            let more = "accepted, and closed before its first request".to_owned();
            Err(What::NoConnection(more))
        } else {
            match within("the end of a closed connection", self.running).await {
                Ok(Ok(Err(error))) if !is_eof(&error) => Err(What::Ended(causes(&error))),
                Ok(_) => Ok(()),
                Err(late) => Err(late),
            }
        };
        match ended {
            Ok(()) => page.reconnected(),
            Err(what) => {
                page.failed(what);
                return None;
            }
        }
        Some(())
    }
}

/// The next piece of a body; `None` at its end.
///
/// # Errors
///
/// [`What::CutShort`], [`What::Late`].
pub async fn piece(body: &mut Incoming) -> Result<Option<bytes::Bytes>, What> {
    let Some(frame) = within("the next piece of a body", body.frame()).await? else {
        return Ok(None);
    };
    let frame = frame.map_err(|error| What::CutShort(causes(&error)))?;
    Ok(Some(frame.into_data().unwrap_or_default()))
}

fn says_close(response: &Response<Incoming>) -> bool {
    let value = response.headers().get(CONNECTION);
    value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

/// TLS that ends without `close_notify`, while nothing was asked: nothing is lost by it.
fn is_eof(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| cause.kind() == io::ErrorKind::UnexpectedEof)
}

/// An error with all its causes.
pub fn causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error: &&dyn Error| (*error).source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}
