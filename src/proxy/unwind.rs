//! What becomes of a panic in a request? It ends that request, is counted, and ends nothing else.
//!
//! Left alone it would unwind through Pingora's session and the task of the connection, and the client would see a
//! reset. So the hooks call the line through [`catch`] and [`step`], and a client that has no part of an answer gets 500.
//! What Pingora's own code throws is caught around the session, by [`super::watch`].

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use http::HeaderValue;
use pingora::proxy::Session;

use super::ctx::RequestCtx;
use super::duplex;
use crate::error::{ProxyError, Reason};
use crate::telemetry::Metrics;

/// A panic that was caught: its message.
#[derive(Debug)]
pub struct Panic(String);

impl Panic {
    fn of(thrown: &(dyn Any + Send)) -> Self {
        let message = thrown
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| thrown.downcast_ref::<String>().map(String::as_str));
        Self(message.unwrap_or("(not a text)").to_owned())
    }
}

/// Polls a future until it ends, or panics.
///
/// What it held is dropped when it panics. What it borrowed is the caller's again, who must take it for half done.
pub fn catch<F: Future>(future: F) -> impl Future<Output = Result<F::Output, Panic>> {
    // No async function: that would hold the future twice.
    AssertUnwindSafe(future)
        .catch_unwind()
        .map(|done| done.map_err(|thrown| Panic::of(&*thrown)))
}

/// As [`catch`], for what does not wait.
///
/// # Errors
///
/// It panicked.
pub fn catch_now<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|thrown| Panic::of(&*thrown))
}

/// A step of the duplex.
///
/// # Errors
///
/// The step's own, or one for its panic; that is noted.
pub fn step<T>(
    session: &mut Session,
    ctx: &mut RequestCtx,
    work: impl FnOnce(&mut Session, &mut RequestCtx) -> pingora::Result<T>,
) -> pingora::Result<T> {
    match catch_now(|| work(session, ctx)) {
        Ok(done) => done,
        Err(panic) => {
            let error = failed(&panic, session, ctx);
            Err(duplex::refuse(ctx, error))
        }
    }
}

/// Notes that the request ended in a panic: that is its reason, whatever had failed before. The endpoint's lease goes
/// back, and teaches nothing.
pub fn failed(panic: &Panic, session: &mut Session, ctx: &mut RequestCtx) -> ProxyError {
    let error = ProxyError::new(Reason::Internal, duplex::reached(session, ctx));
    let id = ctx.request_id.as_ref().map(HeaderValue::to_str);
    log::error!(
        "request {} on route {}: panic in {}: {}",
        id.and_then(Result::ok).unwrap_or("-"),
        ctx.route.as_ref().map_or("-", |route| &route.name),
        error.phase.as_str(),
        panic.0
    );
    ctx.snapshot.metrics.panics.inc();
    ctx.panicked = true;
    ctx.failure = Some(error);
    ctx.lease = None;
    // Whatever the session was in the middle of: another request must not find out.
    session.set_keepalive(None);
    error
}

/// Notes a panic outside of every hook, whose request is not known.
pub fn unexplained(panic: &Panic, metrics: &Metrics) {
    log::error!("a session ended in a panic: {}", panic.0);
    metrics.panics.inc();
}
