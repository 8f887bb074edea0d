//! How is everything else carried: uploads, WebSockets, gRPC, HTTP/2 endpoints? By pingora-proxy, which moves request
//! and response at the same time. These are the steps its hooks call.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::EXPECT;
use http::{HeaderMap, Method, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, RetryType};

use super::again::{Failed, Repeatable};
use super::answer::{client, is_grpc, keep_date, note_end, note_last};
use super::ctx::RequestCtx;
use super::fail::{self, Stage};
use super::presence::{Gone, client_gone, while_uploader_stays};
use super::{again, attempt, coded};
use crate::error::{Phase, ProxyError, Reason};
use crate::pool::{Ending, Protocol};
use crate::server::connection::waiting::Patience;
use crate::upstream::patient;

/// How much later a request is dropped whose time is over, so that it can be answered first.
const ANSWER_IN: Duration = Duration::from_secs(1);

/// How much of a body goes into buffers on the way to an endpoint that takes nothing, at least.
const BUFFERED: u64 = 256 * 1024;

/// Chooses an endpoint: the first, the next, or the same again on a new connection.
///
/// # Errors
///
/// There is none; the reason is noted.
pub async fn peer(session: &mut Session, ctx: &mut RequestCtx) -> pingora::Result<Box<HttpPeer>> {
    rest(session, ctx);
    lease(session, ctx)
        .await
        .map_err(|error| refuse(ctx, error))?;
    // What came of the body so far comes again, from Pingora's buffer.
    ctx.received = 0;
    let internal = ProxyError::new(Reason::Internal, Phase::Pool);
    let Some((_, timeouts)) = ctx.pool() else {
        return Err(refuse(ctx, internal));
    };
    let mut timeouts = *timeouts;
    let now = Instant::now();
    if let Some(deadline) = ctx.deadline() {
        let left = deadline.saturating_duration_since(now);
        timeouts.connect = timeouts.connect.min(left);
        timeouts.first_byte = timeouts.first_byte.min(left);
        timeouts.read = timeouts.read.min(left);
        if let Some(overtime) = &ctx.overtime {
            overtime.set_total(deadline.checked_add(ANSWER_IN));
        }
    }
    if let Some(left) = attempt::left_of_try(ctx, now) {
        timeouts.connect = timeouts.connect.min(left);
        timeouts.first_byte = timeouts.first_byte.min(left);
    }
    match &ctx.lease {
        Some(lease) => {
            ctx.upgraded = ctx.upgrade.then(Arc::default);
            let upgraded = ctx.upgraded.clone();
            Ok(lease
                .endpoint()
                .peer
                .duplex(&timeouts, upgraded, ctx.repeats.stale))
        }
        None => Err(refuse(ctx, internal)),
    }
}

/// Takes the right to use an endpoint. While the request waits for it, its body is not asked for, and so not late.
async fn lease(session: &mut Session, ctx: &mut RequestCtx) -> Result<(), ProxyError> {
    let internal = ProxyError::new(Reason::Internal, Phase::Pool);
    let pool = Arc::clone(ctx.pool().ok_or(internal)?.0);
    let again = ctx.repeats.next.take();
    if again.is_none() {
        if ctx.repeats.stale {
            return Ok(());
        }
        if let Some(leased) = attempt::lease_now(ctx, &pool) {
            return leased;
        }
    }
    let overtime = ctx.overtime.clone().filter(|_| pool.limits.is_some());
    let left = overtime
        .as_ref()
        .and_then(|overtime| overtime.pause_body(Instant::now()));
    // Boxed, so that what seldom happens takes no room in every request.
    let mut leases = Box::pin(async {
        match again {
            None => attempt::lease_in_turn(ctx, &pool).await,
            Some(again) => again::lease(ctx, again, &pool).await,
        }
    });
    let leased = while_uploader_stays(session, leases.as_mut()).await;
    if let Some(overtime) = overtime {
        overtime.resume_body(left, Instant::now());
    }
    leased.map_err(|Gone| client_gone(Phase::Pool)).flatten()
}

