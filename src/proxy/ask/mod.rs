//! How are a pool's endpoints asked, as often as the rules allow, up to the header of an answer?
//!
//! For whom does not matter: a client that waits for it ([`direct`](super::direct)), or a fetch that goes on whoever leaves
//! ([`fetch`](super::fetch)). What differs is what an [`Asker`] says.

mod exchange;
mod hedge;
mod once;
mod stream;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::http::{RequestHeader, ResponseHeader};

use super::again::{self, Repeatable};
use super::attempt;
use super::ctx::RequestCtx;
use super::presence::{Gone, client_gone};
use super::retry::Again;
use crate::error::{Phase, ProxyError, Reason};
use crate::pool::{Ending, Endpoint, Pool, Timeouts};
use crate::upstream::idle::IdlePool;
pub use exchange::Exchange;
pub use once::{Course, Question, past_interim, put};

/// For whom endpoints are asked.
pub trait Asker: Send {
    /// What is asked for. No body goes with it.
    fn request(&self) -> &RequestHeader;

    /// Whether it can be asked again.
    fn repeatable(&self) -> Repeatable;

    /// Runs `work` for as long as somebody waits for it.
    fn while_waited_for<T: Send>(
        &mut self,
        work: Pin<&mut (impl Future<Output = T> + Send)>,
    ) -> impl Future<Output = Result<T, Gone>> + Send;

    /// Takes an interim answer (RFC 9110 §15.2) that is neither 100 nor 101.
    fn interim(
        &mut self,
        ctx: &mut RequestCtx,
        header: &ResponseHeader,
    ) -> impl Future<Output = Result<(), ProxyError>> + Send;
}

/// How long the steps of an exchange may take.
pub struct Limits {
    /// Each step.
    pub timeouts: Timeouts,
    /// The whole request.
    pub deadline: Option<Instant>,
}

impl Limits {
    /// Those of a request whose route ends at a pool with these times.
    pub fn of(ctx: &RequestCtx, timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            deadline: ctx.deadline(),
        }
    }
}

/// Takes a lease and asks, and asks again where an attempt failed and its rules allow another. The lease of the endpoint
/// whose answer it is stays in `ctx`, which has learnt from it.
///
/// # Errors
///
/// Why there is no answer. The last endpoint asked has learnt that, and `ctx` has taken note.
pub async fn ask(
    asker: &mut impl Asker,
    ctx: &mut RequestCtx,
    pool: &Pool,
    idle: &IdlePool,
    limits: &Limits,
) -> Result<(Exchange, Arc<Endpoint>), ProxyError> {
    let leased = match attempt::lease_now(ctx, pool) {
        Some(leased) => leased,
        // Boxed, so that what seldom happens takes no room in every request. So below.
        None => {
            let mut leases = Box::pin(attempt::lease_in_turn(ctx, pool));
            awaited(asker, leases.as_mut()).await
        }
    };
    leased.map_err(|error| failed(ctx, error))?;
    loop {
        let Some(endpoint) = leased_endpoint(ctx) else {
            return Err(failed(ctx, ProxyError::new(Reason::Internal, Phase::Pool)));
        };
        let again = match once::ask(asker, ctx, idle, endpoint, limits).await {
            Ok((exchange, endpoint)) => match turned_down(asker, ctx, &exchange) {
                None => return Ok((exchange, endpoint)),
                Some(again) => {
                    Box::pin(exchange.forget(pool, &endpoint, idle)).await;
                    again
                }
            },
            Err(error) => {
                let failed_so = again::Failed::with(error);
                match again::after(asker.repeatable(), ctx, failed_so) {
                    Some(again) => again,
                    None => return Err(failed(ctx, error)),
                }
            }
        };
        let leased = {
            let mut leases = Box::pin(again::lease(ctx, again, pool));
            awaited(asker, leases.as_mut()).await
        };
        leased.map_err(|error| failed(ctx, error))?;
    }
}

/// Waits for a lease, as long as somebody waits for what it is for.
async fn awaited(
    asker: &mut impl Asker,
    leases: Pin<&mut (impl Future<Output = Result<(), ProxyError>> + Send)>,
) -> Result<(), ProxyError> {
    let leased = asker.while_waited_for(leases).await;
    leased.map_err(|Gone| client_gone(Phase::Pool)).flatten()
}

fn leased_endpoint(ctx: &RequestCtx) -> Option<Arc<Endpoint>> {
    ctx.lease.as_ref().map(|lease| Arc::clone(lease.endpoint()))
}

/// Takes note of an answer, and decides whether another attempt is better than passing it on.
fn turned_down(asker: &impl Asker, ctx: &mut RequestCtx, exchange: &Exchange) -> Option<Again> {
    let header = exchange.header()?;
    attempt::responded(header, ctx);
    again::after_answer(asker.repeatable(), ctx, header.status.as_u16())
}

/// Takes note of a failure that ends the request, and teaches the endpoint.
pub fn failed(ctx: &mut RequestCtx, error: ProxyError) -> ProxyError {
    ctx.failed(error);
    if let Some(lease) = &mut ctx.lease {
        lease.settle(Ending::Failed(error.reason), Instant::now());
    }
    error
}

/// How long to wait at most for something that may take `limit` and must end by `deadline`.
pub fn within(deadline: Option<Instant>, limit: Duration) -> Duration {
    match deadline {
        Some(deadline) => limit.min(deadline.saturating_duration_since(Instant::now())),
        None => limit,
    }
}
