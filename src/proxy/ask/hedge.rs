//! How are two endpoints asked for one answer?
//!
//! The second is asked when the first has kept the request waiting for longer than its pool's answers take. Who answers
//! first has won; the other's connection is closed. Its lease teaches that it was outrun if it was asked first, or else
//! nothing: it had less time.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::http::RequestHeader;
use pingora_timeout::fast_timeout::fast_timeout;

use super::exchange::Exchange;
use super::once::{Course, Question, Unanswered, put};
use super::{Asker, Limits};
use crate::error::{Phase, ProxyError, Reason};
use crate::pool::{Ending, Endpoint, Lease, Pool};
use crate::proxy::attempt;
use crate::proxy::ctx::RequestCtx;
use crate::proxy::presence::client_gone;
use crate::telemetry::metrics::HedgeResult;
use crate::telemetry::record::Attempt;
use crate::upstream::idle::IdlePool;

/// How long the first endpoint has before a second one is asked; `None` if none is. Counts the request, if it is one of
/// those that may be asked twice.
pub fn delay(asker: &impl Asker, ctx: &RequestCtx) -> Option<Duration> {
    let pool = ctx.pool()?.0;
    let hedging = pool.hedging.as_ref()?;
    if ctx.repeats.made > 0 || !asker.repeatable().idempotent {
        return None;
    }
    let now = Instant::now();
    hedging.deposit(&pool.state, now);
    hedging.delay(now)
}

/// What is asked, and the same once more, should its connection have been idle.
type Asked = (Question, Option<Box<RequestHeader>>);
type Answered = Result<Exchange, Unanswered>;

/// Asks the leased endpoint, and another one if the answer has not begun `after` so long. The lease in `ctx` is then that of
/// the endpoint whose answer it is.
///
/// # Errors
///
/// Neither has an answer; why not, as the first says.
pub async fn ask(
    asker: &mut impl Asker,
    ctx: &mut RequestCtx,
    idle: &IdlePool,
    endpoint: &Arc<Endpoint>,
    limits: &Limits,
    after: Duration,
) -> Result<Exchange, ProxyError> {
    let asked = question(asker, ctx, idle, endpoint)?;
    let mut both = Both::begin(ctx);
    let ended = {
        let mut first = pin!(patiently(endpoint, asked, idle, limits, &mut both.first));
        let early = {
            let early = pin!(fast_timeout(after, first.as_mut()));
            asker.while_waited_for(early).await
        };
        match early {
            Err(gone) => Err(gone),
            Ok(Ok(answered)) => Ok((Some(answered), None)),
            Ok(Err(_)) => match another(asker, both.ctx, idle, endpoint) {
                None => asker
                    .while_waited_for(first)
                    .await
                    .map(|answered| (Some(answered), None)),
                Some((lease, question)) => {
                    let endpoint = both.other.insert(lease).endpoint();
                    let second = patiently(endpoint, question, idle, limits, &mut both.second);
                    let second = pin!(second);
                    asker.while_waited_for(pin!(race(first, second))).await
                }
            },
        }
        // Whoever was not waited for is dropped here, and its connection closed.
    };
    let Ok((first, second)) = ended else {
        return Err(client_gone(both.first.reached()));
    };
    let (first_course, second_course, other) = both.end();
    let first = Side {
        lease: ctx.lease.take(),
        course: first_course,
        answered: first,
        hedge: false,
    };
    let Some(lease) = other else {
        return first.wins(ctx);
    };
    let second = Side {
        lease: Some(lease),
        course: second_course,
        answered: second,
        hedge: true,
    };
    if second.is_better_than(&first) {
        if let Some((pool, _)) = ctx.pool() {
            pool.metrics.hedged(HedgeResult::Won);
        }
        first.loses(ctx, Ending::Outrun);
        second.wins(ctx)
    } else {
        second.loses(ctx, Ending::Untold);
        first.wins(ctx)
    }
}