/// Makes the request into the endpoint's, and starts the clock for its answer.
///
/// # Errors
///
/// The target can't be written.
pub fn request(header: &mut RequestHeader, ctx: &mut RequestCtx) -> pingora::Result<()> {
    attempt::request(header, ctx).map_err(|error| refuse(ctx, error))?;
    let now = Instant::now();
    ctx.sent = Some(now);
    if !ctx.expects {
        expect_pace(now, ctx);
    }
    Ok(())
}

/// Says how fast the request's body must come, of which nothing was read yet. HTTP/1 connections see to it themselves.
pub fn begin_body(session: &Session, ctx: &mut RequestCtx) {
    let fields = &session.req_header().headers;
    ctx.expects = fields.contains_key(EXPECT);
    if let Some(connection) = client(session) {
        if ctx.expects {
            connection.expects_word();
        }
    } else if let Some(listener) = &ctx.listener
        && !carries_grpc(fields, ctx)
    {
        ctx.pace = Patience::of(listener).body_pace();
    }
}

/// Whether the body may be silent by design. A field that anybody can write is believed only where there can be gRPC: from
/// an HTTP/2 client to endpoints that speak it.
fn carries_grpc(fields: &HeaderMap, ctx: &RequestCtx) -> bool {
    let both_speak = ctx.version == Version::HTTP_2
        && ctx
            .pool()
            .is_some_and(|(pool, _)| pool.protocol == Protocol::Http2);
    both_speak && is_grpc(fields)
}

/// Nobody waits for the request's body until it is read again.
fn rest(session: &Session, ctx: &mut RequestCtx) {
    if ctx.body_done {
        return;
    }
    if let Some(connection) = client(session) {
        connection.rest();
    }
    if let (Some(pace), Some(overtime)) = (&mut ctx.pace, &ctx.overtime) {
        pace.rest(Instant::now());
        overtime.set_rate(None);
    }
}

/// The client is waited for, and late when its time is over.
fn expect_pace(now: Instant, ctx: &mut RequestCtx) {
    if let (Some(pace), Some(overtime)) = (&mut ctx.pace, &ctx.overtime) {
        overtime.set_rate((!ctx.body_done).then(|| pace.wait(now)));
    }
}

/// A piece of the body has come.
fn follow_pace(length: usize, now: Instant, ctx: &mut RequestCtx) {
    let endpoints = ctx.pool().map(|(_, timeouts)| timeouts.write);
    let Some(pace) = &mut ctx.pace else { return };
    pace.moved(length as u64, now);
    if ctx.received >= BUFFERED
        && let (Some(listener), Some(write)) = (&ctx.listener, endpoints)
    {
        // From here on it may be the endpoint that does not take it, for as long as it may.
        let most = write.saturating_add(ANSWER_IN);
        pace.allow(listener.timeouts.body.saturating_add(most));
    }
    expect_pace(now, ctx);
}

/// Starts the clock for the next piece of the request's body; `end` when there is none.
pub fn expect_body(end: bool, ctx: &RequestCtx) {
    // On HTTP/1 Pingora's session has a limit of its own, after which the client can still be answered.
    if ctx.upgrade || ctx.version != Version::HTTP_2 {
        return;
    }
    if let (Some(overtime), Some(listener), Some((_, timeouts))) =
        (&ctx.overtime, &ctx.listener, ctx.pool())
    {
        // An endpoint that does not take what has come keeps the next piece from being asked for; it is not the client
        // who is late then, and the endpoint's own limit must come first. That takes more than buffers hold.
        let limit = match ctx.received {
            0..BUFFERED => listener.timeouts.body,
            _ => {
                let endpoints = timeouts.write.saturating_add(ANSWER_IN);
                listener.timeouts.body.max(endpoints)
            }
        };
        overtime.set_body(if end {
            None
        } else {
            Instant::now().checked_add(limit)
        });
    }
}

/// Counts a piece of the request's body.
///
/// # Errors
///
/// It is larger than the route allows.
pub fn request_body(length: usize, end: bool, ctx: &mut RequestCtx) -> pingora::Result<()> {
    ctx.received += length as u64;
    if end {
        ctx.body_done = true;
    }
    let now = Instant::now();
    // The endpoint can't answer what it has not got: the time until then is the client's.
    ctx.sent = ctx.sent.map(|_| now);
    if let Some(lease) = &mut ctx.lease {
        lease.asked_at(now, ctx.connect.unwrap_or_default());
    }
    expect_body(end, ctx);
    follow_pace(length, now, ctx);
    match ctx.max_body {
        Some(most) if ctx.received > most && !ctx.upgrade => Err(refuse(
            ctx,
            ProxyError::new(Reason::BodyTooLarge, Phase::Request),
        )),
        _ => Ok(()),
    }
}

