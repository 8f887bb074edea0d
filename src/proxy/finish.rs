//! What is written down when a request is over?

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use http::header::{REFERER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::ctx::RequestCtx;
use super::overtime::Overtime;
use super::{About, attempt, cut, trail};
use crate::cache::CacheResult;
use crate::error::{Phase, ProxyError, Reason};
use crate::snapshot::{Listener, Snapshot};
use crate::telemetry::access_log::Outcome;
use crate::telemetry::metrics::Protocol;
use crate::telemetry::record::Peer;
use crate::telemetry::{AccessLog, Record};

/// What a client asked for, kept apart from Pingora's session.
#[derive(Debug)]
pub struct Asked {
    method: Method,
    target: Box<[u8]>,
    user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    /// What else the log shows.
    headers: HeaderMap,
}

impl Asked {
    /// What stands in a header, as far as the log shows it.
    pub fn of(header: &RequestHeader, log: Option<&AccessLog>) -> Self {
        let mut headers = HeaderMap::new();
        for field in log.map_or(&[][..], AccessLog::request_headers) {
            for value in header.headers.get_all(&field.name) {
                headers.append(&field.name, value.clone());
            }
        }
        Self {
            method: header.method.clone(),
            target: header.raw_path().into(),
            user_agent: header.headers.get(USER_AGENT).cloned(),
            referer: header.headers.get(REFERER).cloned(),
            headers,
        }
    }
}

/// The same, borrowed from wherever it is, and what the client got for it.
struct Ended<'r> {
    method: &'r Method,
    target: &'r [u8],
    user_agent: Option<&'r HeaderValue>,
    referer: Option<&'r HeaderValue>,
    request_headers: &'r HeaderMap,
    response_headers: Option<&'r HeaderMap>,
    status: Option<u16>,
    bytes_received: u64,
    bytes_sent: u64,
}

/// Counts the request and writes its line.
pub fn record(session: &Session, ctx: &mut RequestCtx) {
    // What the endpoint's lease has not learnt by now it won't: given back before the next request of the connection.
    ctx.lease = None;
    ctx.asked = None;
    if let (Some(failure), Some(about)) = (&mut ctx.failure, &ctx.about)
        && failure.reason == Reason::ClientGone
        && about.too_slow.load(Ordering::Relaxed)
    {
        // Whoever noticed its end could not see that it was we who ended it.
        failure.reason = Reason::ClientTooSlow;
    }
    let header = session.req_header();
    let answer = session.response_written().filter(|header| {
        !header.status.is_informational() || header.status == StatusCode::SWITCHING_PROTOCOLS
    });
    let ended = Ended {
        method: &header.method,
        target: header.raw_path(),
        user_agent: header.headers.get(USER_AGENT),
        referer: header.headers.get(REFERER),
        request_headers: &header.headers,
        response_headers: answer.map(|answer| &answer.headers),
        status: answer.map(|answer| answer.status.as_u16()),
        bytes_received: ctx.received.max(session.body_bytes_read() as u64),
        bytes_sent: session.body_bytes_sent() as u64,
    };
    write(ctx, &ended);
}

