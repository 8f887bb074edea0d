//! When does Pingora call what? Each hook is one call into the line; nothing is decided here.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use pingora::Error;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;

use super::about::About;
use super::admit::{judge, settle};
use super::answer;
use super::cached::{self, Served, purge};
use super::ctx::RequestCtx;
use super::cut::UnderWay;
use super::decide::{Next, Step, decide};
use super::direct::{self, Broken};
use super::duplex;
use super::facts::wants_websocket;
use super::fail::Stage;
use super::finish::{self, Asked};
use super::overtime::Overtime;
use super::subrequest::ask;
use super::unwind::{self, Panic};
use crate::config::runtime::Carrier;
use crate::error::{Phase, ProxyError, Reason};
use crate::snapshot::{End, Snapshot};
use crate::upstream::idle::IdlePool;

/// What Pingora asks about every request; one for each worker.
pub struct Gate {
    snapshot: Arc<ArcSwap<Snapshot>>,
    idle: Arc<IdlePool>,
}

impl Gate {
    /// A gate for the worker that owns `idle`.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>, idle: Arc<IdlePool>) -> Self {
        Self { snapshot, idle }
    }

    /// Answers, carries, or leaves the request to pingora-proxy's duplex (`false`).
    async fn pass(&self, session: &mut Session, ctx: &mut RequestCtx) -> pingora::Result<bool> {
        let Some(about) = About::of(session).map(Arc::clone) else {
            ctx.failed(ProxyError::new(Reason::Internal, Phase::Header));
            return Error::e_explain(
                pingora::ErrorType::InternalError,
                "a session without its connection's facts",
            );
        };
        let next = loop {
            // Each policy that had to wait is passed by when the next round begins, or has ended it all.
            let settled = match decide(session.req_header(), &about, ctx) {
                Ok(Step::Decided(next)) => Ok(Some(next)),
                Ok(Step::Wait(later)) => settle(later.await, ctx),
                Ok(Step::Ask(subrequest)) => {
                    // Boxed, so that what few routes want takes no room in every request.
                    let asked = Box::pin(ask(session, ctx, &self.idle, &subrequest)).await;
                    asked.and_then(|answered| judge(&subrequest, answered, ctx))
                }
                Err(error) => Err(error),
            };
            match settled {
                Ok(Some(next)) => break next,
                Ok(None) => {}
                Err(error) if error.reason == Reason::ClientGone => return leave(ctx, error),
                Err(error) => return refuse(session, ctx, error).await,
            }
        };
        match next {
            Next::Answer(reply) => {
                answer::reply(session, ctx, *reply).await?;
                Ok(true)
            }
            Next::Purge(what, mode) => {
                let reply = purge::carry_out(&ctx.snapshot, what, mode).await;
                answer::reply(session, ctx, reply).await?;
                Ok(true)
            }
            Next::Redirect { status, location } => {
                answer::redirect(session, ctx, status, &location).await?;
                Ok(true)
            }
            Next::Respond(route) => {
                if let End::Respond(respond) = &route.end {
                    answer::respond(session, ctx, respond).await?;
                }
                Ok(true)
            }
            Next::Carry => {
                // What comes with a body is a request like any other, and all limits of a body hold for it.
                ctx.upgrade = wants_websocket(session.req_header())
                    && session.as_downstream_mut().is_body_empty();
                self.carry(session, ctx).await
            }
        }
    }

    async fn carry(&self, session: &mut Session, ctx: &mut RequestCtx) -> pingora::Result<bool> {
        if ctx.wanted_object.is_some() {
            // Boxed, so that it takes no room in requests that are not for the cache.
            let served = Box::pin(cached::serve(session, ctx, &self.idle)).await;
            match served {
                Ok(Served::Answered) => return Ok(true),
                Ok(Served::Carry) => {}
                Err(broken) => return end(session, ctx, broken).await,
            }
        }
        if !direct::fits(session, ctx) {
            if ctx.snapshot.carrier == Carrier::Direct {
                return refuse(session, ctx, ProxyError::new(Reason::Internal, Phase::Pool)).await;
            }
            ctx.overtime = Overtime::current();
            let log = ctx.snapshot.access_log.as_deref();
            ctx.asked = Some(Box::new(Asked::of(session.req_header(), log)));
            let bodiless = session.as_downstream_mut().is_body_empty();
            ctx.body_done = bodiless;
            if !bodiless {
                duplex::begin_body(session, ctx);
            }
            duplex::expect_body(bodiless, ctx);
            // RFC 9110 §15.2: a client of HTTP/1.0 knows no interim answers.
            let old = ctx.version == http::Version::HTTP_10;
            session.as_downstream_mut().set_ignore_info_resp(old);
            return Ok(false);
        }
        match direct::exchange(session, ctx, &self.idle).await {
            Ok(()) => Ok(true),
            Err(broken) => end(session, ctx, broken).await,
        }
    }
}

