//! How is one endpoint asked, up to the header of its answer?

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Stream;
use pingora::protocols::http::v1::client::HttpSession as ClientSession;
use pingora_timeout::fast_timeout::fast_timeout;

use super::exchange::Exchange;
use super::{Asker, Limits, hedge, leased_endpoint, stream, within};
use crate::error::{Phase, ProxyError, Reason};
use crate::pool::{Endpoint, Pool, Protocol};
use crate::proxy::attempt;
use crate::proxy::ctx::RequestCtx;
use crate::proxy::fail::{self, Stage};
use crate::proxy::presence::{Gone, client_gone};
use crate::upstream::connect::{ConnectError, connect};
use crate::upstream::connection::EndpointConnection;
use crate::upstream::idle::{IdlePool, Kept};

/// How many interim responses (RFC 9110 §15.2) an endpoint may send before the one that counts.
const INTERIM_RESPONSES: u32 = 16;

/// Asks the leased endpoint, and gives the connection once the header of the answer has come, and whose answer it is. A
/// connection that was idle and turns out to be closed is replaced by a new one, which can't be stale again.
///
/// # Errors
///
/// Why there is no answer.
pub async fn ask(
    asker: &mut impl Asker,
    ctx: &mut RequestCtx,
    idle: &IdlePool,
    endpoint: Arc<Endpoint>,
    limits: &Limits,
) -> Result<(Exchange, Arc<Endpoint>), ProxyError> {
    let (mut exchange, endpoint) = match hedge::delay(asker, ctx) {
        None => {
            let exchange = alone(asker, ctx, idle, &endpoint, limits).await?;
            (exchange, endpoint)
        }
        // Boxed, so that what few pools want takes no room in every request.
        Some(after) => {
            let asked = hedge::ask(asker, ctx, idle, &endpoint, limits, after);
            let exchange = Box::pin(asked).await?;
            (exchange, leased_endpoint(ctx).unwrap_or(endpoint))
        }
    };
    if interim(&exchange).is_some() {
        Box::pin(pass_interim(asker, ctx, &mut exchange, limits)).await?;
    }
    match exchange.header() {
        // Other codings than chunked would be lost on the way (RFC 9112 §7).
        Some(header) if attempt::framing_is_plain(header) => Ok((exchange, endpoint)),
        _ => Err(ProxyError::new(
            Reason::UpstreamBadResponse,
            Phase::Response,
        )),
    }
}

async fn alone(
    asker: &mut impl Asker,
    ctx: &mut RequestCtx,
    idle: &IdlePool,
    endpoint: &Endpoint,
    limits: &Limits,
) -> Result<Exchange, ProxyError> {
    if let Some(connection) = idle.find(&endpoint.peer, Instant::now()) {
        match once(asker, ctx, idle, endpoint, Some(connection), limits).await {
            // The endpoint closed the idle connection while the request was on its way (RFC 9112 §9.3.1). Nothing of an
            // answer came, and the method may be repeated, so the client need not notice.
            Err(unanswered) if unanswered.untouched && asker.repeatable().idempotent => {
                let error = unanswered.error;
                log::debug!("endpoint {}: stale connection: {error}", endpoint.name);
            }
            done => return done.map_err(|unanswered| unanswered.error),
        }
    }
    let done = once(asker, ctx, idle, endpoint, None, limits).await;
    done.map_err(|unanswered| unanswered.error)
}

async fn once(
    asker: &mut impl Asker,
    ctx: &mut RequestCtx,
    idle: &IdlePool,
    endpoint: &Endpoint,
    connection: Option<Kept>,
    limits: &Limits,
) -> Result<Exchange, Unanswered> {
    let question = Question {
        request: attempt::request_without_body(asker.request(), ctx)?,
        connection,
        until: attempt::until(ctx),
    };
    let mut attempting = Attempting::begin(ctx);
    let asked = {
        let asked = pin!(put(
            endpoint,
            question,
            idle,
            limits,
            &mut attempting.course
        ));
        asker.while_waited_for(asked).await
    };
    let reached = attempting.course.reached();
    drop(attempting);
    let answered = asked.map_err(|Gone| client_gone(reached).into()).flatten();
    if let Err(Unanswered {
        unconnected: Some(error),
        ..
    }) = &answered
    {
        attempt::explain(ctx, error);
    }
    answered
}