/// The attempts at both endpoints. If they come to no end, because the client leaves or the process ends, how far they came
/// is noted when this is dropped.
struct Both<'c> {
    ctx: &'c mut RequestCtx,
    first: Course,
    second: Course,
    /// The lease of the second one, once it is asked.
    other: Option<Lease>,
    over: bool,
}

impl<'c> Both<'c> {
    fn begin(ctx: &'c mut RequestCtx) -> Self {
        Self {
            ctx,
            first: Course::default(),
            second: Course::default(),
            other: None,
            over: false,
        }
    }

    /// One has come to its end, and what came of both is for others to note.
    fn end(mut self) -> (Course, Course, Option<Lease>) {
        self.over = true;
        let (first, second) = (&mut self.first, &mut self.second);
        (
            std::mem::take(first),
            std::mem::take(second),
            self.other.take(),
        )
    }
}

impl Drop for Both<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.first.note(self.ctx);
        if let Some(lease) = self.other.take() {
            let hedge = Side {
                lease: Some(lease),
                course: std::mem::take(&mut self.second),
                answered: None,
                hedge: true,
            };
            hedge.note(self.ctx, Instant::now());
        }
    }
}

/// What the leased endpoint is asked.
fn question(
    asker: &impl Asker,
    ctx: &RequestCtx,
    idle: &IdlePool,
    endpoint: &Endpoint,
) -> Result<Asked, ProxyError> {
    let request = attempt::request_without_body(asker.request(), ctx)?;
    let connection = idle.find(&endpoint.peer, Instant::now());
    let spare = connection.is_some().then(|| request.clone());
    let question = Question {
        request,
        connection,
        until: attempt::until(ctx),
    };
    Ok((question, spare))
}

/// The lease of another endpoint and what it is asked, if there is one and the budget permits it.
fn another(
    asker: &impl Asker,
    ctx: &mut RequestCtx,
    idle: &IdlePool,
    endpoint: &Arc<Endpoint>,
) -> Option<(Lease, Asked)> {
    let pool = Arc::clone(ctx.pool()?.0);
    let now = Instant::now();
    if !pool.hedging.as_ref()?.withdraw(&pool.state, now) {
        pool.metrics.hedged(HedgeResult::Budget);
        return None;
    }
    ctx.tried.insert(endpoint);
    let Some(lease) = elsewhere(ctx, &pool, now) else {
        pool.metrics.hedged(HedgeResult::NoEndpoint);
        return None;
    };
    let endpoint = Arc::clone(lease.endpoint());
    let first = ctx.lease.replace(lease);
    let question = question(asker, ctx, idle, &endpoint);
    let lease = std::mem::replace(&mut ctx.lease, first)?;
    ctx.attempts += 1;
    pool.metrics.hedged(HedgeResult::Sent);
    Some((lease, question.ok()?))
}

fn elsewhere(ctx: &RequestCtx, pool: &Pool, now: Instant) -> Option<Lease> {
    pool.try_lease(&ctx.wanted(), now).ok()
}

/// Asks, and once more on a new connection if the idle one was closed: the request is idempotent.
async fn patiently(
    endpoint: &Endpoint,
    (question, spare): Asked,
    idle: &IdlePool,
    limits: &Limits,
    course: &mut Course,
) -> Answered {
    let until = question.until;
    match (put(endpoint, question, idle, limits, course).await, spare) {
        (Err(unanswered), Some(request)) if unanswered.untouched => {
            let question = Question {
                request,
                connection: None,
                until,
            };
            put(endpoint, question, idle, limits, course).await
        }
        (answered, _) => answered,
    }
}

/// Waits for the first good answer, or for both. Who is still at work then has no result.
async fn race(
    mut first: Pin<&mut impl Future<Output = Answered>>,
    mut second: Pin<&mut impl Future<Output = Answered>>,
) -> (Option<Answered>, Option<Answered>) {
    tokio::select! {
        biased;
        one = first.as_mut() => match is_good(&one) {
            true => (Some(one), None),
            false => (Some(one), Some(second.await)),
        },
        other = second.as_mut() => match is_good(&other) {
            true => (None, Some(other)),
            false => (Some(first.await), Some(other)),
        },
    }
}

