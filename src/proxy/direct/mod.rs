//! How is a request without body carried to an HTTP/1 endpoint, straight, inside `request_filter`?
//!
//! One task, no channels: the request goes out, the response's header comes in ([`ask`]), and its body is passed on piece
//! by piece ([`answer`]). While it waits for the endpoint it listens to the client, so that a client that leaves ends the
//! work; while it waits for the client it reads nothing, which is the back-pressure.

mod answer;

use std::pin::Pin;
use std::sync::Arc;

use http::Version;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};

use super::again::Repeatable;
use super::ask::{self, Asker, Limits};
use super::attempt;
use super::ctx::RequestCtx;
use super::presence::{Gone, client_gone, while_client_stays};
use crate::config::runtime::Carrier;
use crate::error::{Phase, ProxyError, Reason};
use crate::pool::Protocol;
use crate::upstream::idle::IdlePool;
pub use answer::{frame, lost, write_in_time};

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
    let limits = Limits::of(ctx, timeouts);
    let asked = ask::ask(session, ctx, &pool, idle, &limits).await;
    let (mut exchange, endpoint) = asked.map_err(Broken::BeforeAnswer)?;
    answer::answer(session, ctx, &mut exchange, &limits).await?;
    exchange.keep(&pool, &endpoint, idle).await;
    Ok(())
}

impl Asker for Session {
    fn request(&self) -> &RequestHeader {
        self.req_header()
    }

    fn repeatable(&self) -> Repeatable {
        Repeatable::of(self)
    }

    fn while_waited_for<T: Send>(
        &mut self,
        work: Pin<&mut (impl Future<Output = T> + Send)>,
    ) -> impl Future<Output = Result<T, Gone>> + Send {
        while_client_stays(self, work)
    }

    async fn interim(
        &mut self,
        ctx: &mut RequestCtx,
        header: &ResponseHeader,
    ) -> Result<(), ProxyError> {
        // A client of HTTP/1.1 may see it.
        if ctx.version != Version::HTTP_11 {
            return Ok(());
        }
        let passed_on = attempt::response_from(header, ctx);
        ctx.repeats.answered = true;
        let client = self.as_downstream_mut();
        let written = client.write_response_header(passed_on).await;
        written.map_err(|_| client_gone(Phase::Response))
    }
}

/// Takes note of why nothing was answered.
pub fn failed(ctx: &mut RequestCtx, error: ProxyError) -> Broken {
    Broken::BeforeAnswer(ask::failed(ctx, error))
}

/// Takes note of why an answer broke off.
pub fn in_answer(ctx: &mut RequestCtx, error: ProxyError) -> Broken {
    Broken::InAnswer(ask::failed(ctx, error))
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
