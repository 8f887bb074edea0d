//! How does the origin speak WebSocket (RFC 6455)?

use futures_util::{SinkExt, StreamExt};
use http::header::{CONNECTION, HeaderMap, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderValue, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use super::{Answer, Asked};
use crate::answer::Content;
use crate::journal::{Exchange, Journal};

/// `/ws`: 101 for a WebSocket handshake (RFC 6455 section 4.2.2), 426 for anything else.
pub(super) fn accept(asked: &mut Asked) -> Answer {
    let upgrade = asked.upgrade.take();
    let accepted = accept_key(asked.head.version, &asked.head.headers);
    let mut response = Response::new(Content::EMPTY);
    let fields = response.headers_mut();
    fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let (Some(upgrade), Some(accepted)) = (upgrade, accepted) else {
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        return Answer::Response(response);
    };
    fields.insert(SEC_WEBSOCKET_ACCEPT, accepted);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    Answer::WebSocket(response, upgrade)
}

/// The answer to the client's key; `None` if this is no WebSocket handshake over HTTP/1.1.
fn accept_key(version: Version, fields: &HeaderMap) -> Option<HeaderValue> {
    let asks = fields
        .get(UPGRADE)?
        .as_bytes()
        .eq_ignore_ascii_case(b"websocket");
    let key = fields.get(SEC_WEBSOCKET_KEY)?;
    (asks && version == Version::HTTP_11)
        .then(|| HeaderValue::try_from(derive_accept_key(key.as_bytes())).ok())
        .flatten()
}

/// Sends every text and binary message back until the peer closes; the protocol layer itself
/// answers ping and close. Without a close frame the exchange is dropped, and so cancelled.
pub(super) async fn echo(upgrade: OnUpgrade, journal: Journal, exchange: Exchange) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut socket =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    while let Some(received) = socket.next().await {
        let answered = match received {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                journal.received(message.len());
                socket.send(message).await
            }
            // Flushing sends the pong or the close frame that reading has queued.
            Ok(_) => socket.flush().await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(()) => {}
            Err(tokio_tungstenite::tungstenite::Error::ConnectionClosed) => break,
            Err(_) => return,
        }
    }
    exchange.complete();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6455_1_3_the_key_of_the_specification_has_its_answer() {
        let mut fields = HeaderMap::new();
        fields.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        fields.insert(SEC_WEBSOCKET_KEY, key);
        let answer = accept_key(Version::HTTP_11, &fields);
        assert_eq!(
            answer.as_ref().map(HeaderValue::as_bytes),
            Some(&b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[..])
        );
        assert_eq!(accept_key(Version::HTTP_2, &fields), None);
    }
}