/// As [`record`], for a request that an overtime, a panic of Pingora's, or the end of the process dropped while Pingora's
/// duplex had it: no hook is called for it any more.
pub fn dropped(ctx: &mut RequestCtx) {
    let Some(asked) = ctx.asked.take() else {
        return;
    };
    let now = Instant::now();
    let reached = match ctx.answered {
        Some(_) => Phase::Body,
        None => ctx.reached(),
    };
    let overtime = ctx.overtime.as_deref();
    let is = |what: fn(&Overtime, Instant) -> bool| overtime.is_some_and(|one| what(one, now));
    let failure = if std::thread::panicking() {
        ProxyError::new(Reason::Internal, reached)
    } else if cut::are_all() {
        ProxyError::new(Reason::ProcessEnded, reached)
    } else if is(Overtime::body_is_slow) {
        ProxyError::new(Reason::BodyTooSlow, Phase::Request)
    } else if is(Overtime::body_is_late) {
        ProxyError::new(Reason::BodyTimeout, Phase::Request)
    } else if is(Overtime::is_over) {
        ProxyError::new(Reason::TotalTimeout, reached)
    } else {
        // Nobody else drops one.
        ProxyError::new(Reason::Internal, reached)
    };
    let failure = ctx.failed(failure);
    if let Some(mut lease) = ctx.lease.take() {
        lease.settle(attempt::ending(failure), now);
    }
    let ended = Ended {
        method: &asked.method,
        target: &asked.target,
        user_agent: asked.user_agent.as_ref(),
        referer: asked.referer.as_ref(),
        request_headers: &asked.headers,
        response_headers: None,
        status: ctx.answered,
        bytes_received: ctx.received,
        bytes_sent: ctx.sent_on,
    };
    write(ctx, &ended);
}

fn write(ctx: &mut RequestCtx, ended: &Ended<'_>) {
    let failure = ctx.failure;
    let status = match (ended.status, failure) {
        (Some(status), _) => status,
        (None, Some(failure)) => failure.reason.status(),
        (None, None) => Reason::ClientGone.status(),
    };
    let duration = ctx.started.elapsed();
    let of_route = ctx
        .route
        .as_ref()
        .map_or(&ctx.snapshot.unrouted, |route| &route.metrics);
    let (received, bytes_sent) = (ended.bytes_received, ended.bytes_sent);
    of_route.finished(status, duration, received, bytes_sent);
    if let Some(failure) = failure {
        of_route.failed(failure.reason);
    }
    if let Some(listener) = &ctx.listener {
        listener.metrics.served(match ctx.version {
            _ if status == StatusCode::SWITCHING_PROTOCOLS => Protocol::Upgrade,
            Version::HTTP_10 => Protocol::Http10,
            Version::HTTP_2 => Protocol::Http2,
            _ => Protocol::Http11,
        });
    }
    if let Some(result) = ctx.cache
        && let Some(cached) = ctx.route.as_ref().and_then(|route| route.cached.as_ref())
    {
        cached.served(result);
    }

    let outcome = Outcome {
        status,
        failed: failure.is_some(),
        retries: ctx.repeats.made,
        duration,
    };
    let log = ctx.snapshot.access_log.as_ref();
    let taken = log.and_then(|log| log.samples(&outcome));
    if taken.is_some() && ctx.attempts > 1 {
        trail::close(ctx);
    }
    let (Some(log), Some(of_a_million)) = (&ctx.snapshot.access_log, taken) else {
        return;
    };
    let about = ctx.about.as_deref();
    let record = Record {
        time: ctx.time,
        duration,
        listener: ctx.listener.as_ref().map_or("", |listener| &listener.name),
        route: ctx.route.as_ref().map(|route| &*route.name),
        pool: ctx.pool().map(|(pool, _)| &*pool.name),
        endpoint: ctx.endpoint.as_deref(),
        client: ctx.client,
        user: ctx.granted.user.as_deref(),
        peer: about.map(peer),
        method: ended.method.as_str(),
        scheme: ctx.scheme.as_str(),
        host: ctx
            .host
            .as_ref()
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default(),
        target: ended.target,
        secrets: ctx.listener.as_deref().map_or(&[][..], secrets_of),
        protocol: protocol(ctx.version),
        status,
        reason: failure.map(|failure| failure.reason),
        phase: failure.map(|failure| failure.phase),
        bytes_received: received,
        bytes_sent,
        attempts: ctx.attempts,
        upstream: trail::past(ctx),
        queue: ctx.waited(),
        retries: ctx.repeats.made,
        connect: ctx.connect,
        first_byte: ctx.first_byte,
        upstream_status: ctx.upstream_status,
        cache: ctx.cache.map(CacheResult::as_str),
        request_id: ctx
            .request_id
            .as_ref()
            .and_then(|id| id.to_str().ok())
            .unwrap_or_default(),
        user_agent: ended.user_agent.map(HeaderValue::as_bytes),
        referer: ended.referer.map(HeaderValue::as_bytes),
        request_headers: Some(ended.request_headers),
        response_headers: ended.response_headers,
        tls_version: about
            .and_then(|about| about.tls.as_ref())
            .map(|tls| tls.version),
        tls_cipher: about
            .and_then(|about| about.tls.as_ref())
            .map(|tls| &*tls.cipher),
        sni: about
            .and_then(|about| about.tls.as_ref())
            .and_then(|tls| tls.name.as_deref()),
    };
    log.write(&record, of_a_million);
}

