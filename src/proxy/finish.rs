//! What is written down when a request is over?

use std::borrow::Cow;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use http::header::{REFERER, USER_AGENT};
use http::{HeaderValue, Method, StatusCode, Version};
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::ctx::RequestCtx;
use super::facts::joined;
use super::watchdog::Watchdog;
use super::{About, attempt};
use crate::cache::Outcome;
use crate::error::{Phase, ProxyError, Reason};
use crate::route::query_masked;
use crate::snapshot::{Listener, Snapshot};
use crate::telemetry::Record;
use crate::telemetry::record::Peer;

/// What a client asked for, kept apart from Pingora's session.
#[derive(Debug)]
pub struct Asked {
    method: Method,
    target: Box<[u8]>,
    user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
}

impl Asked {
    /// What stands in a header.
    pub fn of(header: &RequestHeader) -> Self {
        Self {
            method: header.method.clone(),
            target: header.raw_path().into(),
            user_agent: header.headers.get(USER_AGENT).cloned(),
            referer: header.headers.get(REFERER).cloned(),
        }
    }
}

/// The same, borrowed from wherever it is, and what the client got for it.
struct Ended<'r> {
    method: &'r Method,
    target: &'r [u8],
    user_agent: Option<&'r HeaderValue>,
    referer: Option<&'r HeaderValue>,
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
    let status = session
        .response_written()
        .filter(|header| {
            !header.status.is_informational() || header.status == StatusCode::SWITCHING_PROTOCOLS
        })
        .map(|header| header.status.as_u16());
    let ended = Ended {
        method: &header.method,
        target: header.raw_path(),
        user_agent: header.headers.get(USER_AGENT),
        referer: header.headers.get(REFERER),
        status,
        bytes_received: ctx.received.max(session.body_bytes_read() as u64),
        bytes_sent: session.body_bytes_sent() as u64,
    };
    write(ctx, &ended);
}

/// As [`record`], for a request that a watchdog, or a panic of Pingora's, dropped in the middle: no hook is called for it
/// any more.
pub fn dropped(ctx: &mut RequestCtx) {
    let Some(asked) = ctx.asked.take() else {
        return;
    };
    let now = Instant::now();
    let body_is_late = |watchdog: &Watchdog| watchdog.body_is_late(now);
    let reached = match ctx.upstream_status {
        Some(_) => Phase::Body,
        None => ctx.reached(),
    };
    let failure = if std::thread::panicking() {
        ProxyError::new(Reason::Internal, reached)
    } else if ctx
        .watchdog
        .as_deref()
        .is_some_and(|watchdog| watchdog.body_is_slow(now))
    {
        ProxyError::new(Reason::BodyTooSlow, Phase::Request)
    } else if ctx.watchdog.as_deref().is_some_and(body_is_late) {
        ProxyError::new(Reason::BodyTimeout, Phase::Request)
    } else if ctx.deadline().is_some_and(|deadline| now >= deadline) {
        ProxyError::new(Reason::TotalTimeout, reached)
    } else {
        // Its time was not over: the process ends.
        return;
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
        status: ctx.upstream_status,
        bytes_received: ctx.received,
        bytes_sent: 0,
    };
    write(ctx, &ended);
}

