//! What does a request lose, and an answer gain, in a pool whose clients come back by a cookie of Portcullis?

use http::StatusCode;
use http::header::SET_COOKIE;

use super::ctx::RequestCtx;
use super::forward::{Fields, Scheme, remove_cookie};
use crate::pool::Pool;

/// Takes the cookie out of the request that the endpoint gets: it is not the application's.
pub fn strip(fields: &mut impl Fields, pool: &Pool) {
    let Some(own) = pool.sticky.as_ref().and_then(|sticky| sticky.own()) else {
        return;
    };
    remove_cookie(fields, &own.set.name);
}

/// Sets the cookie in an answer, unless the client's names this endpoint already. The route's own changes come after it.
pub fn renew(fields: &mut impl Fields, status: StatusCode, ctx: &RequestCtx) {
    let sticky = ctx.pool().and_then(|(pool, _)| pool.sticky.as_ref());
    let Some(own) = sticky.and_then(|sticky| sticky.own()) else {
        return;
    };
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    let Some(lease) = ctx.lease.as_ref().filter(|lease| !lease.strays()) else {
        return;
    };
    let tls = ctx.scheme == Scheme::Https;
    if let Some(field) = own.renewed(lease.endpoint(), ctx.wish, tls, ctx.time) {
        fields.append(SET_COOKIE, field);
    }
}
