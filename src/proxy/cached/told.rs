//! What do log, metric and client learn of the cache's part in a request?

use super::{Asking, Served};
use crate::cache::CacheResult;
use crate::cache::rules::{CacheStatus, Forward};
use crate::error::{Phase, ProxyError, Reason};
use crate::proxy::ctx::RequestCtx;
use crate::proxy::direct::{Broken, failed};
use crate::proxy::fetch::Told;

/// Leaves the request to the carriers.
pub fn carry(ctx: &mut RequestCtx, why: Forward) -> Served {
    pass_by(ctx, why);
    Served::Carry
}

/// Takes note of why a request goes its own way.
pub fn pass_by(ctx: &mut RequestCtx, why: Forward) {
    let result = match why {
        Forward::Bypass | Forward::Method | Forward::Request => CacheResult::Bypass,
        _ => CacheResult::Miss,
    };
    tell(ctx, result, CacheStatus::forwarded(why));
}

/// What a request counts as for which something had to be fetched.
pub fn fetched(why: Forward) -> CacheResult {
    match why {
        Forward::Stale => CacheResult::Expired,
        _ => CacheResult::Miss,
    }
}

/// Takes note of the cache's part in a request: for log and metric, and for the client.
pub fn tell(ctx: &mut RequestCtx, result: CacheResult, status: CacheStatus) {
    ctx.cache = Some(result);
    ctx.cache_status = Some(status);
}

impl Asking<'_> {
    pub(super) fn not_cached(&mut self) -> Broken {
        let status = CacheStatus {
            detail: Some("only-if-cached"),
            ..CacheStatus::default()
        };
        tell(self.ctx, CacheResult::Miss, status);
        failed(self.ctx, ProxyError::new(Reason::NotCached, Phase::Route))
    }

    /// Takes note of how it was fetched, for its line in the log.
    pub(super) fn note(&mut self, told: &Told) {
        let ctx = &mut *self.ctx;
        ctx.attempts = told.attempts;
        ctx.trail.clone_from(&told.trail);
        ctx.endpoint.clone_from(&told.endpoint);
        ctx.connect = told.connect;
        ctx.first_byte = told.first_byte;
        ctx.upstream_status = told.upstream_status;
        ctx.queued = told.queued;
        ctx.repeats.made = told.retries;
        ctx.retry_after = told.retry_after;
    }
}
