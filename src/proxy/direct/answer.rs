//! How is an endpoint's answer passed on to the client, piece by piece?

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Version};
use pingora::Error;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora_timeout::Elapsed;
use pingora_timeout::fast_timeout::fast_timeout;
use tokio::task::yield_now;

use super::{Broken, failed, in_answer};
use crate::error::{Phase, ProxyError, Reason};
use crate::policy::compress::{Encoding, LARGEST_PIECE};
use crate::proxy::answer::{header_only, keep_date, note_end, note_last};
use crate::proxy::ask::{Exchange, Limits, within};
use crate::proxy::ctx::RequestCtx;
use crate::proxy::fail::{self, Stage};
use crate::proxy::forward::Fields;
use crate::proxy::presence::{Gone, client_gone, while_client_stays};
use crate::proxy::{attempt, coded};

/// Passes the response on.
///
/// # Errors
///
/// [`Broken`], with the reason.
pub async fn answer(
    session: &mut Session,
    ctx: &mut RequestCtx,
    exchange: &mut Exchange,
    limits: &Limits,
) -> Result<(), Broken> {
    let deadline = limits.deadline;
    let Some(received) = exchange.header() else {
        return Err(failed(
            ctx,
            ProxyError::new(Reason::UpstreamBadResponse, Phase::Response),
        ));
    };
    ctx.repeats.answered = true;
    let mut header = attempt::response_from(received, ctx);
    let is_head = session.req_header().method == Method::HEAD;
    let no_body = exchange.is_done() || is_head || matches!(header.status.as_u16(), 204 | 304);
    let encoding = coded::begin(session, &mut header, no_body, ctx);
    frame(&mut header, ctx.version, no_body, is_head);
    note_last(session, ctx);
    keep_date(session, &header.headers);
    if no_body {
        let write = header_only(session, header).await;
        return write.map_err(|error| in_answer(ctx, lost(&error, Phase::Response)));
    }
    note_end(session, &header.headers, ctx);
    let write = session.write_response_header(header, false).await;
    write.map_err(|error| in_answer(ctx, lost(&error, Phase::Response)))?;
    if let Some(encoding) = encoding {
        // Boxed, so that what few routes want takes no room in every request.
        return Box::pin(encode(session, ctx, exchange, limits, encoding)).await;
    }
    loop {
        let limit = within(deadline, limits.timeouts.read);
        let read = {
            let read = pin!(fast_timeout(limit, exchange.piece()));
            while_client_stays(session, read).await
        };
        let Some(piece) = received_piece(read, ctx, deadline)? else {
            break;
        };
        let end = exchange.is_done();
        write_in_time(session, ctx, piece, end, deadline).await?;
        if end {
            return Ok(());
        }
    }
    write_in_time(session, ctx, Bytes::new(), true, deadline).await
}

/// Passes the body on in a coding. What is in the encoder goes out when nothing more is there at once, so that the client
/// has what the endpoint has sent.
async fn encode(
    session: &mut Session,
    ctx: &mut RequestCtx,
    exchange: &mut Exchange,
    limits: &Limits,
    mut encoding: Encoding,
) -> Result<(), Broken> {
    let deadline = limits.deadline;
    let mut worked = 0;
    loop {
        let limit = within(deadline, limits.timeouts.read);
        let read = {
            let mut read = pin!(fast_timeout(limit, exchange.piece()));
            let now = match encoding.is_pending() {
                true => poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await,
                false => Poll::Pending,
            };
            match now {
                Poll::Ready(read) => Ok(read),
                Poll::Pending => {
                    let out = encoding.flush();
                    let out = out.map_err(|error| in_answer(ctx, coded::failed(error)))?;
                    pass(session, ctx, out, deadline).await?;
                    while_client_stays(session, read).await
                }
            }
        };
        let Some(piece) = received_piece(read, ctx, deadline)? else {
            break;
        };
        for part in piece.chunks(LARGEST_PIECE) {
            let out = encoding.push(part);
            let out = out.map_err(|error| in_answer(ctx, coded::failed(error)))?;
            pass(session, ctx, out, deadline).await?;
            worked += part.len();
            if worked >= LARGEST_PIECE {
                // Where both sides are fast, nothing else would stop it.
                worked = 0;
                yield_now().await;
            }
        }
        if exchange.is_done() {
            break;
        }
    }
    let out = encoding.finish();
    let out = out.map_err(|error| in_answer(ctx, coded::failed(error)))?;
    write_in_time(session, ctx, out, true, deadline).await
}

/// Passes on what an encoder has given. Nothing must not be written: as a chunk that would be the last one.
async fn pass(
    session: &mut Session,
    ctx: &mut RequestCtx,
    out: Bytes,
    deadline: Option<Instant>,
) -> Result<(), Broken> {
    if out.is_empty() {
        return Ok(());
    }
    write_in_time(session, ctx, out, false, deadline).await
}