/// Makes the endpoint's response into the client's.
///
/// # Errors
///
/// It changes the protocol although nobody asked for that.
pub fn response(
    session: &mut Session,
    header: &mut ResponseHeader,
    ctx: &mut RequestCtx,
) -> pingora::Result<()> {
    if !header.status.is_informational() && !attempt::framing_is_plain(header) {
        let error = ProxyError::new(Reason::UpstreamBadResponse, Phase::Response);
        return Err(refuse(ctx, error));
    }
    if header.status.as_u16() == 101 && !ctx.upgrade {
        let error = ProxyError::new(Reason::UpstreamBadResponse, Phase::Response);
        return Err(refuse(ctx, error));
    }
    if !header.status.is_informational() || header.status.as_u16() == 101 {
        attempt::responded(header, ctx);
        if let Some(again) =
            again::after_answer(Repeatable::of(session), ctx, header.status.as_u16())
        {
            ctx.repeats.next = Some(again);
            // Pingora closes the connection, or resets its stream.
            return Err(turned_down());
        }
    }
    ctx.repeats.answered = true;
    if header.status.as_u16() == 101 {
        // From here on both sides may be silent for long, and no limit of a request holds.
        session.set_read_timeout(Some(patient::IDLE));
        if let Some(overtime) = &ctx.overtime {
            overtime.set_total(None);
            overtime.set_body(None);
            overtime.set_rate(None);
        }
    }
    if let Some(live) = &ctx.upgraded
        && header.status.as_u16() == 101
    {
        live.store(true, Ordering::Relaxed);
        if let Some(connection) = client(session) {
            connection.becomes_websocket();
        }
    }
    attempt::response(header, ctx);
    if !header.status.is_informational() || header.status.as_u16() == 101 {
        ctx.answered = Some(header.status.as_u16());
    }
    let bodiless = header.status.is_informational()
        || matches!(header.status.as_u16(), 204 | 304)
        || session.req_header().method == Method::HEAD;
    if !header.status.is_informational() {
        note_last(session, ctx);
        keep_date(session, &header.headers);
    }
    if !header.status.is_informational() {
        ctx.encoding = coded::begin(session, header, bodiless, ctx).map(Box::new);
    }
    if !bodiless {
        note_end(session, &header.headers, ctx);
    }
    Ok(())
}

/// Counts a piece of the response's body, compressed if the client takes that.
///
/// # Errors
///
/// That failed; the body can't be ended.
pub fn response_body(
    body: &mut Option<Bytes>,
    end: bool,
    ctx: &mut RequestCtx,
) -> pingora::Result<()> {
    if ctx.encoding.is_some() {
        coded::piece(body, end, ctx).map_err(|error| refuse(ctx, error))?;
    }
    ctx.sent_on += body.as_ref().map_or(0, Bytes::len) as u64;
    Ok(())
}

/// Notes why an exchange failed, and teaches the endpoint's memory.
pub fn failed(error: &Error, stage: Stage, ctx: &mut RequestCtx) {
    if ctx.failure.is_some() {
        return;
    }
    let failed = understand(error, stage, ctx);
    ctx.failed(failed.error);
    if let Some(lease) = &mut ctx.lease {
        lease.settle(failed.ending, Instant::now());
    }
}

/// What one of Pingora's errors says about the attempt.
fn understand(error: &Error, stage: Stage, ctx: &RequestCtx) -> Failed {
    let unprocessed = stage != Stage::InBody && is_unprocessed(error);
    let mut reason = fail::reason(error, stage);
    if matches!(
        reason,
        Reason::UpstreamFirstByteTimeout | Reason::UpstreamReadTimeout | Reason::ConnectTimeout
    ) {
        reason = fail::timeout(ctx.deadline(), reason);
    }
    let phase = match stage {
        Stage::Connecting => Phase::Connect,
        Stage::BeforeHeader if ctx.body_done => Phase::Response,
        Stage::BeforeHeader => Phase::Request,
        Stage::InBody => Phase::Body,
    };
    let error = ProxyError::new(reason, phase);
    Failed {
        error,
        ending: attempt::ending(error),
        unprocessed,
    }
}

