//! How is a request without body carried to an HTTP/1 endpoint, straight, inside `request_filter`?
//!
//! One task, no channels: the request goes out, the response's header comes in, and its body is passed on piece by
//! piece. While it waits for the endpoint it listens to the client, so that a client that leaves ends the work; while
//! it waits for the client it reads nothing, which is the back-pressure.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Version};
use pingora::http::ResponseHeader;
use pingora::protocols::Stream;
use pingora::protocols::http::v1::client::HttpSession as ClientSession;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};
use pingora_timeout::fast_timeout::fast_timeout;

use super::answer::{header_only, note_end, note_last};
use super::attempt;
use super::ctx::RequestCtx;
use super::fail::{self, Stage};
use super::forward::Fields;
use crate::config::runtime::Carrier;
use crate::error::{Phase, ProxyError, Reason};
use crate::pool::{Ending, Protocol, Timeouts};
use crate::upstream::connect::connect;
use crate::upstream::connection::EndpointConnection;
use crate::upstream::idle::IdlePool;

/// Whether this carrier can take the request.
pub fn fits(session: &mut Session, ctx: &RequestCtx) -> bool {
    ctx.snapshot.carrier != Carrier::Duplex
        && !ctx.upgrade
        && ctx
            .pool()
            .is_some_and(|(pool, _)| pool.protocol == Protocol::Http1)
        && session.as_downstream_mut().is_body_empty()
}

/// How an exchange ended that did not succeed.
pub enum Broken {
    /// Nothing was sent to the client: it can still be answered.
    BeforeAnswer(ProxyError),
    /// The client has a part of the answer: it must see that it is not whole.
    InAnswer(ProxyError),
}

/// Carries the request, and tries again once on a new connection if an idle one turned out to be closed.
///
/// # Errors
///
/// [`Broken`], with the reason.
pub async fn exchange(
    session: &mut Session,
    ctx: &mut RequestCtx,
    idle: &IdlePool,
) -> Result<(), Broken> {
    ctx.body_done = true;
    let (pool, timeouts) = match ctx.pool() {
        Some((pool, timeouts)) => (std::sync::Arc::clone(pool), *timeouts),
        None => {
            return Err(Broken::BeforeAnswer(ProxyError::new(
                Reason::Internal,
                Phase::Pool,
            )));
        }
    };
    let deadline = ctx.deadline();
    let leased = while_client_stays(session, attempt::lease(ctx)).await;
    leased
        .and_then(|leased| leased)
        .map_err(|error| failed(ctx, error))?;
    let Some(endpoint) = ctx
        .lease
        .as_ref()
        .map(|lease| std::sync::Arc::clone(lease.endpoint()))
    else {
        return Err(Broken::BeforeAnswer(ProxyError::new(
            Reason::Internal,
            Phase::Pool,
        )));
    };
    let peer = &endpoint.peer;
    let mut use_idle = true;
    let mut client = loop {
        let pooled = if use_idle {
            idle.take(peer.id, Instant::now())
        } else {
            None
        };
        let reused = pooled.is_some();
        let stream: Stream = match pooled {
            Some(connection) => {
                attempt::connected(ctx, None);
                connection
            }
            None => {
                let started = Instant::now();
                let limit = within(deadline, timeouts.connect);
                let opened = while_client_stays(session, connect(peer, limit)).await;
                let stream = match opened {
                    Ok(Ok(stream)) => stream,
                    Ok(Err(error)) => {
                        attempt::explain(ctx, &error);
                        let reason = match error.reason() {
                            Reason::ConnectTimeout => {
                                fail::timeout(deadline, Reason::ConnectTimeout)
                            }
                            reason => reason,
                        };
                        return Err(failed(ctx, ProxyError::new(reason, Phase::Connect)));
                    }
                    Err(gone) => return Err(failed(ctx, gone)),
                };
                attempt::connected(ctx, Some(started.elapsed()));
                Box::new(stream)
            }
        };
        let mut client = ClientSession::new(stream);
        client.write_timeout = Some(timeouts.write);
        match ask(session, ctx, &mut client, &timeouts, deadline).await {
            Ok(()) => break client,
            // The endpoint closed the idle connection while the request was on its way (RFC 9112 §9.3.1). Nothing of an
            // answer came, and the method may be repeated, so the client need not notice.
            Err(Asked {
                error,
                untouched: true,
            }) if reused && attempt::may_repeat(session) => {
                log::debug!(
                    "pool {}: endpoint {}: stale connection: {error}",
                    pool.name,
                    endpoint.name
                );
                use_idle = false;
            }
            Err(Asked { error, .. }) => return Err(failed(ctx, error)),
        }
    };
    answer(session, ctx, &mut client, &timeouts, deadline).await?;
    client.respect_keepalive();
    if let Some(stream) = client.reuse().await
        && let Ok(connection) = stream.into_any().downcast()
    {
        idle.put(peer.id, connection, &pool.keepalive, Instant::now());
    }
    Ok(())
}

