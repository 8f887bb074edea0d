//! How does Portcullis answer by itself: redirects, fixed responses, refusals?

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, LOCATION, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::proxy::Session;

use super::ctx::RequestCtx;
use super::forward::{Fields, proxy_status};
use crate::cache::rules::{CACHE_STATUS, date};
use crate::error::{ProxyError, Reason};
use crate::policy::access::Reply;
use crate::policy::{Compress, Respond};
use crate::server::connection::Connection;

static PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What goes with 405 (RFC 9110 §15.5.6): everything but what only a forward proxy does.
pub const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The longest a client is told to wait with 503 before it tries again, in seconds: what it waits for may come sooner.
const LONGEST_WAIT: u64 = 300;

/// Sends a redirect.
///
/// # Errors
///
/// The client's connection broke.
pub async fn redirect(
    session: &mut Session,
    ctx: &RequestCtx,
    status: StatusCode,
    location: &str,
) -> pingora::Result<()> {
    let mut header = ResponseHeader::build(status, Some(6))?;
    if let Ok(value) = HeaderValue::try_from(location) {
        header.set(LOCATION, value);
    }
    send(session, ctx, header, Bytes::new()).await
}

/// Sends a route's own answer.
///
/// # Errors
///
/// The client's connection broke.
pub async fn respond(
    session: &mut Session,
    ctx: &RequestCtx,
    respond: &Respond,
) -> pingora::Result<()> {
    let mut header = ResponseHeader::build(respond.status, Some(6))?;
    if !respond.body.is_empty() {
        header.set(CONTENT_TYPE, respond.content_type.clone());
    }
    let compress = ctx.route.as_ref().and_then(|route| route.compress.as_ref());
    send_coded(session, ctx, header, respond.body.clone(), compress).await
}

/// Sends what a policy has answered.
///
/// # Errors
///
/// The client's connection broke.
pub async fn reply(session: &mut Session, ctx: &RequestCtx, reply: Reply) -> pingora::Result<()> {
    let mut header = ResponseHeader::build(reply.status, Some(reply.fields.len() + 4))?;
    for (name, value) in reply.fields {
        Fields::append(&mut header, name, value);
    }
    send(session, ctx, header, reply.body).await
}

