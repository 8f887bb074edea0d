//! What do both carriers do around one attempt at an endpoint: lease, request, response, outcome?

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{CONTENT_LENGTH, COOKIE, HOST, TE, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};

use super::answer::decorate;
use super::cached;
use super::ctx::RequestCtx;
use super::fail;
use super::forward::{
    Fields, Keep, Received, add_request_fields, add_response_fields, strip_request, strip_response,
};
use crate::error::{Phase, ProxyError, Reason};
use crate::pool::{Ending, Endpoint, HostRule, Lease, NoEndpoint, Pool, Protocol};

/// Takes the right to use an endpoint, for a request's first attempt; `None` where the pool serves as many requests as it
/// may, so that it must [wait](lease_in_turn).
pub fn lease_now(ctx: &mut RequestCtx, pool: &Pool) -> Option<Result<(), ProxyError>> {
    if ctx.retries().is_some_and(|rules| rules.limit > 0) {
        pool.state.retry_budget.deposit(ctx.started);
    }
    match pool.try_lease(&ctx.wanted(), Instant::now()) {
        Ok(lease) => {
            begin(ctx, lease);
            Some(Ok(()))
        }
        Err(NoEndpoint::Full) => None,
        Err(none) => Some(Err(refused(ctx, pool, none))),
    }
}

/// Waits for what [`lease_now`] could not give.
///
/// # Errors
///
/// There is none, or none in time.
pub async fn lease_in_turn(ctx: &mut RequestCtx, pool: &Pool) -> Result<(), ProxyError> {
    let taken = take(ctx, pool).await;
    taken.map_err(|none| refused(ctx, pool, none))
}

fn refused(ctx: &mut RequestCtx, pool: &Pool, none: NoEndpoint) -> ProxyError {
    ctx.retry_after = none.retry_after();
    let reason = reason_of(none, ctx.deadline());
    pool.metrics.refused(reason);
    ProxyError::new(reason, Phase::Pool)
}

/// The reason behind a lease that was not given to a request which must be over at `deadline`.
pub fn reason_of(none: NoEndpoint, deadline: Option<Instant>) -> Reason {
    match none {
        NoEndpoint::Empty | NoEndpoint::Unavailable { .. } => Reason::NoEndpoint,
        NoEndpoint::Open { .. } => Reason::BreakerOpen,
        NoEndpoint::Full | NoEndpoint::QueueFull | NoEndpoint::Displaced => Reason::QueueFull,
        NoEndpoint::QueueTimeout => fail::timeout(deadline, Reason::QueueTimeout),
    }
}

/// Takes the right to use an endpoint that was not tried yet, as soon as there is one.
///
/// # Errors
///
/// There is none, or none in time.
pub async fn take(ctx: &mut RequestCtx, pool: &Pool) -> Result<(), NoEndpoint> {
    ctx.queues_since = pool.limits.is_some().then(Instant::now);
    let leased = pool.lease(&ctx.wanted()).await;
    let waited = match &leased {
        Ok(lease) => lease.waited().is_some(),
        Err(none) => matches!(none, NoEndpoint::Displaced | NoEndpoint::QueueTimeout),
    };
    if waited {
        ctx.queued = ctx.waited();
    }
    ctx.queues_since = None;
    begin(ctx, leased?);
    Ok(())
}

/// Begins an attempt; nothing that was noted about the one before is true of it.
pub fn begin(ctx: &mut RequestCtx, lease: Lease) {
    ctx.attempts += 1;
    ctx.trail.begin(&lease, false);
    ctx.endpoint = Some(Arc::clone(&lease.endpoint().name));
    ctx.lease = Some(lease);
    ctx.connect = None;
    ctx.sent = None;
    ctx.first_byte = None;
    ctx.upstream_status = None;
    ctx.repeats.stale = false;
}

/// How much of the time of one attempt is left, if it has a limit of its own.
pub fn left_of_try(ctx: &RequestCtx, now: Instant) -> Option<Duration> {
    let until = until(ctx)?;
    Some(until.saturating_duration_since(now))
}

/// When the attempt's answer must be there, if it has a limit of its own.
pub fn until(ctx: &RequestCtx) -> Option<Instant> {
    let per_try = ctx.retries()?.per_try?;
    ctx.lease.as_ref()?.taken().checked_add(per_try)
}

/// Notes that the attempt's connection is there: a new one that took `connect`, or one that was used before.
pub fn connected(ctx: &mut RequestCtx, connect: Option<Duration>) {
    ctx.connect = connect;
    if let (Some(lease), Some((pool, _))) = (&ctx.lease, ctx.pool()) {
        count_connection(pool, lease.endpoint(), connect);
    }
}

