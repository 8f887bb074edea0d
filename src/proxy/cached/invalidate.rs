//! What is no longer as it was stored, once a request has changed it?

use http::{HeaderMap, Method};
use pingora::http::ResponseHeader;

use crate::cache::KeyParts;
use crate::cache::key::hash;
use crate::cache::rules::{Changed, Place as Asked, invalidated, is_unsafe};

use super::parts;
use crate::proxy::ctx::RequestCtx;
use crate::route::Request;

/// Where a request went that may change what is stored.
pub struct Changing {
    method: Method,
    host: String,
    port: Option<u16>,
    path: String,
    query: Option<String>,
    /// Where the key has fields or cookies, it is the request's own object that changes: a purge of the address under all
    /// of them, which any client could order by a POST, would cost all others more than it is worth.
    fields: HeaderMap,
}

impl Changing {
    /// What a request may change, if there is anything on its listener that could have been stored.
    pub fn by(request: &Request<'_>, parts: &KeyParts<'_>) -> Option<Box<Self>> {
        is_unsafe(request.method).then(|| {
            Box::new(Self {
                method: request.method.clone(),
                host: parts.host.to_owned(),
                port: parts.port,
                path: parts.path.to_owned(),
                query: parts.query.map(str::to_owned),
                fields: parts.fields.clone(),
            })
        })
    }
}

/// Removes what an endpoint's answer says is no longer true (RFC 9111 §4.4).
pub fn invalidate(header: &ResponseHeader, ctx: &mut RequestCtx) {
    let Some(changing) = ctx.changing.take() else {
        return;
    };
    let asked = Asked {
        scheme: ctx.scheme.as_str(),
        host: &changing.host,
        port: changing.port,
        path: &changing.path,
        query: changing.query.as_deref(),
    };
    for changed in invalidated(&changing.method, header.status, &header.headers, &asked) {
        forget(&changed, &changing, ctx);
    }
}

/// Removes what the route that would answer a GET for this address has stored.
fn forget(changed: &Changed, changing: &Changing, ctx: &RequestCtx) {
    let Some(listener) = &ctx.listener else {
        return;
    };
    let request = Request {
        host: &changing.host,
        path: &changed.path,
        query: changed.query.as_deref(),
        method: &Method::GET,
        headers: &changing.fields,
    };
    let found = listener.routes.find(&request);
    let Some(rule) = found.and_then(|(route, _)| route.cache.as_ref()) else {
        return;
    };
    let address = KeyParts {
        scheme: ctx.scheme.as_str(),
        host: &changing.host,
        port: changing.port,
        path: &changed.path,
        query: changed.query.as_deref(),
        fields: &changing.fields,
    };
    let store = &ctx.snapshot.store;
    let mut key = Vec::new();
    rule.key.write(&rule.space, &address, &mut key);
    let hash = hash(&key);
    // First the fetches, so that none of them stores what was true before after it was removed.
    ctx.snapshot.flights.doom(hash);
    store.remove(hash);
    parts::forget(store, &key);
}
