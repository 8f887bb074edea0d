//! What do both carriers do between an attempt that failed and the next one?

use std::time::{Duration, Instant};

use pingora::proxy::Session;

use super::attempt;
use super::ctx::RequestCtx;
use super::retry::{Again, Attempted, Decision, decide};
use super::trail;
use crate::error::{Phase, ProxyError, Reason};
use crate::pool::retries::Setback;
use crate::pool::{Ending, Pool, Tried};
use crate::telemetry::metrics::RetryResult;

/// What a request remembers of its attempts before the last one.
#[derive(Debug, Default)]
pub struct Repeats {
    /// Retries so far.
    pub made: u32,
    /// When the next attempt is made; there from the decision to the attempt.
    pub next: Option<Again>,
    /// How the attempt before failed: the request's own end, if there is no endpoint for another.
    pub before: Option<ProxyError>,
    /// Whether the attempt is done again on a connection of its own, because its first one was closed unnoticed.
    pub stale: bool,
    /// Whether a part of an answer has gone to the client.
    pub answered: bool,
}

/// What of a request says whether it can be made again.
#[derive(Clone, Copy, Debug)]
pub struct Repeatable {
    /// As in [`Attempted`].
    pub idempotent: bool,
    /// As in [`Attempted`].
    pub body_lost: bool,
}

impl Repeatable {
    /// That of a client's request.
    pub fn of(session: &Session) -> Self {
        Self {
            idempotent: session.req_header().method.is_idempotent(),
            body_lost: session.as_ref().retry_buffer_truncated(),
        }
    }
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// What the request ends with, if it is the last attempt.
    pub error: ProxyError,
    /// What it teaches.
    pub ending: Ending,
    /// As in [`Attempted`].
    pub unprocessed: bool,
}

impl Failed {
    /// One whose reason says everything.
    pub fn with(error: ProxyError) -> Self {
        Self {
            error,
            ending: Ending::Failed(error.reason),
            unprocessed: false,
        }
    }
}

/// Decides what follows a failed attempt. If it is another one, the endpoint has learnt from this, and its lease is given
/// back; if it is none, nothing has changed.
pub fn after(request: Repeatable, ctx: &mut RequestCtx, failed: Failed) -> Option<Again> {
    let again = consider(
        request,
        ctx,
        Setback::of(failed.error.reason)?,
        failed.unprocessed,
    )?;
    ctx.repeats.before = Some(failed.error);
    give_back(ctx, failed.ending);
    Some(again)
}

/// As [`after`], for an answer that the lease was settled with already.
pub fn after_answer(request: Repeatable, ctx: &mut RequestCtx, status: u16) -> Option<Again> {
    if !ctx.retries()?.on.has(Setback::Status(status)) {
        return None;
    }
    let again = consider(request, ctx, Setback::Status(status), false)?;
    ctx.repeats.before = None;
    give_back(ctx, Ending::Answered(status));
    Some(again)
}

fn consider(
    request: Repeatable,
    ctx: &RequestCtx,
    setback: Setback,
    unprocessed: bool,
) -> Option<Again> {
    let (rules, (pool, _)) = (ctx.retries()?, ctx.pool()?);
    let now = Instant::now();
    let attempted = Attempted {
        setback,
        idempotent: request.idempotent,
        unprocessed,
        body_lost: request.body_lost,
        answered: ctx.repeats.answered,
        upgrade: ctx.upgrade,
        made: ctx.repeats.made,
        left: ctx
            .deadline()
            .map(|deadline| deadline.saturating_duration_since(now)),
    };
    let permit = || pool.state.retry_budget.withdraw(&rules.budget, now);
    match decide(&attempted, rules, fastrand::f64(), permit) {
        Decision::Again(again) => Some(again),
        Decision::GiveUp(why) => {
            if let Some(why) = why {
                pool.metrics.retried(why);
            }
            None
        }
    }
}

fn give_back(ctx: &mut RequestCtx, ending: Ending) {
    trail::note(ctx, ending);
    if let Some(mut lease) = ctx.lease.take() {
        lease.settle(ending, Instant::now());
        ctx.tried.insert(lease.endpoint());
    }
}

/// Waits, and takes the right to use another endpoint, or the same again if there is no other.
///
/// # Errors
///
/// There is none: the request ends as its last attempt did.
pub async fn lease(ctx: &mut RequestCtx, again: Again, pool: &Pool) -> Result<(), ProxyError> {
    if !(again.elsewhere_at_once && elsewhere(ctx, pool)) {
        if again.after > Duration::ZERO {
            tokio::time::sleep(again.after).await;
        }
        if !elsewhere(ctx, pool) {
            ctx.tried = Tried::default();
            let leased = attempt::take(ctx, pool).await;
            leased.map_err(|_| {
                pool.metrics.retried(RetryResult::NoEndpoint);
                let none = ProxyError::new(Reason::NoEndpoint, Phase::Pool);
                ctx.repeats.before.unwrap_or(none)
            })?;
        }
    }
    ctx.repeats.made += 1;
    pool.metrics.retried(RetryResult::Sent);
    Ok(())
}

/// Takes an endpoint that was not tried yet, if one is free now.
fn elsewhere(ctx: &mut RequestCtx, pool: &Pool) -> bool {
    match pool.try_lease(&ctx.wanted(), Instant::now()) {
        Ok(lease) => {
            attempt::begin(ctx, lease);
            true
        }
        Err(_) => false,
    }
}