/// Counts a connection that an attempt has: a new one that took `connect`, or one that was used before.
pub fn count_connection(pool: &Pool, endpoint: &Endpoint, connect: Option<Duration>) {
    match connect {
        Some(after) => {
            endpoint.metrics.connected.inc();
            pool.metrics.connected(after);
        }
        None => endpoint.metrics.reused.inc(),
    }
}

/// Tells the operator what went wrong with the endpoint of an attempt.
pub fn explain(ctx: &RequestCtx, error: &dyn Display) {
    if let (Some(lease), Some((pool, _))) = (&ctx.lease, ctx.pool()) {
        tell(pool, lease.endpoint(), ctx.time, error);
    }
}

/// Tells the operator what went wrong with an endpoint, once a minute at most: the access log has one word for it, and a
/// flood of failures must not become a flood of lines.
pub fn tell(pool: &Pool, endpoint: &Endpoint, now: SystemTime, error: &dyn Display) {
    if endpoint.state.tell_failing(now) {
        let (pool, name) = (&pool.name, &endpoint.name);
        log::warn!("pool {pool}: endpoint {name}: {error} (told once a minute)");
    }
}

/// Whether a response's body is framed in a way that can be passed on: by its length, by chunks alone, or by its end.
pub fn framing_is_plain(header: &ResponseHeader) -> bool {
    let mut codings = header.headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(only), None) => only
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

/// Makes the client's request into the one the endpoint gets, for a carrier that brings the body as well.
///
/// # Errors
///
/// The target can't be written.
pub fn request(header: &mut RequestHeader, ctx: &RequestCtx) -> Result<(), ProxyError> {
    if ctx
        .pool()
        .is_some_and(|(pool, _)| pool.protocol == Protocol::Http1)
    {
        header.set_version(Version::HTTP_11);
    }
    set_target(header, ctx)?;
    request_fields(header, ctx, true)
}

/// The request an endpoint gets for a client's request without body.
///
/// # Errors
///
/// The target can't be written.
pub fn request_without_body(
    from: &RequestHeader,
    ctx: &RequestCtx,
) -> Result<Box<RequestHeader>, ProxyError> {
    let mut parts = from.as_owned_parts();
    parts.version = Version::HTTP_11;
    // Room for what is added, at once; and the map alone, without Pingora's table of how each name was spelt.
    parts.headers.reserve(ADDED_FIELDS);
    request_fields(&mut parts.headers, ctx, false)?;
    let mut header = Box::new(RequestHeader::from(parts));
    set_target(&mut header, ctx)?;
    Ok(header)
}

/// How many fields are added to a request, about.
const ADDED_FIELDS: usize = 10;

fn set_target(header: &mut RequestHeader, ctx: &RequestCtx) -> Result<(), ProxyError> {
    match &ctx.target {
        Some(target) => header
            .set_raw_path(target.as_bytes())
            .map_err(|_| ProxyError::new(Reason::Internal, Phase::Request)),
        None => Ok(()),
    }
}

/// Edits the fields; `framed` keeps the body's framing.
fn request_fields(
    fields: &mut impl Fields,
    ctx: &RequestCtx,
    framed: bool,
) -> Result<(), ProxyError> {
    let internal = ProxyError::new(Reason::Internal, Phase::Request);
    let (pool, _) = ctx.pool().ok_or(internal)?;
    let endpoint = ctx.lease.as_ref().ok_or(internal)?.endpoint();
    let route = ctx.route.as_ref().ok_or(internal)?;

    strip_request(
        fields,
        Keep {
            transfer_encoding: framed,
            upgrade: framed && ctx.upgrade,
        },
    );
    // An endpoint that was to speak HTTP/2 may have chosen otherwise.
    if pool.protocol == Protocol::Http1 || !framed {
        // `TE` would have to be nominated again, and trailers don't pass HTTP/1 here.
        if fields.map().contains_key(TE) {
            fields.remove(&TE);
        }
        join_cookies(fields);
    }
    super::sticky::strip(fields, pool);
    let received = Received {
        peer: ctx.peer,
        client: ctx.client,
        scheme: ctx.spoken,
        host: ctx.host.clone(),
        port: ctx.port,
        version: ctx.version,
        request_id: ctx
            .request_id
            .clone()
            .unwrap_or_else(|| HeaderValue::from_static("-")),
        id_field: ctx.id_field().clone(),
    };
    add_request_fields(fields, &received, ctx.snapshot.forwarding.added);
    let host = route
        .rewrite
        .as_ref()
        .and_then(|rewrite| rewrite.host.as_ref())
        .or(match &pool.host {
            HostRule::Keep => ctx.host.as_ref(),
            HostRule::Endpoint => Some(&endpoint.host),
            HostRule::Fixed(host) => Some(host),
        });
    match host {
        Some(host) => fields.set(HOST, host.clone()),
        // HTTP/2 has no request without an authority.
        None if pool.protocol == Protocol::Http2 => fields.set(HOST, endpoint.host.clone()),
        // RFC 9112 §3.2: a request must have the field, be it empty.
        None if !fields.map().contains_key(HOST) => fields.set(HOST, HeaderValue::from_static("")),
        None => {}
    }
    for edit in &ctx.granted.to_endpoint {
        edit.apply(fields);
    }
    route.request_headers.apply(fields);
    Ok(())
}