/// Whether an answer is worth taking while the other endpoint is still at work: an endpoint that can't do it says so fast.
fn is_good(answered: &Answered) -> bool {
    let status = answered.as_ref().ok().and_then(Exchange::status);
    status.is_some_and(|status| !status.is_server_error())
}

/// One of the two endpoints.
struct Side {
    lease: Option<Lease>,
    course: Course,
    /// What came of it; `None` if it was not waited for.
    answered: Option<Answered>,
    /// Whether it was asked beside the other one.
    hedge: bool,
}

impl Side {
    fn is_better_than(&self, other: &Self) -> bool {
        let rank = |side: &Self| match &side.answered {
            None => 0,
            Some(Err(_)) => 1,
            Some(Ok(_)) if side.answered.as_ref().is_some_and(is_good) => 3,
            Some(Ok(_)) => 2,
        };
        rank(self) > rank(other)
    }

    /// Makes it the request's attempt.
    fn wins(self, ctx: &mut RequestCtx) -> Result<Exchange, ProxyError> {
        if let Some(lease) = &self.lease {
            ctx.endpoint = Some(Arc::clone(&lease.endpoint().name));
            ctx.trail.begin(lease, self.hedge);
        }
        ctx.lease = self.lease;
        ctx.connect = None;
        self.course.note(ctx);
        let internal = ProxyError::new(Reason::Internal, Phase::Response);
        match self.answered {
            Some(Ok(client)) => Ok(client),
            Some(Err(unanswered)) => {
                if let Some(error) = &unanswered.unconnected {
                    attempt::explain(ctx, error);
                }
                Err(unanswered.error)
            }
            None => Err(internal),
        }
    }

    /// Adds it to the request's trail, as one that ends `now`.
    fn note(&self, ctx: &mut RequestCtx, now: Instant) {
        let Some(lease) = &self.lease else {
            return;
        };
        let answered = self.answered.as_ref();
        let exchange = answered.and_then(|answered| answered.as_ref().ok());
        let unanswered = answered.and_then(|answered| answered.as_ref().err());
        let status = exchange.and_then(Exchange::status);
        ctx.trail.add(Attempt {
            endpoint: Arc::clone(&lease.endpoint().name),
            status: status.map(|status| status.as_u16()),
            reason: unanswered.map(|unanswered| unanswered.error.reason),
            connect: self.course.connect(),
            first_byte: None,
            duration: now.saturating_duration_since(lease.taken()),
            hedge: self.hedge,
        });
    }

    /// Lets it go. What it answered is learnt; if it was not waited for, only that it had not answered by now, and what
    /// its ending was then.
    fn loses(mut self, ctx: &mut RequestCtx, not_waited_for: Ending) {
        let now = Instant::now();
        self.note(ctx, now);
        let Some(lease) = self.lease.take() else {
            return;
        };
        let first = ctx.lease.replace(lease);
        self.course.note(ctx);
        if let Some(Err(Unanswered {
            unconnected: Some(error),
            ..
        })) = &self.answered
        {
            attempt::explain(ctx, error);
        }
        let lease = std::mem::replace(&mut ctx.lease, first);
        let Some(mut lease) = lease else {
            return;
        };
        let ending = match &self.answered {
            Some(Ok(exchange)) => match exchange.status() {
                Some(status) => Ending::Answered(status.as_u16()),
                None => Ending::Untold,
            },
            Some(Err(unanswered)) => Ending::Failed(unanswered.error.reason),
            None => not_waited_for,
        };
        lease.settle(ending, now);
        // Should the request be made again, not there; the other one is remembered when its lease is given back.
        if self
            .answered
            .as_ref()
            .is_some_and(|answered| !is_good(answered))
        {
            ctx.tried.insert(lease.endpoint());
        }
        // Else what is slow would be counted only where it was waited for, and the twentieth would become ever shorter.
        if let (None, Some((pool, _)), Some(sent)) = (&self.answered, ctx.pool(), self.course.sent)
            && let Some(hedging) = &pool.hedging
        {
            hedging.took(now.saturating_duration_since(sent), now);
        }
    }
}