/// Answers what panicked with 500 if nothing was sent yet; an error then is the client's going away. A part of an answer
/// must be seen not to be whole.
async fn give_up(session: &mut Session, ctx: &mut RequestCtx, panic: Panic) -> pingora::Result<()> {
    let error = unwind::failed(&panic, session, ctx);
    match duplex::stage(session) {
        Stage::InBody => Err(direct::broken_answer(error)),
        _ => answer::failure(session, ctx, error).await,
    }
}

/// Tells the client that its request failed, if it can still be told; whether it was.
async fn fail(session: &mut Session, error: &Error, ctx: &mut RequestCtx) -> bool {
    let stage = duplex::stage(session);
    duplex::failed(error, stage, ctx);
    let internal = ProxyError::new(Reason::Internal, Phase::Response);
    let failure = ctx.failed(internal);
    // Pingora lets the client's connection go after this, so the answer must not promise to keep it.
    session.set_keepalive(None);
    stage == Stage::BeforeHeader
        && failure.reason.can_be_told()
        && answer::failure(session, ctx, failure).await.is_ok()
}

/// Ends a request whose answer could not be given as it should: it is told why, if it still can be.
async fn end(session: &mut Session, ctx: &mut RequestCtx, broken: Broken) -> pingora::Result<bool> {
    match broken {
        Broken::BeforeAnswer(error) if error.reason.can_be_told() => {
            refuse(session, ctx, error).await
        }
        Broken::BeforeAnswer(error) | Broken::InAnswer(error) => leave(ctx, error),
    }
}

/// Ends a request that can't be answered any more.
fn leave(ctx: &mut RequestCtx, error: ProxyError) -> pingora::Result<bool> {
    ctx.failed(error);
    Err(direct::broken_answer(error))
}

async fn refuse(
    session: &mut Session,
    ctx: &mut RequestCtx,
    error: ProxyError,
) -> pingora::Result<bool> {
    let error = ctx.failed(error);
    answer::failure(session, ctx, error).await?;
    Ok(true)
}

#[async_trait]
impl ProxyHttp for Gate {
    // Boxed: Pingora moves it by value from future to future.
    type CTX = Box<RequestCtx>;

    fn new_ctx(&self) -> Self::CTX {
        Overtime::note_seen();
        Box::new(RequestCtx::new(self.snapshot.load_full()))
    }

    fn init_downstream_modules(&self, _: &mut HttpModules) {
        // None: Pingora's default would add a compression module that costs a call for every message.
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        ctx: &mut Self::CTX,
    ) -> pingora::Result<bool> {
        let request = UnderWay::begin(session, ctx);
        let passed = match unwind::catch(self.pass(request.session, request.ctx)).await {
            Ok(passed) => passed,
            // Boxed, so that what seldom happens takes no room in every request.
            Err(panic) => Box::pin(give_up(request.session, request.ctx, panic))
                .await
                .map(|()| true),
        };
        request.end();
        passed
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        ctx: &mut Self::CTX,
    ) -> pingora::Result<Box<HttpPeer>> {
        match unwind::catch(duplex::peer(session, ctx)).await {
            Ok(peer) => peer,
            Err(panic) => {
                let error = unwind::failed(&panic, session, ctx);
                Err(duplex::refuse(ctx, error))
            }
        }
    }