/// What was read of the endpoint's body; `None` at its end.
fn received_piece(
    read: Result<Result<pingora::Result<Option<Bytes>>, Elapsed>, Gone>,
    ctx: &mut RequestCtx,
    deadline: Option<Instant>,
) -> Result<Option<Bytes>, Broken> {
    let error = match read {
        Ok(Ok(Ok(piece))) => return Ok(piece),
        Ok(Ok(Err(error))) => ProxyError::new(fail::reason(&error, Stage::InBody), Phase::Body),
        Ok(Err(_)) => {
            let reason = fail::timeout(deadline, Reason::UpstreamReadTimeout);
            ProxyError::new(reason, Phase::Body)
        }
        Err(Gone) => client_gone(Phase::Body),
    };
    Err(in_answer(ctx, error))
}

/// Passes a piece of the body on. A client that reads slowly must not stretch the time of the whole request.
///
/// # Errors
///
/// [`Broken`], with the reason.
pub async fn write_in_time(
    session: &mut Session,
    ctx: &mut RequestCtx,
    piece: Bytes,
    end: bool,
    deadline: Option<Instant>,
) -> Result<(), Broken> {
    let write = session.write_response_body(Some(piece), end);
    let written = match deadline {
        None => Ok(write.await),
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            fast_timeout(left, write).await
        }
    };
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(in_answer(ctx, lost(&error, Phase::Body))),
        Err(_) => Err(in_answer(
            ctx,
            ProxyError::new(Reason::TotalTimeout, Phase::Body),
        )),
    }
}

/// The client does not take its answer any more: it has left, or is too slow.
pub fn lost(error: &Error, phase: Phase) -> ProxyError {
    ProxyError::new(fail::of_client(error), phase)
}

/// Frames the response for the client (RFC 9112 §6): the endpoint's chunks go to a client of HTTP/1.1 as chunks; a
/// body that ends with the endpoint's connection becomes chunks; HTTP/1.0 gets a body that ends with the connection.
pub fn frame(header: &mut ResponseHeader, version: Version, no_body: bool, head: bool) {
    let chunked = header.headers.contains_key(TRANSFER_ENCODING);
    match version {
        Version::HTTP_2 => {
            if chunked {
                header.remove(&TRANSFER_ENCODING);
            }
        }
        Version::HTTP_11 => {
            if !no_body && !header.headers.contains_key(CONTENT_LENGTH) {
                header.set(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            } else if chunked && no_body && !head {
                header.remove(&TRANSFER_ENCODING);
            }
        }
        _ => {
            if chunked {
                header.remove(&TRANSFER_ENCODING);
            }
        }
    }
    if header.headers.contains_key(CONNECTION) {
        header.remove(&CONNECTION);
    }
    header.set_version(Version::HTTP_11);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The framing a client of `version` gets for an endpoint's: `length`, `chunked` or `close`.
    fn framed(
        version: Version,
        endpoint: &[(&'static str, &str)],
        no_body: bool,
        head: bool,
    ) -> &'static str {
        let mut header = ResponseHeader::build(200, None).expect("a header");
        for (name, value) in endpoint {
            header.append_header(*name, *value).expect("a field");
        }
        frame(&mut header, version, no_body, head);
        match (
            header.headers.contains_key(CONTENT_LENGTH),
            header.headers.contains_key(TRANSFER_ENCODING),
        ) {
            (true, false) => "length",
            (false, true) => "chunked",
            (false, false) => "close",
            (true, true) => "both",
        }
    }

    #[test]
    fn rfc9112_6_a_body_is_framed_for_the_version_of_its_client() {
        let length: &[_] = &[("Content-Length", "3")];
        let chunked: &[_] = &[("Transfer-Encoding", "chunked")];
        for (version, of_length, of_chunks, of_close) in [
            (Version::HTTP_11, "length", "chunked", "chunked"),
            (Version::HTTP_10, "length", "close", "close"),
            (Version::HTTP_2, "length", "close", "close"),
        ] {
            assert_eq!(
                framed(version, length, false, false),
                of_length,
                "{version:?}"
            );
            assert_eq!(
                framed(version, chunked, false, false),
                of_chunks,
                "{version:?}"
            );
            assert_eq!(framed(version, &[], false, false), of_close, "{version:?}");
        }
    }

    #[test]
    fn an_answer_without_body_is_not_framed_but_head_tells_how_it_would_be() {
        let chunked: &[_] = &[("Transfer-Encoding", "chunked")];
        assert_eq!(framed(Version::HTTP_11, chunked, true, false), "close");
        assert_eq!(framed(Version::HTTP_11, chunked, true, true), "chunked");
        assert_eq!(framed(Version::HTTP_11, &[], true, false), "close");
    }
}
