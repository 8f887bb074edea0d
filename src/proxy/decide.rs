//! What is to be done with a request: facts, route and policies, up to the point where it is answered or carried?

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;
use pingora::http::RequestHeader;

use super::about::About;
use super::admit::admit;
use super::cached::{self, Changing, purge};
use super::ctx::RequestCtx;
use super::facts::{Facts, target};
use super::forward::{Peer, Scheme, X_REQUEST_ID, client_address, request_id};
use crate::cache::purge::{Mode, What};
use crate::error::{Phase, ProxyError, Reason};
use crate::policy::access::{Later, Reply, Subrequest};
use crate::policy::{HeadLimits, https, redirect};
use crate::route::{Request, query_without};
use crate::snapshot::{End, Forwarding, Listener, Route};
use crate::telemetry::metrics::Counted;

/// How far deciding has come.
pub enum Step {
    /// It is known what is to be done.
    Decided(Next),
    /// A policy has to find something out first.
    Wait(Later),
    /// A service has to be asked first.
    Ask(Box<Subrequest>),
}

/// What is to be done.
pub enum Next {
    /// It goes to its route's pool.
    Carry,
    /// It is sent elsewhere.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: http::StatusCode,
        /// The value of `Location`.
        location: String,
    },
    /// Its route has an answer of its own.
    Respond(Arc<Route>),
    /// A policy has an answer for it.
    Answer(Box<Reply>),
    /// What it asks for is purged.
    Purge(What, Mode),
}

impl From<Next> for Step {
    fn from(next: Next) -> Self {
        Self::Decided(next)
    }
}

/// Takes note of where the request came from, and finds its route and what the route says. After a policy had to wait, it
/// is called once more: what was waited for is not asked again, and all before that is read anew.
///
/// # Errors
///
/// Why the request is refused.
pub fn decide(
    header: &RequestHeader,
    about: &Arc<About>,
    ctx: &mut RequestCtx,
) -> Result<Step, ProxyError> {
    let listener = arrive(header, about, ctx);
    let facts =
        Facts::read(header, &listener).map_err(|reason| ProxyError::new(reason, Phase::Header))?;
    ctx.host.clone_from(&facts.authority);
    let request = Request {
        host: &facts.host,
        path: &facts.path,
        query: facts.query,
        method: &header.method,
        headers: &header.headers,
    };
    if let Some(step) = admit(&listener.access, 0, header, &request, facts.query, ctx)? {
        return Ok(step);
    }
    if let Some(port) = listener.redirect_https
        && ctx.scheme == Scheme::Http
    {
        return to_https(&facts, port).map(Step::from);
    }
    let (route, found) = listener
        .routes
        .find(&request)
        .ok_or(ProxyError::new(Reason::NoRoute, Phase::Route))?;
    let route = Arc::clone(route);
    if ctx.route.is_none()
        && let Some(rule) = &route.request_id
        && let Some(id) = rule.of(ctx.peer, &header.headers)
    {
        ctx.request_id = Some(id);
    }
    ctx.route = Some(Arc::clone(&route));
    let told = told_query(&route, facts.query);
    let told_query = told.as_deref();
    if route.https_redirect && ctx.scheme == Scheme::Http {
        return to_https(&facts, listener.https_port).map(Step::from);
    }
    let within = |limits: &HeadLimits| limits.admit(header.raw_path(), &header.headers);
    if !route.head.as_ref().is_none_or(within) {
        return Err(ProxyError::new(Reason::HeaderTooLarge, Phase::Header));
    }
    ctx.max_body = route.max_body.unwrap_or(listener.max_body);
    if let (Some(length), Some(most)) = (facts.content_length, ctx.max_body)
        && length > most
    {
        return Err(ProxyError::new(Reason::BodyTooLarge, Phase::Header));
    }
    let before = listener.access.len();
    let (cheap, dear) = route.access.split_at(route.cheap.min(route.access.len()));
    if let Some(step) = admit(cheap, before, header, &request, told_query, ctx)? {
        return Ok(step);
    }
    if matches!(route.end, End::Pool(..)) {
        ctx.priority = route.priority.of(&header.headers);
        take_on(ctx)?;
    }
    if let Some(step) = admit(
        dear,
        before + cheap.len(),
        header,
        &request,
        told_query,
        ctx,
    )? {
        return Ok(step);
    }
    let next = match &route.end {
        End::Pool(pool, _) => {
            if let Some(sticky) = &pool.sticky {
                ctx.wish = sticky.wish(&header.headers, ctx.time);
            }
            let mut query = told_query.map(Cow::Borrowed);
            if listener.routes.caches {
                let parts = facts.key_parts(told_query, ctx.scheme, &header.headers);
                ctx.changing = Changing::by(&request, &parts);
                if let Some(rule) = &route.cache {
                    let (fields, purgers) = (&header.headers, &rule.purgers);
                    let order = purge::ordered(&header.method, fields, ctx.client, purgers)?;
                    if let Some(mode) = order {
                        return Ok(Next::Purge(What::Url(rule.key.url(&parts)), mode).into());
                    }
                    cached::want(rule, &request, &parts, ctx);
                    if ctx.wanted_object.is_some() {
                        // What its key does not go by, the endpoint must not go by either.
                        query = rule.key.query(told_query);
                    }
                }
            }
            let as_written = query.as_deref() == facts.query;
            let path = match &route.rewrite {
                Some(rewrite) => rewrite
                    .path(&facts.path, found.prefix_len)
                    .map(Some)
                    .ok_or(ProxyError::new(Reason::AmbiguousPath, Phase::Route))?,
                None => (facts.rewritten || !as_written).then_some(Cow::Borrowed(&*facts.path)),
            };
            ctx.target = path.map(|path| target(&path, query.as_deref()));
            ctx.key = pool
                .key
                .as_ref()
                .and_then(|key| key.of(&request, ctx.client));
            Next::Carry
        }
        End::Redirect(redirect) => {
            let asked = redirect::Asked {
                scheme: ctx.scheme.as_str(),
                host: &facts.host,
                port: facts.port,
                path: &facts.path,
                query: told_query,
                prefix: found.prefix_len,
            };
            Next::Redirect {
                status: redirect.status,
                location: redirect.location(&asked),
            }
        }
        End::Respond(_) => Next::Respond(route),
    };
    Ok(next.into())
}