/// Tells the client that its request failed. A gRPC client is told in the header of a response without body
/// (trailers-only), as its protocol wants it.
///
/// # Errors
///
/// The client's connection broke.
pub async fn failure(
    session: &mut Session,
    ctx: &RequestCtx,
    failure: ProxyError,
) -> pingora::Result<()> {
    let reason = failure.reason;
    if reason == Reason::BadRequest {
        // What follows on the connection of a client that was misunderstood can't be trusted.
        session.set_keepalive(None);
    }
    let request_id = ctx.request_id.clone();
    if is_grpc(&session.req_header().headers) {
        let mut header = ResponseHeader::build(StatusCode::OK, Some(6))?;
        header.set(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        header.set(
            GRPC_STATUS.clone(),
            HeaderValue::from_static(grpc_status(reason)),
        );
        header.set(
            GRPC_MESSAGE.clone(),
            HeaderValue::from_static(reason.as_str()),
        );
        header.set(PROXY_STATUS.clone(), proxy_status(reason));
        if let Some(id) = request_id {
            header.set(ctx.id_field().clone(), id);
        }
        return send(session, ctx, header, Bytes::new()).await;
    }
    let mut header = ResponseHeader::build(reason.status(), Some(8))?;
    header.set(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    header.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    header.set(PROXY_STATUS.clone(), proxy_status(reason));
    if let Some(id) = request_id {
        header.set(ctx.id_field().clone(), id);
    }
    match (reason.status(), ctx.retry_after) {
        (503, wait) => header.set(RETRY_AFTER, retry_after(wait, LONGEST_WAIT)),
        // A client that comes before its time is refused again.
        (429, Some(wait)) => header.set(RETRY_AFTER, retry_after(Some(wait), u64::MAX)),
        _ => {}
    }
    if reason == Reason::MethodNotAllowed {
        header.set(ALLOW, HeaderValue::from_static(ALLOWED_METHODS));
    }
    let body = error_body(reason, ctx.request_id.as_ref());
    send(session, ctx, header, body).await
}

/// In how many whole seconds to come again (RFC 9110 §10.2.3): one at least, rounded up so that it is not too early.
fn retry_after(wait: Option<Duration>, longest: u64) -> HeaderValue {
    let wait = wait.unwrap_or_default();
    let seconds = wait
        .as_secs()
        .saturating_add((wait.subsec_nanos() > 0).into());
    HeaderValue::from(seconds.clamp(1, longest))
}

/// A few lines for whoever looks at the answer: the status, the reason to search for, the request's id.
pub fn error_body(reason: Reason, request_id: Option<&HeaderValue>) -> Bytes {
    let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut body = format!(
        "{} {}\n{reason}\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error")
    );
    if let Some(id) = request_id.and_then(|id| id.to_str().ok()) {
        body.push_str(id);
        body.push('\n');
    }
    Bytes::from(body)
}

async fn send(
    session: &mut Session,
    ctx: &RequestCtx,
    header: ResponseHeader,
    body: Bytes,
) -> pingora::Result<()> {
    send_coded(session, ctx, header, body, None).await
}

async fn send_coded(
    session: &mut Session,
    ctx: &RequestCtx,
    mut header: ResponseHeader,
    mut body: Bytes,
    compress: Option<&Compress>,
) -> pingora::Result<()> {
    header.set_version(http::Version::HTTP_11);
    if !matches!(header.status.as_u16(), 204 | 304) {
        header.set(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    decorate(&mut header, ctx);
    if let Some(compress) = compress {
        let asked = &session.req_header().headers;
        let status = header.status;
        if let Some(coded) = compress.fixed(asked, status, &mut header, &body) {
            header.set(CONTENT_LENGTH, HeaderValue::from(coded.len()));
            body = coded;
        }
    }
    note_last(session, ctx);
    keep_date(session, &header.headers);
    let empty = body.is_empty() || session.req_header().method == Method::HEAD;
    if empty {
        return header_only(session, Box::new(header)).await;
    }
    session
        .write_response_header(Box::new(header), false)
        .await?;
    session.write_response_body(Some(body), true).await
}

/// Sends a header that nothing follows. Over HTTP/2 it ends the stream itself: an empty frame behind it would contradict
/// a `Content-Length` (of an answer to HEAD), and gRPC takes a status without body from such a header only.
///
/// # Errors
///
/// The client's connection broke.
pub async fn header_only(
    session: &mut Session,
    header: Box<ResponseHeader>,
) -> pingora::Result<()> {
    match session.as_downstream_mut() {
        ServerSession::H2(stream) => stream.write_response_header(header, true),
        _ => session.write_response_header(header, true).await,
    }
}

/// Says to the client that this answer is the last one on its connection, if its connection must not stay.
pub fn note_last(session: &mut Session, ctx: &RequestCtx) {
    if ctx.about.as_ref().is_some_and(|about| about.stay.is_over()) {
        session.set_keepalive(None);
    }
}

/// Tells the connection when the answer it is about to carry ends with it. Other broken answers show by themselves: a
/// missing last chunk, a body that is too short, a reset HTTP/2 stream.
pub fn note_end(session: &Session, fields: &HeaderMap, ctx: &RequestCtx) {
    if ctx.version == Version::HTTP_10
        && !fields.contains_key(CONTENT_LENGTH)
        && let Some(connection) = client(session)
    {
        connection.answer_ends_with_it();
    }
}

/// Lets an answer with these fields keep the date that it was made at, where the version of HTTP allows that: over HTTP/1.
/// One that is none, or none that can be read, becomes that of sending.
pub fn keep_date(session: &Session, fields: &HeaderMap) {
    if let Some(connection) = client(session) {
        let made = fields
            .get(DATE)
            .and_then(|made| date::read(made.as_bytes()));
        connection.keep_date(made);
    }
}

/// The client's connection, if it has no other requests beside this one.
pub fn client(session: &Session) -> Option<&Connection> {
    session.stream()?.as_any().downcast_ref()
}

/// What the listener, its policies and the route add to every response.
pub fn decorate(fields: &mut impl Fields, ctx: &RequestCtx) {
    let route = ctx.route.as_ref().filter(|_| !ctx.panicked);
    let security = route.and_then(|route| route.security_headers.as_ref());
    // A route that has its own promise of HTTPS goes before its listener.
    if security.is_none_or(|security| security.hsts(ctx.scheme).is_none())
        && let Some(listener) = &ctx.listener
        && let Some(hsts) = &listener.hsts
    {
        fields.set(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    if let Some(status) = &ctx.cache_status {
        fields.append(CACHE_STATUS, status.value());
    }
    for edit in &ctx.granted.to_client {
        edit.apply(fields);
    }
    if let Some(security) = security {
        security.apply(fields, ctx.scheme);
    }
    if let Some(route) = route {
        if let Some(rule) = &route.request_id
            && rule.answer
            && let Some(id) = &ctx.request_id
        {
            fields.set(rule.name.clone(), id.clone());
        }
        route.response_headers.apply(fields);
    }
}

/// Whether a request with these fields is one of gRPC.
pub fn is_grpc(fields: &HeaderMap) -> bool {
    let content_type = fields
        .get(CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    content_type.starts_with(b"application/grpc")
        && matches!(
            content_type.get(b"application/grpc".len()),
            None | Some(b'+' | b';' | b' ')
        )
}

/// The gRPC status that says the same (grpc: "HTTP to gRPC Status Code Mapping"; a time that is over is its own code).
const fn grpc_status(reason: Reason) -> &'static str {
    match reason.status() {
        404 | 405 => "12",
        401 => "16",
        403 => "7",
        408 | 504 => "4",
        413 | 429 | 431 => "8",
        502 | 503 => "14",
        _ => "13",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_comes_again_after_whole_seconds_rounded_up_and_within_limits() {
        for (wait, seconds) in [
            (None, "1"),
            (Some(Duration::ZERO), "1"),
            (Some(Duration::from_millis(1)), "1"),
            (Some(Duration::from_secs(4)), "4"),
            (Some(Duration::from_millis(4_001)), "5"),
            (Some(Duration::from_secs(3_600)), "300"),
            (Some(Duration::MAX), "300"),
        ] {
            assert_eq!(retry_after(wait, LONGEST_WAIT), seconds, "{wait:?}");
        }
    }
}