/// What is asked of an endpoint.
pub struct Question {
    /// The request as it is to see it.
    pub request: Box<RequestHeader>,
    /// A connection that is there; without one, a new one is opened.
    pub connection: Option<Kept>,
    /// When the answer must be there, if the attempt has a limit of its own.
    pub until: Option<Instant>,
}

/// How far it came.
#[derive(Debug, Default)]
pub struct Course {
    /// That there was a connection, and how long that took if it was opened.
    connected: Option<Option<Duration>>,
    /// When the request was on its way.
    pub sent: Option<Instant>,
}

impl Course {
    /// Notes it as that of the leased endpoint.
    pub fn note(&self, ctx: &mut RequestCtx) {
        if let Some(took) = self.connected {
            attempt::connected(ctx, took);
        }
        ctx.sent = self.sent;
    }

    /// Counts it as that of this endpoint, for what is not the request itself.
    pub fn count(&self, pool: &Pool, endpoint: &Endpoint) {
        if let Some(took) = self.connected {
            attempt::count_connection(pool, endpoint, took);
        }
    }

    /// How long its connection took, if it was opened.
    pub fn connect(&self) -> Option<Duration> {
        self.connected.flatten()
    }

    /// How far on the line that is.
    pub fn reached(&self) -> Phase {
        match (self.connected, self.sent) {
            (_, Some(_)) => Phase::Response,
            (Some(_), None) => Phase::Request,
            (None, None) => Phase::Connect,
        }
    }
}

/// The attempt at the leased endpoint. How far it came is noted when this is dropped, be it that the process ends.
pub struct Attempting<'c> {
    /// The request.
    pub ctx: &'c mut RequestCtx,
    /// How far it came.
    pub course: Course,
}

impl<'c> Attempting<'c> {
    /// It is, from now on.
    pub fn begin(ctx: &'c mut RequestCtx) -> Self {
        let course = Course::default();
        Self { ctx, course }
    }
}

impl Drop for Attempting<'_> {
    fn drop(&mut self) {
        self.course.note(self.ctx);
    }
}

/// Why there was no answer.
pub struct Unanswered {
    /// What the request ends with, if it was the last attempt.
    pub error: ProxyError,
    /// Whether not one byte of an answer had come on a connection that was there.
    pub untouched: bool,
    /// Why there was no connection.
    pub unconnected: Option<ConnectError>,
}

impl From<ProxyError> for Unanswered {
    fn from(error: ProxyError) -> Self {
        Self {
            error,
            untouched: false,
            unconnected: None,
        }
    }
}

/// Sends a request and waits for the first header that comes, be it an interim one (RFC 9110 §15.2). The client has no part
/// in this, so that it may be done twice at once.
pub async fn put(
    endpoint: &Endpoint,
    question: Question,
    idle: &IdlePool,
    limits: &Limits,
    course: &mut Course,
) -> Result<Exchange, Unanswered> {
    let Question {
        request,
        connection,
        until,
    } = question;
    let stream: Stream = match connection {
        Some(Kept::Alone(connection)) => {
            course.connected = Some(None);
            connection
        }
        Some(Kept::Shared(shared)) => {
            course.connected = Some(None);
            // Boxed, so that what few pools speak takes no room in every request. So below.
            let put = stream::put(endpoint, shared, request, until, limits, course, true);
            return Box::pin(put).await;
        }
        None => {
            let started = Instant::now();
            let limit = within(limits.deadline, within(until, limits.timeouts.connect));
            let opened = connect(&endpoint.peer, limit).await;
            let connection = opened.map_err(|error| unconnected(error, limits))?;
            if endpoint.peer.protocol == Protocol::Http2 && connection.may_be_http2() {
                let left = limit.saturating_sub(started.elapsed());
                let shared = Box::pin(stream::share(connection, endpoint, idle, left)).await;
                let shared = shared.map_err(|error| unconnected(error, limits))?;
                course.connected = Some(Some(started.elapsed()));
                let put = stream::put(endpoint, shared, request, until, limits, course, false);
                return Box::pin(put).await;
            }
            course.connected = Some(Some(started.elapsed()));
            Box::new(connection)
        }
    };
    // Boxed at once: it is large, and goes through many hands.
    let mut client = Box::new(ClientSession::new(stream));
    client.write_timeout = Some(limits.timeouts.write);
    if let Err(error) = client.write_request_header(request).await {
        let reason = fail::reason(&error, Stage::BeforeHeader);
        return Err(Unanswered {
            error: ProxyError::new(reason, Phase::Request),
            untouched: reason == Reason::UpstreamReset,
            unconnected: None,
        });
    }
    course.sent = Some(Instant::now());
    next_header(&mut client, limits.timeouts.first_byte, until, limits).await?;
    Ok(Exchange::Http1(client))
}

