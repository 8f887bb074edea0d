//! What became of each attempt of a request?
//!
//! Nearly every request has one, and what its context holds says everything about that. So an attempt is noted here only
//! when another one follows it, or ran beside it.

use std::time::{Duration, Instant};

use super::ctx::RequestCtx;
use crate::error::EndedBy;
use crate::pool::{Ending, Lease};
use crate::telemetry::record::Attempt;

/// More attempts than these are counted, but not noted.
const MOST: usize = 32;

/// The attempts of a request before its last one, in the order they ended, and what there is to tell of the last one beside
/// what the context says.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    past: Vec<Attempt>,
    /// When the last attempt's endpoint was chosen.
    began: Option<Instant>,
    /// Whether the last attempt was made beside another one.
    hedge: bool,
}

impl Trail {
    /// Begins with an attempt.
    pub fn begin(&mut self, lease: &Lease, hedge: bool) {
        self.began = Some(lease.taken());
        self.hedge = hedge;
    }

    /// Adds one that has ended.
    pub fn add(&mut self, attempt: Attempt) {
        if self.past.len() < MOST {
            self.past.push(attempt);
        }
    }
}

/// Adds the last attempt, which ended so, because another one is to follow.
pub fn note(ctx: &mut RequestCtx, ending: Ending) {
    if let Some(mut last) = last(ctx) {
        match ending {
            Ending::Answered(status) => last.status = Some(status),
            Ending::Failed(reason) => last.reason = Some(reason),
            Ending::Outrun | Ending::Untold => {}
        }
        ctx.trail.add(last);
    }
}

/// Adds the last attempt, if it is not there yet: the request begins anew, or is over.
pub fn close(ctx: &mut RequestCtx) {
    if let Some(last) = open(ctx) {
        ctx.trail.add(last);
    }
}

/// Every attempt of a request that is [closed](close), if there was more than one.
pub fn past(ctx: &RequestCtx) -> &[Attempt] {
    let several = ctx.attempts > 1;
    if several { &ctx.trail.past } else { &[] }
}

/// The last attempt, if it is not among the others.
fn open(ctx: &RequestCtx) -> Option<Attempt> {
    let noted = ctx.trail.past.len();
    if noted >= MOST || noted >= ctx.attempts as usize {
        return None;
    }
    let mut last = last(ctx)?;
    let reason = ctx.failure.map(|failure| failure.reason);
    // Once there is an answer, a client that goes away says nothing about the attempt.
    last.reason =
        reason.filter(|reason| last.status.is_none() || reason.ended_by() == EndedBy::Endpoint);
    Some(last)
}

/// The last attempt, as far as the context knows it.
fn last(ctx: &RequestCtx) -> Option<Attempt> {
    let endpoint = ctx.endpoint.clone()?;
    let answered = ctx
        .sent
        .zip(ctx.first_byte)
        .map(|(sent, after)| sent + after);
    let end = answered.unwrap_or_else(Instant::now);
    let duration = ctx
        .trail
        .began
        .map(|began| end.saturating_duration_since(began));
    Some(Attempt {
        endpoint,
        status: ctx.upstream_status,
        reason: None,
        connect: ctx.connect,
        first_byte: ctx.first_byte,
        duration: duration.unwrap_or(Duration::ZERO),
        hedge: ctx.trail.hedge,
    })
}