/// How many interim responses (RFC 9110 §15.2) an endpoint may send before the one that counts.
const INTERIM_RESPONSES: u32 = 16;

fn has_heard(client: &ClientSession) -> bool {
    let connection = client
        .stream()
        .as_any()
        .downcast_ref::<EndpointConnection>();
    connection.is_none_or(EndpointConnection::has_heard)
}

/// Why asking the endpoint failed.
struct Asked {
    error: ProxyError,
    /// Whether not one byte of an answer had come.
    untouched: bool,
}

/// Sends the request and waits for the header of its response; interim responses are passed on.
async fn ask(
    session: &mut Session,
    ctx: &mut RequestCtx,
    client: &mut ClientSession,
    timeouts: &Timeouts,
    deadline: Option<Instant>,
) -> Result<(), Asked> {
    let request = attempt::request_without_body(session.req_header(), ctx);
    let request = request.map_err(|error| Asked {
        error,
        untouched: false,
    })?;
    if let Err(error) = client.write_request_header(Box::new(request)).await {
        let reason = fail::reason(&error, Stage::BeforeHeader);
        return Err(Asked {
            error: ProxyError::new(reason, Phase::Request),
            untouched: reason == Reason::UpstreamReset,
        });
    }
    let sent = Instant::now();
    ctx.sent = Some(sent);
    let mut interim = 0;
    loop {
        let limit = within(deadline, timeouts.first_byte.saturating_sub(sent.elapsed()));
        let read = while_client_stays(session, fast_timeout(limit, client.read_response())).await;
        match read {
            Ok(Ok(Ok(_))) => {}
            Ok(Ok(Err(error))) => {
                let reason = fail::reason(&error, Stage::BeforeHeader);
                let untouched = reason == Reason::UpstreamReset && !has_heard(client);
                return Err(Asked {
                    error: ProxyError::new(reason, Phase::Response),
                    untouched,
                });
            }
            Ok(Err(_)) => {
                let reason = fail::timeout(deadline, Reason::UpstreamFirstByteTimeout);
                return Err(Asked {
                    error: ProxyError::new(reason, Phase::Response),
                    untouched: false,
                });
            }
            Err(error) => {
                return Err(Asked {
                    error,
                    untouched: false,
                });
            }
        }
        match client.resp_header() {
            Some(header) if header.status.is_informational() => {
                // 100 answers nobody here, 101 was not asked for; others a client of HTTP/1.1 may see (RFC 9110 §15.2).
                if header.status.as_u16() == 101 {
                    let error = ProxyError::new(Reason::UpstreamBadResponse, Phase::Response);
                    return Err(Asked {
                        error,
                        untouched: false,
                    });
                }
                interim += 1;
                if interim > INTERIM_RESPONSES {
                    let error = ProxyError::new(Reason::UpstreamBadResponse, Phase::Response);
                    return Err(Asked {
                        error,
                        untouched: false,
                    });
                }
                if header.status.as_u16() != 100 && ctx.version == Version::HTTP_11 {
                    let passed_on = attempt::response_from(header, ctx);
                    let written = session
                        .as_downstream_mut()
                        .write_response_header(Box::new(passed_on))
                        .await;
                    written.map_err(|_| Asked {
                        error: client_gone(Phase::Response),
                        untouched: false,
                    })?;
                }
            }
            // Other codings than chunked would be lost on the way (RFC 9112 §7).
            Some(header) if !attempt::framing_is_plain(header) => {
                let error = ProxyError::new(Reason::UpstreamBadResponse, Phase::Response);
                return Err(Asked {
                    error,
                    untouched: false,
                });
            }
            Some(_) => return Ok(()),
            None => {
                let error = ProxyError::new(Reason::UpstreamBadResponse, Phase::Response);
                return Err(Asked {
                    error,
                    untouched: false,
                });
            }
        }
    }
}