/// The parameters in which any of its routes looks for a secret. No log shows them, whichever route a request goes to: a
/// mistyped path may go to another one.
fn secrets_of(listener: &Listener) -> &[Arc<str>] {
    &listener.routes.secret_parameters
}

/// What was refused before it was a request.
#[derive(Clone, Copy, Debug)]
pub struct Unread<'r> {
    /// Why.
    pub reason: Reason,
    /// What was read of its header.
    pub head: &'r [u8],
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
}

impl Unread<'_> {
    /// Method and target, as far as they were read; for the log only.
    fn asked(&self) -> (Cow<'_, str>, &[u8]) {
        let end = self
            .head
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(self.head.len());
        let line = &self.head[..end.min(LOGGED_LINE)];
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\r'));
        let mut word = || words.next().unwrap_or_default();
        (String::from_utf8_lossy(word()), word())
    }
}

/// How much of a refused request line is logged.
const LOGGED_LINE: usize = 2048;

/// Counts, and writes a line for, what was refused before it was a request: a header that is malformed, too large or too
/// slow.
pub fn unread_request(
    snapshot: &Snapshot,
    about: &About,
    unread: &Unread<'_>,
    since: Instant,
    bytes_sent: u64,
) {
    let reason = unread.reason;
    let (method, target) = unread.asked();
    let duration = since.elapsed();
    let unrouted = &snapshot.unrouted;
    unrouted.finished(reason.status(), duration, 0, bytes_sent);
    unrouted.failed(reason);
    let protocol = match unread.protocol {
        "HTTP/2" => Protocol::Http2,
        _ => Protocol::Http11,
    };
    let listener = about.door.listener_now();
    listener.metrics.served(protocol);
    let Some(log) = &snapshot.access_log else {
        return;
    };
    let failure = ProxyError::new(reason, Phase::Header);
    let status = reason.status();
    let outcome = Outcome {
        status,
        failed: true,
        retries: 0,
        duration,
    };
    let Some(of_a_million) = log.samples(&outcome) else {
        return;
    };
    let record = Record {
        time: SystemTime::now()
            .checked_sub(duration)
            .unwrap_or(SystemTime::UNIX_EPOCH),
        duration,
        listener: &listener.name,
        route: None,
        pool: None,
        endpoint: None,
        client: about.peer.map(|peer| peer.ip().to_canonical()),
        user: None,
        peer: Some(peer(about)),
        method: &method,
        scheme: about.scheme().as_str(),
        host: "",
        target,
        secrets: secrets_of(&listener),
        protocol: unread.protocol,
        status,
        reason: Some(failure.reason),
        phase: Some(failure.phase),
        bytes_received: 0,
        bytes_sent,
        attempts: 0,
        upstream: &[],
        queue: None,
        retries: 0,
        connect: None,
        first_byte: None,
        upstream_status: None,
        cache: None,
        request_id: "",
        user_agent: None,
        referer: None,
        request_headers: None,
        response_headers: None,
        tls_version: about.tls.as_ref().map(|tls| tls.version),
        tls_cipher: about.tls.as_ref().map(|tls| &*tls.cipher),
        sni: about.tls.as_ref().and_then(|tls| tls.name.as_deref()),
    };
    log.write(&record, of_a_million);
}

fn peer(about: &About) -> Peer {
    about.peer.map_or(Peer::Unix, Peer::Inet)
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}