/// The query as the policies and the endpoint are told it: without a secret that is for us alone.
pub fn told_query<'q>(route: &Route, query: Option<&'q str>) -> Option<Cow<'q, str>> {
    let query = query?;
    let hidden = route.secret_parameter.as_ref();
    let hidden = hidden.filter(|secret| !secret.forward);
    match hidden.and_then(|secret| query_without(query, &secret.name)) {
        Some(kept) if kept.is_empty() => None,
        Some(kept) => Some(Cow::Owned(kept)),
        None => Some(Cow::Borrowed(query)),
    }
}

/// Lets the request in as far as the whole process can take it on. Here, because its priority is its route's, because who
/// is refused by address or rate takes no room of the others, and because all that follows costs more than to refuse it.
fn take_on(ctx: &mut RequestCtx) -> Result<(), ProxyError> {
    if ctx.entered.is_some() {
        return Ok(());
    }
    let snapshot = &ctx.snapshot;
    let admitted = snapshot.overload.admit(&snapshot.load, ctx.priority);
    ctx.entered = admitted.map_err(|resource| {
        snapshot.metrics.overload.shed(resource, ctx.priority);
        ProxyError::new(Reason::Overloaded, Phase::Route)
    })?;
    Ok(())
}

/// Takes note of a request that has come, unless that was done before, and finds its listener.
fn arrive(header: &RequestHeader, about: &Arc<About>, ctx: &mut RequestCtx) -> Arc<Listener> {
    if let Some(listener) = &ctx.listener {
        return Arc::clone(listener);
    }
    let listener = match ctx.snapshot.listener(about.door.key()) {
        Some(listener) => Arc::clone(listener),
        // Its listener was removed; who is in is served as if it were still there.
        None => about.door.listener(),
    };
    ctx.in_flight = Some(Counted::new(listener.metrics.requests_in_flight.clone()));
    note_origin(header, about, ctx);
    ctx.listener = Some(Arc::clone(&listener));
    listener
}

fn to_https(facts: &Facts<'_>, port: u16) -> Result<Next, ProxyError> {
    if facts.host.is_empty() {
        // An HTTP/1.0 request that names no host can't be told where to go.
        return Err(ProxyError::new(Reason::BadRequest, Phase::Header));
    }
    let location = https::location(&facts.host, port, &target(&facts.path, facts.query));
    Ok(Next::Redirect {
        status: http::StatusCode::PERMANENT_REDIRECT,
        location,
    })
}

/// Who sent the request, and where it came from in the first place.
fn note_origin(header: &RequestHeader, about: &Arc<About>, ctx: &mut RequestCtx) {
    let snapshot = Arc::clone(&ctx.snapshot);
    let forwarding: &Forwarding = &snapshot.forwarding;
    ctx.peer = match about.peer {
        Some(address) => Peer::ip(address.ip(), &forwarding.trusted),
        None => Peer::unix(forwarding.trust_unix),
    };
    ctx.client = client_address(ctx.peer, &header.headers, &forwarding.trusted);
    ctx.spoken = about.scheme();
    ctx.port = about.local_port;
    ctx.scheme = ctx.spoken;
    ctx.version = header.version;
    if ctx.peer.trusted && says_https(&header.headers) {
        ctx.scheme = Scheme::Https;
    }
    ctx.request_id = Some(request_id(&X_REQUEST_ID, ctx.peer.trusted, &header.headers));
    ctx.about = Some(Arc::clone(about));
}

/// Whether a trusted proxy in front has taken TLS off.
fn says_https(fields: &HeaderMap) -> bool {
    fields
        .get("x-forwarded-proto")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"https"))
}