/// Passes the response on.
async fn answer(
    session: &mut Session,
    ctx: &mut RequestCtx,
    client: &mut ClientSession,
    timeouts: &Timeouts,
    deadline: Option<Instant>,
) -> Result<(), Broken> {
    let Some(received) = client.resp_header() else {
        return Err(failed(
            ctx,
            ProxyError::new(Reason::UpstreamBadResponse, Phase::Response),
        ));
    };
    attempt::responded(received, ctx);
    let mut header = Box::new(attempt::response_from(received, ctx));
    let no_body = client.is_body_done()
        || session.req_header().method == Method::HEAD
        || matches!(header.status.as_u16(), 204 | 304);
    frame(
        &mut header,
        ctx.version,
        no_body,
        session.req_header().method == Method::HEAD,
    );
    note_last(session, ctx);
    if no_body {
        let write = header_only(session, header).await;
        return write.map_err(|_| in_answer(ctx, client_gone(Phase::Response)));
    }
    note_end(session, &header.headers, ctx);
    let write = session.write_response_header(header, false).await;
    write.map_err(|_| in_answer(ctx, client_gone(Phase::Response)))?;
    loop {
        let limit = within(deadline, timeouts.read);
        let piece = match while_client_stays(session, fast_timeout(limit, client.read_body_bytes()))
            .await
        {
            Ok(Ok(Ok(piece))) => piece,
            Ok(Ok(Err(error))) => {
                let reason = fail::reason(&error, Stage::InBody);
                return Err(in_answer(ctx, ProxyError::new(reason, Phase::Body)));
            }
            Ok(Err(_)) => {
                let reason = fail::timeout(deadline, Reason::UpstreamReadTimeout);
                return Err(in_answer(ctx, ProxyError::new(reason, Phase::Body)));
            }
            Err(gone) => return Err(in_answer(ctx, gone)),
        };
        let Some(piece) = piece else { break };
        let end = client.is_body_done();
        write_in_time(session, ctx, piece, end, deadline).await?;
        if end {
            return Ok(());
        }
    }
    write_in_time(session, ctx, Bytes::new(), true, deadline).await
}

/// Passes a piece of the body on. A client that reads slowly must not stretch the time of the whole request.
async fn write_in_time(
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
        Ok(Err(_)) => Err(in_answer(ctx, client_gone(Phase::Body))),
        Err(_) => Err(in_answer(
            ctx,
            ProxyError::new(Reason::TotalTimeout, Phase::Body),
        )),
    }
}

/// Frames the response for the client (RFC 9112 §6): the endpoint's chunks go to a client of HTTP/1.1 as chunks; a
/// body that ends with the endpoint's connection becomes chunks; HTTP/1.0 gets a body that ends with the connection.
fn frame(header: &mut ResponseHeader, version: Version, no_body: bool, head: bool) {
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

/// Runs `work`, unless the client goes away first. Polling the client also lets go what was written to it so far.
async fn while_client_stays<T>(
    session: &mut Session,
    work: impl Future<Output = T>,
) -> Result<T, ProxyError> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        heard = session.as_downstream_mut().read_body_or_idle(true) => {
            log::trace!("client: {heard:?}");
            Err(client_gone(Phase::Response))
        }
    }
}

/// How long to wait at most for something that may take `limit`, in a request that must end by `deadline`.
fn within(deadline: Option<Instant>, limit: Duration) -> Duration {
    match deadline {
        Some(deadline) => limit.min(deadline.saturating_duration_since(Instant::now())),
        None => limit,
    }
}

const fn client_gone(phase: Phase) -> ProxyError {
    ProxyError::new(Reason::ClientGone, phase)
}

fn failed(ctx: &mut RequestCtx, error: ProxyError) -> Broken {
    settle(ctx, error);
    Broken::BeforeAnswer(error)
}

fn in_answer(ctx: &mut RequestCtx, error: ProxyError) -> Broken {
    settle(ctx, error);
    Broken::InAnswer(error)
}

fn settle(ctx: &mut RequestCtx, error: ProxyError) {
    ctx.failed(error);
    if let Some(lease) = &mut ctx.lease {
        lease.settle(Ending::Failed(error.reason), Instant::now());
    }
}

/// The error that makes Pingora drop the client's connection, so that a broken answer looks broken.
pub fn broken_answer(error: ProxyError) -> pingora::BError {
    let mut dropped = Error::explain(ErrorType::ConnectionClosed, error.to_string());
    dropped.esource = match error.reason {
        Reason::ClientGone => ErrorSource::Downstream,
        _ => ErrorSource::Upstream,
    };
    dropped
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