    async fn connected_to_upstream(
        &self,
        session: &mut Session,
        reused: bool,
        _: &HttpPeer,
        _: std::os::unix::io::RawFd,
        digest: Option<&Digest>,
        ctx: &mut Self::CTX,
    ) -> pingora::Result<()> {
        let took = digest.and_then(|digest| {
            let layers = digest.timing_digest.iter().flatten();
            layers
                .filter_map(|layer| layer.establishment_duration)
                .reduce(|sum, layer| sum + layer)
        });
        let connect = (!reused).then(|| took.unwrap_or_default());
        unwind::step(session, ctx, |_, ctx| {
            super::attempt::connected(ctx, connect);
            Ok(())
        })
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        header: &mut RequestHeader,
        ctx: &mut Self::CTX,
    ) -> pingora::Result<()> {
        unwind::step(session, ctx, |_, ctx| duplex::request(header, ctx))
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Self::CTX,
    ) -> pingora::Result<()> {
        let length = body.as_ref().map_or(0, Bytes::len);
        unwind::step(session, ctx, |_, ctx| {
            duplex::request_body(length, end, ctx)
        })
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        header: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> pingora::Result<()> {
        unwind::step(session, ctx, |session, ctx| {
            duplex::response(session, header, ctx)
        })
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Self::CTX,
    ) -> pingora::Result<Option<Duration>> {
        unwind::step(session, ctx, |_, ctx| duplex::response_body(body, end, ctx))?;
        Ok(None)
    }

    async fn response_trailer_filter(
        &self,
        session: &mut Session,
        _: &mut HeaderMap,
        ctx: &mut Self::CTX,
    ) -> pingora::Result<Option<Bytes>> {
        if ctx.encoding.is_none() {
            return Ok(None);
        }
        // What is given here goes out instead of the trailers, as the end of the body.
        let mut rest = None;
        unwind::step(session, ctx, |_, ctx| {
            duplex::response_body(&mut rest, true, ctx)
        })?;
        Ok(rest)
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _: &HttpPeer,
        ctx: &mut Self::CTX,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let told = unwind::step(session, ctx, |session, ctx| {
            duplex::unconnected(session, ctx, &mut error);
            Ok(error)
        });
        told.unwrap_or_else(|panic| panic)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        ctx: &mut Self::CTX,
        reused: bool,
    ) -> Box<Error> {
        let told = unwind::step(session, ctx, |session, ctx| {
            duplex::broke(session, ctx, &mut error, reused);
            Ok(error)
        });
        told.unwrap_or_else(|panic| panic)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Self::CTX,
    ) -> FailToProxy {
        let answered = match unwind::catch(fail(session, error, ctx)).await {
            Ok(answered) => answered,
            Err(panic) => Box::pin(give_up(session, ctx, panic)).await.is_ok(),
        };
        FailToProxy {
            error_code: ctx
                .failure
                .map_or(Reason::Internal.status(), |failure| failure.reason.status()),
            // A whole answer was given, so the session may end in good order; a part of one must look broken.
            can_reuse_downstream: answered,
        }
    }

    fn suppress_error_log(&self, _: &Session, _: &Self::CTX, _: &Error) -> bool {
        // The access log has the reason; a flood of failures must not become a flood of process log.
        true
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, ctx: &mut Self::CTX) {
        if let Err(panic) = unwind::catch_now(|| finish::record(session, ctx)) {
            unwind::failed(&panic, session, ctx);
        }
    }
}