/// HTTP/2 may split the field into crumbs, which only HTTP/2 puts together again (RFC 9113 §8.2.3).
fn join_cookies(fields: &mut impl Fields) {
    if fields.map().get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = fields
        .map()
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        fields.set(COOKIE, joined);
    }
}

/// Takes note of the endpoint's response header, and settles the lease: what follows is the client's pace.
pub fn responded(header: &ResponseHeader, ctx: &mut RequestCtx) {
    let now = Instant::now();
    let status = header.status.as_u16();
    ctx.upstream_status = Some(status);
    ctx.first_byte = ctx.sent.map(|sent| now.saturating_duration_since(sent));
    if let (Some(after), Some((pool, _))) = (ctx.first_byte, ctx.pool()) {
        began(pool, after, now);
    }
    if let Some(lease) = &mut ctx.lease {
        lease.settle(Ending::Answered(status), now);
    }
    if ctx.changing.is_some() {
        cached::invalidate(header, ctx);
    }
}

/// Notes how long an answer took to begin.
pub fn began(pool: &Pool, after: Duration, now: Instant) {
    pool.metrics.first_byte(after);
    if let Some(hedging) = &pool.hedging {
        hedging.took(after, now);
    }
}

/// What a failure teaches about the endpoint. An answer can't be expected before the whole question is there, so whoever
/// has no time left while the client still sends it has learnt nothing.
pub const fn ending(error: ProxyError) -> Ending {
    match (error.reason, error.phase) {
        (Reason::UpstreamFirstByteTimeout | Reason::TotalTimeout, Phase::Request) => Ending::Untold,
        (reason, _) => Ending::Failed(reason),
    }
}

/// Makes the endpoint's response into the one the client gets. The body's framing stays as it is.
pub fn response(header: &mut ResponseHeader, ctx: &RequestCtx) {
    let (status, version) = (header.status, header.version);
    // The version is that of the hop (RFC 9110 §2.5), not the endpoint's.
    header.set_version(Version::HTTP_11);
    response_fields(header, status, version, ctx);
}

/// A copy of the endpoint's response, made into the one the client gets, without Pingora's table of how each name was
/// spelt.
pub fn response_from(from: &ResponseHeader, ctx: &RequestCtx) -> Box<ResponseHeader> {
    let mut parts = from.as_owned_parts();
    let (status, version) = (parts.status, parts.version);
    parts.version = Version::HTTP_11;
    response_fields(&mut parts.headers, status, version, ctx);
    let mut header = Box::new(ResponseHeader::from(parts));
    let phrase = from.get_reason_phrase();
    if phrase != status.canonical_reason() {
        // Fails only on a phrase that could not have been read.
        let _ = header.set_reason_phrase(phrase);
    }
    header
}

fn response_fields(
    fields: &mut impl Fields,
    status: StatusCode,
    version: Version,
    ctx: &RequestCtx,
) {
    strip_response(
        fields,
        Keep {
            transfer_encoding: true,
            upgrade: status == StatusCode::SWITCHING_PROTOCOLS,
        },
    );
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        // Without a body there is nothing to frame (RFC 9110 §8.6, RFC 9112 §6.1).
        fields.remove(&TRANSFER_ENCODING);
        fields.remove(&CONTENT_LENGTH);
    }
    if fields.map().contains_key(TRANSFER_ENCODING) {
        if fields.map().contains_key(CONTENT_LENGTH) {
            fields.remove(&CONTENT_LENGTH);
        }
        if ctx.version == Version::HTTP_10 {
            // RFC 9112 §6.1: such a client knows no chunks; its body ends with the connection.
            fields.remove(&TRANSFER_ENCODING);
        }
    }
    if ctx.snapshot.forwarding.added.via {
        add_response_fields(fields, version);
    }
    super::sticky::renew(fields, status, ctx);
    decorate(fields, ctx);
}
