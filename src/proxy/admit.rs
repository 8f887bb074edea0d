//! May the request go on? Asks the policies that decide it, one after the other, and takes up again where one had to wait.

use std::sync::Arc;
use std::time::Instant;

use pingora::http::RequestHeader;

use super::ctx::RequestCtx;
use super::decide::{Next, Step};
use super::facts::wants_websocket;
use crate::error::{Phase, ProxyError};
use crate::policy::access::subrequest::{Subrequest, Unanswered};
use crate::policy::access::{Access, Asked, Granted, Refusal, Reply, Ruling, Verdict};
use crate::route::Request;

/// Asks `policies`, before which there are `before` others on the line. Those that have let the request pass are not
/// asked again: what they count is counted once. `told_query` is what they may tell others of the query.
///
/// # Errors
///
/// One of them refuses the request.
pub fn admit(
    policies: &[Arc<dyn Access>],
    before: usize,
    header: &RequestHeader,
    request: &Request<'_>,
    told_query: Option<&str>,
    ctx: &mut RequestCtx,
) -> Result<Option<Step>, ProxyError> {
    let left = policies.get(ctx.admitted.saturating_sub(before)..);
    let Some(left @ [_, ..]) = left else {
        return Ok(None);
    };
    let asked = Asked {
        request,
        told_query,
        target: header.raw_path(),
        client: ctx.client,
        scheme: ctx.scheme,
        upgrade: wants_websocket(header),
        // The clock is read once, unless something was waited for.
        now: if ctx.paused {
            Instant::now()
        } else {
            ctx.started
        },
        time: ctx.time,
    };
    for policy in left {
        match policy.decide(&asked, &mut ctx.granted) {
            Verdict::Now(ruling) => {
                if let Some(next) = follow(ruling, ctx)? {
                    return Ok(Some(next.into()));
                }
            }
            Verdict::Later(later) => return Ok(Some(Step::Wait(later))),
            Verdict::Ask(subrequest) => return Ok(Some(Step::Ask(subrequest))),
        }
    }
    Ok(None)
}

/// Does what a ruling says that came later.
///
/// # Errors
///
/// It refuses the request.
pub fn settle(
    (ruling, granted): (Ruling, Granted),
    ctx: &mut RequestCtx,
) -> Result<Option<Next>, ProxyError> {
    ctx.paused = true;
    ctx.granted.absorb(granted);
    follow(ruling, ctx)
}

/// Does what follows from a service's answer, or from there being none.
///
/// # Errors
///
/// The request is refused for it.
pub fn judge(
    subrequest: &Subrequest,
    answered: Result<Reply, Unanswered>,
    ctx: &mut RequestCtx,
) -> Result<Option<Next>, ProxyError> {
    ctx.paused = true;
    let ruling = subrequest.judge.judge(answered, &mut ctx.granted);
    follow(ruling, ctx)
}

/// What is to be done by it; nothing if the next policy is to be asked.
fn follow(ruling: Ruling, ctx: &mut RequestCtx) -> Result<Option<Next>, ProxyError> {
    match ruling {
        Ruling::Pass => {
            ctx.admitted += 1;
            Ok(None)
        }
        Ruling::Refuse(Refusal {
            reason,
            retry_after,
        }) => {
            ctx.retry_after = retry_after;
            Err(ProxyError::new(reason, Phase::Route))
        }
        Ruling::Answer(reply) => Ok(Some(Next::Answer(reply))),
    }
}