fn unconnected(error: ConnectError, limits: &Limits) -> Unanswered {
    let reason = match error.reason() {
        Reason::ConnectTimeout => fail::timeout(limits.deadline, Reason::ConnectTimeout),
        reason => reason,
    };
    Unanswered {
        error: ProxyError::new(reason, Phase::Connect),
        untouched: false,
        unconnected: Some(error),
    }
}

/// Waits for the next header, which may take `limit`.
async fn next_header(
    client: &mut ClientSession,
    limit: Duration,
    until: Option<Instant>,
    limits: &Limits,
) -> Result<(), Unanswered> {
    let limit = within(limits.deadline, within(until, limit));
    match fast_timeout(limit, client.read_response()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            let reason = fail::reason(&error, Stage::BeforeHeader);
            Err(Unanswered {
                error: ProxyError::new(reason, Phase::Response),
                untouched: reason == Reason::UpstreamReset && !has_heard(client),
                unconnected: None,
            })
        }
        Err(_) => {
            let reason = fail::timeout(limits.deadline, Reason::UpstreamFirstByteTimeout);
            Err(ProxyError::new(reason, Phase::Response).into())
        }
    }
}

/// As [`next_header`], after an interim one.
async fn following_header(
    exchange: &mut Exchange,
    limit: Duration,
    until: Option<Instant>,
    limits: &Limits,
) -> Result<(), Unanswered> {
    match exchange {
        Exchange::Http1(client) => next_header(client, limit, until, limits).await,
        Exchange::Http2(_) => {
            Err(ProxyError::new(Reason::UpstreamBadResponse, Phase::Response).into())
        }
    }
}

fn has_heard(client: &ClientSession) -> bool {
    let connection = client
        .stream()
        .as_any()
        .downcast_ref::<EndpointConnection>();
    connection.is_none_or(EndpointConnection::has_heard)
}

/// The header that has come, if it is not yet the one that counts. Over HTTP/2, Pingora's sessions pass these by.
fn interim(exchange: &Exchange) -> Option<&ResponseHeader> {
    let header = exchange.header()?;
    header.status.is_informational().then_some(header)
}

/// Reads on until the header has come that counts, for whom no interim response is meant.
///
/// # Errors
///
/// Why it does not come.
pub async fn past_interim(
    exchange: &mut Exchange,
    course: &Course,
    until: Option<Instant>,
    limits: &Limits,
) -> Result<(), ProxyError> {
    let sent = course.sent.unwrap_or_else(Instant::now);
    let mut passed = 0;
    while let Some(header) = interim(exchange) {
        passed += 1;
        if header.status.as_u16() == 101 || passed > INTERIM_RESPONSES {
            return Err(ProxyError::new(
                Reason::UpstreamBadResponse,
                Phase::Response,
            ));
        }
        let limit = limits.timeouts.first_byte.saturating_sub(sent.elapsed());
        let read = following_header(exchange, limit, until, limits).await;
        read.map_err(|unanswered| unanswered.error)?;
    }
    Ok(())
}

/// Passes interim responses on, until the header has come that counts.
async fn pass_interim(
    asker: &mut impl Asker,
    ctx: &mut RequestCtx,
    exchange: &mut Exchange,
    limits: &Limits,
) -> Result<(), ProxyError> {
    let sent = ctx.sent.unwrap_or_else(Instant::now);
    let until = attempt::until(ctx);
    let mut passed = 0;
    while let Some(header) = interim(exchange) {
        // 100 answers nobody here, 101 was not asked for.
        passed += 1;
        if header.status.as_u16() == 101 || passed > INTERIM_RESPONSES {
            return Err(ProxyError::new(
                Reason::UpstreamBadResponse,
                Phase::Response,
            ));
        }
        if header.status.as_u16() != 100 {
            asker.interim(ctx, header).await?;
        }
        let limit = limits.timeouts.first_byte.saturating_sub(sent.elapsed());
        let read = pin!(following_header(exchange, limit, until, limits));
        asker
            .while_waited_for(read)
            .await
            .map_err(|Gone| client_gone(Phase::Response))?
            .map_err(|unanswered| unanswered.error)?;
    }
    Ok(())
}
