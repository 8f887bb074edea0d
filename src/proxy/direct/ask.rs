//! How is an endpoint asked, up to the header of its answer?

use std::time::{Duration, Instant};

use http::Version;
use pingora::protocols::Stream;
use pingora::protocols::http::v1::client::HttpSession as ClientSession;
use pingora::proxy::Session;
use pingora_timeout::fast_timeout::fast_timeout;

use super::{Limits, client_gone, keep, while_client_stays, within};
use crate::error::{Phase, ProxyError, Reason};
use crate::pool::{Endpoint, Pool};
use crate::proxy::attempt;
use crate::proxy::ctx::RequestCtx;
use crate::proxy::fail::{self, Stage};
use crate::upstream::connect::connect;
use crate::upstream::connection::EndpointConnection;
use crate::upstream::idle::IdlePool;

/// How many interim responses (RFC 9110 §15.2) an endpoint may send before the one that counts.
const INTERIM_RESPONSES: u32 = 16;

/// How much of an answer that is not passed on is read to keep its connection.
const FORGOTTEN: usize = 64 * 1024;

/// Asks the leased endpoint, and gives the connection once the header of the answer has come. A connection that was idle
/// and turns out to be closed is replaced by a new one, which can't be stale again.
///
/// # Errors
///
/// Why there is no answer.
pub async fn ask(
    session: &mut Session,
    ctx: &mut RequestCtx,
    idle: &IdlePool,
    endpoint: &Endpoint,
    limits: &Limits,
) -> Result<ClientSession, ProxyError> {
    if let Some(connection) = idle.take(endpoint.peer.id, Instant::now()) {
        attempt::connected(ctx, None);
        let mut client = client(connection, limits);
        match put(session, ctx, &mut client, limits).await {
            Ok(()) => return Ok(client),
            // The endpoint closed the idle connection while the request was on its way (RFC 9112 §9.3.1). Nothing of an
            // answer came, and the method may be repeated, so the client need not notice.
            Err(Unanswered {
                error,
                untouched: true,
            }) if session.req_header().method.is_idempotent() => {
                log::debug!("endpoint {}: stale connection: {error}", endpoint.name);
            }
            Err(Unanswered { error, .. }) => return Err(error),
        }
    }
    let connection = open(session, ctx, endpoint, limits).await?;
    let mut client = client(Box::new(connection), limits);
    match put(session, ctx, &mut client, limits).await {
        Ok(()) => Ok(client),
        Err(Unanswered { error, .. }) => Err(error),
    }
}

fn client(stream: Stream, limits: &Limits) -> ClientSession {
    let mut client = ClientSession::new(stream);
    client.write_timeout = Some(limits.timeouts.write);
    client
}

/// Opens a connection.
async fn open(
    session: &mut Session,
    ctx: &mut RequestCtx,
    endpoint: &Endpoint,
    limits: &Limits,
) -> Result<EndpointConnection, ProxyError> {
    let started = Instant::now();
    let limit = within_try(ctx, limits.timeouts.connect);
    let limit = within(limits.deadline, limit);
    let opened = while_client_stays(session, connect(&endpoint.peer, limit)).await?;
    let connection = opened.map_err(|error| {
        attempt::explain(ctx, &error);
        let reason = match error.reason() {
            Reason::ConnectTimeout => fail::timeout(limits.deadline, Reason::ConnectTimeout),
            reason => reason,
        };
        ProxyError::new(reason, Phase::Connect)
    })?;
    attempt::connected(ctx, Some(started.elapsed()));
    Ok(connection)
}

/// How long to wait for something that may take `limit`, in an attempt that may have a limit of its own.
fn within_try(ctx: &RequestCtx, limit: Duration) -> Duration {
    match attempt::left_of_try(ctx, Instant::now()) {
        Some(left) => limit.min(left),
        None => limit,
    }
}

fn has_heard(client: &ClientSession) -> bool {
    let connection = client
        .stream()
        .as_any()
        .downcast_ref::<EndpointConnection>();
    connection.is_none_or(EndpointConnection::has_heard)
}

/// Why asking on a connection failed.
struct Unanswered {
    error: ProxyError,
    /// Whether not one byte of an answer had come.
    untouched: bool,
}

impl From<ProxyError> for Unanswered {
    fn from(error: ProxyError) -> Self {
        Self {
            error,
            untouched: false,
        }
    }
}

/// Sends the request and waits for the header of its response; interim responses are passed on.
async fn put(
    session: &mut Session,
    ctx: &mut RequestCtx,
    client: &mut ClientSession,
    limits: &Limits,
) -> Result<(), Unanswered> {
    let request = attempt::request_without_body(session.req_header(), ctx)?;
    if let Err(error) = client.write_request_header(Box::new(request)).await {
        let reason = fail::reason(&error, Stage::BeforeHeader);
        return Err(Unanswered {
            error: ProxyError::new(reason, Phase::Request),
            untouched: reason == Reason::UpstreamReset,
        });
    }
    let bad_response = ProxyError::new(Reason::UpstreamBadResponse, Phase::Response);
    let sent = Instant::now();
    ctx.sent = Some(sent);
    let mut interim = 0;
    loop {
        let limit = limits.timeouts.first_byte.saturating_sub(sent.elapsed());
        let limit = within(limits.deadline, within_try(ctx, limit));
        let read = while_client_stays(session, fast_timeout(limit, client.read_response())).await?;
        match read {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                let reason = fail::reason(&error, Stage::BeforeHeader);
                return Err(Unanswered {
                    error: ProxyError::new(reason, Phase::Response),
                    untouched: reason == Reason::UpstreamReset && !has_heard(client),
                });
            }
            Err(_) => {
                let reason = fail::timeout(limits.deadline, Reason::UpstreamFirstByteTimeout);
                return Err(ProxyError::new(reason, Phase::Response).into());
            }
        }
        match client.resp_header() {
            Some(header) if header.status.is_informational() => {
                // 100 answers nobody here, 101 was not asked for; others a client of HTTP/1.1 may see (RFC 9110 §15.2).
                interim += 1;
                if header.status.as_u16() == 101 || interim > INTERIM_RESPONSES {
                    return Err(bad_response.into());
                }
                if header.status.as_u16() != 100 && ctx.version == Version::HTTP_11 {
                    let passed_on = attempt::response_from(header, ctx);
                    ctx.repeats.answered = true;
                    let written = session
                        .as_downstream_mut()
                        .write_response_header(Box::new(passed_on))
                        .await;
                    written.map_err(|_| client_gone(Phase::Response))?;
                }
            }
            // Other codings than chunked would be lost on the way (RFC 9112 §7).
            Some(header) if attempt::framing_is_plain(header) => return Ok(()),
            _ => return Err(bad_response.into()),
        }
    }
}

/// Lets an answer go that is not passed on. Its connection is kept if all of it is there already: waiting for the rest
/// would cost the client more than a new connection costs the endpoint.
pub async fn forget(mut client: ClientSession, pool: &Pool, endpoint: &Endpoint, idle: &IdlePool) {
    let mut read = 0;
    while !client.is_body_done() {
        let piece = tokio::select! {
            biased;
            piece = client.read_body_bytes() => piece,
            () = std::future::ready(()) => return,
        };
        match piece {
            Ok(Some(piece)) if read + piece.len() <= FORGOTTEN => read += piece.len(),
            Ok(None) => break,
            _ => return,
        }
    }
    client.respect_keepalive();
    keep(client, pool, endpoint, idle).await;
}
