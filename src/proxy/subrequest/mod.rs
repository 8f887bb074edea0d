//! How is another service asked whether a request may go on?
//!
//! As an endpoint is asked by the direct carrier: over an idle connection of this worker if there is one, with a lease of the
//! service's pool, which learns from it, and again as that pool's retries allow. No policy is asked about a subrequest, so a
//! service that is itself behind the route does not ask in circles.

mod exchange;

use std::fmt::Display;
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderName, HeaderValue};
use pingora::proxy::Session;

use super::ask::Limits;
use super::attempt;
use super::ctx::RequestCtx;
use super::presence::{Gone, client_gone, while_uploader_stays};
use super::retry::{Again, Attempted, Decision, decide};
use crate::error::{Phase, ProxyError};
use crate::policy::access::Reply;
use crate::policy::access::subrequest::{Subrequest, Unanswered};
use crate::pool::retries::Setback;
use crate::pool::{Lease, NoEndpoint, Pool, Tried, Wanted};
use crate::telemetry::metrics::RetryResult;
use crate::upstream::idle::IdlePool;

/// Asks, for as long as the client stays.
///
/// # Errors
///
/// The client went away.
pub async fn ask(
    session: &mut Session,
    ctx: &RequestCtx,
    idle: &IdlePool,
    subrequest: &Subrequest,
) -> Result<Result<Reply, Unanswered>, ProxyError> {
    let asking = Asking::new(subrequest, ctx);
    let answered = while_uploader_stays(session, pin!(asking.ask(idle))).await;
    answered.map_err(|Gone| client_gone(Phase::Route))
}

/// A question on its way.
struct Asking<'s> {
    subrequest: &'s Subrequest,
    pool: &'s Pool,
    /// The host the client asked for.
    host: Option<&'s HeaderValue>,
    /// Its id, and the field that carries it.
    request_id: Option<(&'s HeaderName, &'s HeaderValue)>,
    limits: Limits,
    deadline: Instant,
    time: SystemTime,
}

impl<'s> Asking<'s> {
    fn new(subrequest: &'s Subrequest, ctx: &'s RequestCtx) -> Self {
        let pool = &*subrequest.pool;
        let now = Instant::now();
        let own = now.checked_add(subrequest.timeout).unwrap_or(now);
        let deadline = ctx.deadline().map_or(own, |whole| whole.min(own));
        let mut timeouts = pool.timeouts;
        // The one step that knows no deadline.
        timeouts.write = timeouts.write.min(subrequest.timeout);
        Self {
            subrequest,
            pool,
            host: ctx.host.as_ref(),
            request_id: ctx.request_id.as_ref().map(|id| (ctx.id_field(), id)),
            limits: Limits {
                timeouts,
                deadline: Some(deadline),
            },
            deadline,
            time: ctx.time,
        }
    }

    /// Asks, and asks again where the pool's retries allow it.
    async fn ask(&self, idle: &IdlePool) -> Result<Reply, Unanswered> {
        let rules = &self.pool.retries;
        if rules.limit > 0 {
            self.pool.state.retry_budget.deposit(Instant::now());
        }
        let mut tried = Tried::default();
        let mut made = 0;
        let leased = self.pool.lease(&self.wanted(&tried)).await;
        let mut lease = leased.map_err(|none| self.refused(none))?;
        loop {
            let answered = self.attempt(&mut lease, idle).await;
            let setback = match &answered {
                Ok(reply) => Some(Setback::Status(reply.status.as_u16())),
                Err(error) => Setback::of(error.reason),
            };
            self.tell(&lease, &answered);
            let answered = answered.map_err(|error| Unanswered::from(error.reason));
            let Some(setback) = setback.filter(|setback| rules.on.has(*setback)) else {
                return answered;
            };
            let now = Instant::now();
            let attempted = Attempted {
                setback,
                idempotent: true,
                unprocessed: false,
                body_lost: false,
                answered: false,
                upgrade: false,
                made,
                left: Some(self.deadline.saturating_duration_since(now)),
            };
            let permit = || self.pool.state.retry_budget.withdraw(&rules.budget, now);
            let again = match decide(&attempted, rules, fastrand::f64(), permit) {
                Decision::Again(again) => again,
                Decision::GiveUp(why) => {
                    why.into_iter()
                        .for_each(|why| self.pool.metrics.retried(why));
                    return answered;
                }
            };
            tried.insert(lease.endpoint());
            drop(lease);
            let Some(next) = self.lease_again(&mut tried, again).await else {
                self.pool.metrics.retried(RetryResult::NoEndpoint);
                return answered;
            };
            lease = next;
            made += 1;
            self.pool.metrics.retried(RetryResult::Sent);
        }
    }

    /// Takes the right to use another endpoint, or the same again if there is no other.
    async fn lease_again(&self, tried: &mut Tried, again: Again) -> Option<Lease> {
        let elsewhere = |tried: &Tried| {
            let wanted = self.wanted(tried);
            self.pool.try_lease(&wanted, Instant::now()).ok()
        };
        if again.elsewhere_at_once
            && let Some(lease) = elsewhere(tried)
        {
            return Some(lease);
        }
        if again.after > Duration::ZERO {
            tokio::time::sleep(again.after).await;
        }
        if let Some(lease) = elsewhere(tried) {
            return Some(lease);
        }
        *tried = Tried::default();
        self.pool.lease(&self.wanted(tried)).await.ok()
    }

    fn wanted<'t>(&self, tried: &'t Tried) -> Wanted<'t> {
        Wanted {
            key: self.subrequest.key,
            deadline: Some(self.deadline),
            ..Wanted::new(tried)
        }
    }

    fn refused(&self, none: NoEndpoint) -> Unanswered {
        let reason = attempt::reason_of(none, Some(self.deadline));
        self.pool.metrics.refused(reason);
        Unanswered {
            reason,
            retry_after: none.retry_after(),
        }
    }

    /// Tells the operator what the access log has no word for: why there was no answer to go by.
    fn tell(&self, lease: &Lease, answered: &Result<Reply, ProxyError>) {
        let why: &dyn Display = match answered {
            Ok(reply) if reply.status.is_server_error() => &reply.status,
            Ok(_) => return,
            Err(error) => error,
        };
        let why = format_args!("asked whether a request may go on: {why}");
        attempt::tell(self.pool, lease.endpoint(), self.time, &why);
    }
}
