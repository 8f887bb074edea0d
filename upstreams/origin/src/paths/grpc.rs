//! How is a gRPC call answered without knowing its messages?
//!
//! A message is a 5-byte prefix (a flag and a big-endian length) and that many opaque bytes; the
//! status travels in the trailer (gRPC over HTTP/2, "Responses").

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::{Answer, report};
use crate::answer::{Content, Step};
use crate::journal::Journal;

/// How the paths of the service begin.
pub(super) const SERVICE: &str = "/origin.Echo/";

const PREFIX_BYTES: usize = 5;

/// Longer messages are refused rather than kept in memory.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// The `grpc-status` codes in use.
#[derive(Clone, Copy)]
enum Status {
    Ok,
    InvalidArgument,
    ResourceExhausted,
    Unimplemented,
    Internal,
}

impl Status {
    fn fields(self) -> HeaderMap {
        let code = match self {
            Self::Ok => "0",
            Self::InvalidArgument => "3",
            Self::ResourceExhausted => "8",
            Self::Unimplemented => "12",
            Self::Internal => "13",
        };
        HeaderMap::from_iter([(
            HeaderName::from_static("grpc-status"),
            HeaderValue::from_static(code),
        )])
    }
}

/// The methods of the service `origin.Echo`.
pub(super) enum Method {
    Unary,
    Bidi,
    Fail,
}

impl Method {
    pub(super) fn of(path: &str) -> Option<Self> {
        match path.strip_prefix(SERVICE)? {
            "Unary" => Some(Self::Unary),
            "Bidi" => Some(Self::Bidi),
            "Fail" => Some(Self::Fail),
            _ => None,
        }
    }

    pub(super) async fn answer(
        self,
        body: Incoming,
        journal: &Journal,
    ) -> Result<Answer, hyper::Error> {
        match self {
            Self::Unary => unary(body, journal).await,
            Self::Bidi => Ok(call(Content::Stream(Box::pin(Messages {
                body,
                journal: journal.clone(),
                buffer: BytesMut::new(),
                end: End::Open,
            })))),
            Self::Fail => {
                report::read(body, journal, |_| ()).await?;
                Ok(trailers_only(Status::Internal))
            }
        }
    }
}

/// A method that `origin.Echo` does not have.
pub(super) fn unimplemented() -> Answer {
    trailers_only(Status::Unimplemented)
}

async fn unary(body: Incoming, journal: &Journal) -> Result<Answer, hyper::Error> {
    let mut buffer = BytesMut::new();
    let mut too_long = false;
    report::read(body, journal, |data| {
        too_long |= buffer.len() + data.len() > PREFIX_BYTES + MAX_MESSAGE_BYTES;
        if !too_long {
            buffer.extend_from_slice(data);
        }
    })
    .await?;
    if too_long {
        return Ok(trailers_only(Status::ResourceExhausted));
    }
    match next_message(&mut buffer) {
        Ok(Some(message)) if buffer.is_empty() => Ok(call(Content::steps([
            Step::Send(message),
            Step::Trailers(Status::Ok.fields()),
        ]))),
        _ => Ok(trailers_only(Status::InvalidArgument)),
    }
}

fn call(content: Content) -> Answer {
    let mut response = Response::new(content);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Answer::Response(response)
}

fn trailers_only(status: Status) -> Answer {
    match call(Content::EMPTY) {
        Answer::Response(mut response) => {
            response.headers_mut().extend(status.fields());
            Answer::Response(response)
        }
        other => other,
    }
}

/// Takes a complete message, its prefix included, off the front of `buffer`.
fn next_message(buffer: &mut BytesMut) -> Result<Option<Bytes>, Status> {
    let Some(&[_, a, b, c, d]) = buffer.first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d]))
        .ok()
        .filter(|length| *length <= MAX_MESSAGE_BYTES)
        .ok_or(Status::ResourceExhausted)?;
    let whole = PREFIX_BYTES + length;
    Ok((buffer.len() >= whole).then(|| buffer.split_to(whole).freeze()))
}

/// The response of a bidirectional call: each message as soon as it is complete.
struct Messages {
    body: Incoming,
    journal: Journal,
    buffer: BytesMut,
    end: End,
}

enum End {
    /// More may come.
    Open,
    /// The status is still to be sent.
    Status(Status),
    Sent,
}

impl Body for Messages {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            match self.end {
                End::Sent => return Poll::Ready(None),
                End::Status(status) => {
                    self.end = End::Sent;
                    return Poll::Ready(Some(Ok(Frame::trailers(status.fields()))));
                }
                End::Open => {}
            }
            match next_message(&mut self.buffer) {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(Frame::data(message)))),
                Ok(None) => {}
                Err(status) => {
                    self.end = End::Status(status);
                    continue;
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)?) {
                Some(frame) => {
                    if let Some(data) = frame.data_ref() {
                        self.journal.received(data.len());
                        self.buffer.extend_from_slice(data);
                    }
                }
                // The request ended; a message cut short is an error of its sender.
                None if self.buffer.is_empty() => self.end = End::Status(Status::Ok),
                None => self.end = End::Status(Status::InvalidArgument),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.end, End::Sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_off_whole_and_in_order() {
        let mut buffer = BytesMut::from(&b"\0\0\0\0\x02ab\0\0\0\0\0\0\0\0"[..]);
        let mut next = || next_message(&mut buffer).ok().flatten();
        assert_eq!(next().as_deref(), Some(&b"\0\0\0\0\x02ab"[..]));
        assert_eq!(next().as_deref(), Some(&b"\0\0\0\0\0"[..]));
        assert_eq!(next(), None);
        assert_eq!(buffer.len(), 3);
    }

    #[test]
    fn a_message_longer_than_allowed_is_refused_at_its_prefix() {
        let mut buffer = BytesMut::from(&b"\0\xff\xff\xff\xff"[..]);
        assert!(next_message(&mut buffer).is_err());
    }
}