fn write(ctx: &RequestCtx, ended: &Ended<'_>) {
    let failure = ctx.failure;
    let status = match (ended.status, failure) {
        (Some(status), _) => status,
        (None, Some(failure)) => failure.reason.status(),
        (None, None) => Reason::ClientGone.status(),
    };
    let duration = ctx.started.elapsed();
    let metrics = &ctx.snapshot.metrics;
    if let Some(failure) = failure {
        metrics.failed(failure.reason);
    }
    let of_route = ctx
        .route
        .as_ref()
        .map_or(&ctx.snapshot.unrouted, |route| &route.metrics);
    let (received, bytes_sent) = (ended.bytes_received, ended.bytes_sent);
    of_route.finished(status, duration, received, bytes_sent);
    if let Some(outcome) = ctx.cache
        && let Some(cached) = ctx.route.as_ref().and_then(|route| route.cached.as_ref())
    {
        cached.served(outcome);
    }

    let Some(log) = &ctx.snapshot.access_log else {
        return;
    };
    let about = ctx.about.as_deref();
    let target = String::from_utf8_lossy(ended.target);
    // A page of another route may be where the request comes from, so its address is held against them all.
    let of_listener = ctx.listener.as_deref().map_or(&[][..], secrets_of);
    let of_route = ctx.route.as_ref().map(|route| {
        let own = route.secret_parameter.as_ref();
        own.map_or(&[][..], |own| slice::from_ref(&own.name))
    });
    let target = without_secrets(target, of_route.unwrap_or(of_listener));
    let referer = ended.referer.map(HeaderValue::as_bytes);
    let referer = referer.map(|referer| without_secrets_in(referer, of_listener));
    log.write(&Record {
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
        target: &target,
        protocol: protocol(ctx.version),
        status,
        reason: failure.map(|failure| failure.reason),
        phase: failure.map(|failure| failure.phase),
        bytes_received: received,
        bytes_sent,
        attempts: ctx.attempts,
        queue: ctx.waited(),
        retries: ctx.repeats.made,
        connect: ctx.connect,
        first_byte: ctx.first_byte,
        upstream_status: ctx.upstream_status,
        cache: ctx.cache.map(Outcome::as_str),
        request_id: ctx
            .request_id
            .as_ref()
            .and_then(|id| id.to_str().ok())
            .unwrap_or_default(),
        user_agent: ended.user_agent.map(HeaderValue::as_bytes),
        referer: referer.as_deref(),
        tls_version: about
            .and_then(|about| about.tls.as_ref())
            .map(|tls| tls.version),
        tls_cipher: about
            .and_then(|about| about.tls.as_ref())
            .map(|tls| &*tls.cipher),
        sni: about
            .and_then(|about| about.tls.as_ref())
            .and_then(|tls| tls.name.as_deref()),
    });
}

/// The parameters in which any of its routes looks for a secret. No log shows them where a request ends before it is
/// known which route it would go to.
fn secrets_of(listener: &Listener) -> &[Arc<str>] {
    &listener.routes.secret_parameters
}

/// A target, or an address, with `***` for what the parameters of these names hold.
fn without_secrets<'t>(target: Cow<'t, str>, names: &[Arc<str>]) -> Cow<'t, str> {
    names.iter().fold(target, |target, name| {
        let halves = target.split_once('?');
        let masked =
            halves.and_then(|(path, query)| Some(joined(path, &query_masked(query, name)?)));
        masked.map_or(target, Cow::Owned)
    })
}

/// The same for bytes. Those without a secret stay as they are, whether they are text or not.
fn without_secrets_in<'b>(bytes: &'b [u8], names: &[Arc<str>]) -> Cow<'b, [u8]> {
    if names.is_empty() || !bytes.contains(&b'?') {
        return Cow::Borrowed(bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    match without_secrets(Cow::Borrowed(&text), names) {
        Cow::Borrowed(_) => Cow::Borrowed(bytes),
        Cow::Owned(masked) => Cow::Owned(masked.into_bytes()),
    }
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
    fn asked(&self) -> (String, String) {
        let end = self
            .head
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(self.head.len());
        let line = &self.head[..end.min(LOGGED_LINE)];
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\r'));
        let mut word = || String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
        (word(), word())
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
    snapshot.metrics.failed(reason);
    snapshot
        .unrouted
        .finished(reason.status(), duration, 0, bytes_sent);
    let Some(log) = &snapshot.access_log else {
        return;
    };
    let failure = ProxyError::new(reason, Phase::Header);
    let listener = about.door.listener();
    // Either may be anything, for the line need not be one of a request.
    let masked = |word: String| without_secrets(Cow::Owned(word), secrets_of(&listener));
    let (method, target) = (masked(method), masked(target));
    log.write(&Record {
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
        target: &target,
        protocol: unread.protocol,
        status: reason.status(),
        reason: Some(failure.reason),
        phase: Some(failure.phase),
        bytes_received: 0,
        bytes_sent,
        attempts: 0,
        queue: None,
        retries: 0,
        connect: None,
        first_byte: None,
        upstream_status: None,
        cache: None,
        request_id: "",
        user_agent: None,
        referer: None,
        tls_version: about.tls.as_ref().map(|tls| tls.version),
        tls_cipher: about.tls.as_ref().map(|tls| &*tls.cipher),
        sni: about.tls.as_ref().and_then(|tls| tls.name.as_deref()),
    });
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