/// Whether an HTTP/2 endpoint said that it did nothing with the request: it refused the stream, or left it out when it
/// closed the connection (RFC 9113 §6.8, §8.7). Pingora marks these errors.
fn is_unprocessed(error: &Error) -> bool {
    *error.etype() == ErrorType::H2Error && matches!(error.retry, RetryType::Decided(true))
}

/// Decides whether a connect that failed is tried again, and if not, notes why it failed.
pub fn unconnected(session: &mut Session, ctx: &mut RequestCtx, error: &mut Error) {
    attempt::explain(ctx, &error);
    retry_or_fail(session, ctx, error, Stage::Connecting);
}

/// Decides whether an exchange that broke is done again on another connection, and if not, notes why it failed.
pub fn broke(session: &mut Session, ctx: &mut RequestCtx, error: &mut Error, reused: bool) {
    if ctx.repeats.next.is_some() {
        // Its answer was turned down.
        error.set_retry(true);
        return;
    }
    let stage = stage(session);
    if ctx.failure.is_none() && reused && is_stale(session, ctx, error, stage) {
        ctx.repeats.stale = true;
        error.set_retry(true);
        return;
    }
    retry_or_fail(session, ctx, error, stage);
}

/// Whether the endpoint closed an idle connection while the request was on its way, as in the direct carrier. The request
/// then goes to the same endpoint again, once and on a new connection, and nothing is held against anybody.
fn is_stale(session: &Session, ctx: &RequestCtx, error: &Error, stage: Stage) -> bool {
    let closed = *error.esource() == ErrorSource::Upstream
        && matches!(
            error.etype(),
            ErrorType::ConnectionClosed | ErrorType::WriteError | ErrorType::ReadError
        )
        // Not a socket that keeps its time itself.
        && fail::reason(error, stage) == Reason::UpstreamReset;
    let repeatable = session.req_header().method.is_idempotent() && closed;
    stage == Stage::BeforeHeader
        && !ctx.repeats.stale
        && !ctx.repeats.answered
        && !session.as_ref().retry_buffer_truncated()
        && (repeatable || is_unprocessed(error))
}

fn retry_or_fail(session: &Session, ctx: &mut RequestCtx, error: &mut Error, stage: Stage) {
    // What was refused here before is no failure of the endpoint's.
    if ctx.failure.is_none() && stage != Stage::InBody {
        let failed = understand(error, stage, ctx);
        // Where the client was late, no other endpoint is faster, and the budget is for those that are not at fault.
        if failed.ending != Ending::Untold {
            ctx.repeats.next = again::after(Repeatable::of(session), ctx, failed);
        }
    }
    let again = ctx.repeats.next.is_some();
    if !again {
        failed(error, stage, ctx);
    }
    error.set_retry(again);
}

/// How far the exchange had come.
pub fn stage(session: &Session) -> Stage {
    if session
        .response_written()
        .is_some_and(|header| !header.status.is_informational())
    {
        Stage::InBody
    } else {
        Stage::BeforeHeader
    }
}

/// How far on the line the request came, the answer's body included.
pub fn reached(session: &Session, ctx: &RequestCtx) -> Phase {
    match stage(session) {
        Stage::InBody => Phase::Body,
        _ => ctx.reached(),
    }
}

/// The error that makes Pingora drop an answer of which nothing has gone to the client.
fn turned_down() -> pingora::BError {
    let mut dropped = Error::explain(ErrorType::Custom("TurnedDown"), "asked again");
    dropped.esource = ErrorSource::Upstream;
    dropped
}

/// Notes the failure and gives Pingora an error for it.
pub fn refuse(ctx: &mut RequestCtx, error: ProxyError) -> pingora::BError {
    let error = ctx.failed(error);
    let mut refused = Error::explain(
        ErrorType::HTTPStatus(error.reason.status()),
        error.to_string(),
    );
    refused.esource = ErrorSource::Internal;
    refused.set_retry(false);
    refused
}
