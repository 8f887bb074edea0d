//! Does a WebSocket last?

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::AFTER_FAILURE;
use super::book::{Entry, Page, What, within};
use super::door::{Door, Protocol, Stream};

/// The pause between two messages.
const MESSAGE_EVERY: Duration = Duration::from_millis(50);

type Socket = WebSocketStream<Box<dyn Stream>>;

/// Talks over one WebSocket until the ledger stops; once it has ended there is no second one.
pub async fn keep_talking(door: Arc<Door>, page: Page) {
    let mut socket = loop {
        match connect(&door).await {
            Ok(socket) => break socket,
            Err(what) => page.failed(what),
        }
        if !page.goes_on(AFTER_FAILURE).await {
            return;
        }
    };
    let entry = page.sent();
    let talked = match talk(&mut socket, &page, &entry).await {
        Ok(()) => take_leave(&mut socket, &page).await,
        failed => failed,
    };
    match talked {
        Ok(()) => entry.done(),
        Err(what) => {
            entry.settle(Err(what));
            // Sends the answer to a close frame, which reading it has queued; who just dropped the connection gets none.
            let _ = within("an answer to goodbye to be taken", socket.flush()).await;
        }
    }
}

async fn connect(door: &Door) -> Result<Socket, What> {
    let (stream, _) = door.open(Protocol::Http1).await?;
    // The scheme says only how the authority is to be read: the connection is there.
    let url = format!("ws://{}/ws", door.authority());
    let handshake = within("a WebSocket", client_async(url, stream)).await?;
    let (socket, _) = handshake.map_err(|error| match error {
        Error::Http(response) => What::Wrong(format!("{} instead of 101", response.status())),
        error => What::Unanswered(format!("the WebSocket's handshake: {error}")),
    })?;
    Ok(socket)
}

/// Sends a number and waits for its echo, again and again.
async fn talk(socket: &mut Socket, page: &Page, entry: &Entry) -> Result<(), What> {
    for number in 0_u64.. {
        tokio::select! {
            goes_on = page.goes_on(MESSAGE_EVERY) => if !goes_on {
                return Ok(());
            },
            // Between an echo and the next message there is nothing to come.
            received = socket.next() => return Err(unexpected(received, page)),
        }
        let message = Message::text(format!("message {number}"));
        let sent = within("a message to be taken", socket.send(message.clone())).await?;
        // What the other end said before it left is still to be read.
        let received = within(&format!("the echo of {message}"), socket.next()).await?;
        match (sent, received) {
            (_, Some(Ok(echo))) if echo == message => entry.message(),
            (_, received) => return Err(unexpected(received, page)),
        }
    }
    Ok(())
}

/// Says goodbye, and waits until the other end has done so too.
async fn take_leave(socket: &mut Socket, page: &Page) -> Result<(), What> {
    let goodbye = CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    };
    let sent = within("goodbye to be taken", socket.close(Some(goodbye))).await?;
    sent.map_err(|error| What::Ended(format!("before goodbye: {error}")))?;
    let answer = within("the answer to goodbye", socket.next()).await?;
    match answer {
        Some(Ok(Message::Close(frame))) => page.websocket_closed(code(frame)),
        other => return Err(unexpected(other, page)),
    }
    match within("the end after goodbye", socket.next()).await? {
        None | Some(Err(Error::ConnectionClosed)) => Ok(()),
        other => Err(unexpected(other, page)),
    }
}

/// What it means that this came although something else, or nothing, was expected.
fn unexpected(received: Option<Result<Message, Error>>, page: &Page) -> What {
    match received {
        Some(Ok(Message::Close(frame))) => {
            let code = code(frame);
            page.websocket_closed(code);
            What::Ended(format!("close frame with {code}"))
        }
        Some(Ok(message)) => What::Wrong(format!("{message:?}")),
        Some(Err(error)) => What::CutShort(error.to_string()),
        None => What::CutShort("the connection's end".to_owned()),
    }
}

/// A close frame's code; 1005 stands for none (RFC 6455 §7.4.1).
fn code(frame: Option<CloseFrame>) -> u16 {
    frame.map_or(1005, |frame| frame.code.into())
}
