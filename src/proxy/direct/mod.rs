//! How is a request without body carried to an HTTP/1 endpoint, straight, inside `request_filter`?
//!
//! One task, no channels: the request goes out, the response's header comes in ([`ask`]), and its body is passed on piece
//! by piece ([`answer`]). While it waits for the endpoint it listens to the client, so that a client that leaves ends the
//! work; while it waits for the client it reads nothing, which is the back-pressure.

mod answer;
mod ask;
mod hedge;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::protocols::http::v1::client::HttpSession as ClientSession;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};

use super::ctx::RequestCtx;
use super::presence::{Gone, client_gone, while_client_stays};
use super::{again, attempt};
use crate::config::runtime::Carrier;
use crate::error::{Phase, ProxyError, Reason};
use crate::pool::{Ending, Endpoint, Pool, Protocol, Timeouts};
use crate::upstream::idle::IdlePool;
pub use ask::{Course, Question, past_interim, put};

/// Whether this carrier can take the request.
pub fn fits(session: &mut Session, ctx: &RequestCtx) -> bool {
    ctx.snapshot.carrier != Carrier::Duplex
        && !ctx.upgrade
        && ctx
            .pool()
            .is_some_and(|(pool, _)| pool.protocol == Protocol::Http1)
        && session.as_downstream_mut().is_body_empty()
}

/// How an exchange ended that did not succeed.
pub enum Broken {
    /// Nothing was sent to the client: it can still be answered.
    BeforeAnswer(ProxyError),
    /// The client has a part of the answer: it must see that it is not whole.
    InAnswer(ProxyError),
}

/// How long the steps of an exchange may take.
pub struct Limits {
    /// Each step.
    pub timeouts: Timeouts,
    /// The whole request.
    pub deadline: Option<Instant>,
}

/// Carries the request; an attempt that failed is made again where its rules allow it.
///
/// # Errors
///
/// [`Broken`], with the reason.
pub async fn exchange(
    session: &mut Session,
    ctx: &mut RequestCtx,
    idle: &IdlePool,
) -> Result<(), Broken> {
    ctx.body_done = true;
    let internal = ProxyError::new(Reason::Internal, Phase::Pool);
    let Some((pool, timeouts)) = ctx.pool() else {
        return Err(Broken::BeforeAnswer(internal));
    };
    let (pool, timeouts) = (Arc::clone(pool), *timeouts);
    let limits = Limits {
        timeouts,
        deadline: ctx.deadline(),
    };
    let leased = match attempt::lease_now(ctx, &pool) {
        Some(leased) => leased,
        // Boxed, so that what seldom happens takes no room in every request. So below.
        None => {
            let mut leases = Box::pin(attempt::lease_in_turn(ctx, &pool));
            awaited(session, leases.as_mut()).await
        }
    };
    leased.map_err(|error| failed(ctx, error))?;
    let (mut client, endpoint) = loop {
        let Some(endpoint) = leased_endpoint(ctx) else {
            return Err(failed(ctx, internal));
        };
        let again = match ask::ask(session, ctx, idle, endpoint, &limits).await {
            Ok((client, endpoint)) => match turned_down(session, ctx, &client) {
                None => break (client, endpoint),
                Some(again) => {
                    Box::pin(ask::forget(client, &pool, &endpoint, idle)).await;
                    again
                }
            },
            Err(error) => match again::after(session, ctx, again::Failed::with(error)) {
                Some(again) => again,
                None => return Err(failed(ctx, error)),
            },
        };
        let leased = {
            let mut leases = Box::pin(again::lease(ctx, again, &pool));
            awaited(session, leases.as_mut()).await
        };
        leased.map_err(|error| failed(ctx, error))?;
    };
    answer::answer(session, ctx, &mut client, &limits).await?;
    client.respect_keepalive();
    keep(client, &pool, &endpoint, idle).await;
    Ok(())
}

/// Waits for a lease, as long as the client does.
async fn awaited(
    session: &mut Session,
    leases: Pin<&mut impl Future<Output = Result<(), ProxyError>>>,
) -> Result<(), ProxyError> {
    let leased = while_client_stays(session, leases).await;
    leased.map_err(|Gone| client_gone(Phase::Pool)).flatten()
}

fn leased_endpoint(ctx: &RequestCtx) -> Option<Arc<Endpoint>> {
    ctx.lease.as_ref().map(|lease| Arc::clone(lease.endpoint()))
}

/// Takes note of an answer, and decides whether another attempt is better than passing it on.
fn turned_down(
    session: &Session,
    ctx: &mut RequestCtx,
    client: &ClientSession,
) -> Option<super::retry::Again> {
    let header = client.resp_header()?;
    attempt::responded(header, ctx);
    again::after_answer(session, ctx, header.status.as_u16())
}

/// Keeps a connection whose response was read to its end for another request, if both sides want that.
pub async fn keep(client: Box<ClientSession>, pool: &Pool, endpoint: &Endpoint, idle: &IdlePool) {
    if let Some(stream) = (*client).reuse().await
        && let Ok(connection) = stream.into_any().downcast()
    {
        idle.put(
            endpoint.peer.id,
            connection,
            &pool.keepalive,
            Instant::now(),
        );
    }
}

/// How long to wait at most for something that may take `limit` and must end by `deadline`.
pub fn within(deadline: Option<Instant>, limit: Duration) -> Duration {
    match deadline {
        Some(deadline) => limit.min(deadline.saturating_duration_since(Instant::now())),
        None => limit,
    }
}

fn failed(ctx: &mut RequestCtx, error: ProxyError) -> Broken {
    settle(ctx, error);
    Broken::BeforeAnswer(error)
}

fn in_answer(ctx: &mut RequestCtx, error: ProxyError) -> Broken {
    settle(ctx, error);
    Broken::InAnswer(error)
}

fn settle(ctx: &mut RequestCtx, error: ProxyError) {
    ctx.failed(error);
    if let Some(lease) = &mut ctx.lease {
        lease.settle(Ending::Failed(error.reason), Instant::now());
    }
}

/// The error that makes Pingora drop the client's connection, so that a broken answer looks broken.
pub fn broken_answer(error: ProxyError) -> pingora::BError {
    let mut dropped = Error::explain(ErrorType::ConnectionClosed, error.to_string());
    dropped.esource = match error.reason {
        Reason::ClientGone | Reason::ClientTooSlow => ErrorSource::Downstream,
        _ => ErrorSource::Upstream,
    };
    dropped
}
