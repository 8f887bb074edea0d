//! Does a request ask the cache, and for what?

use http::header::CONNECTION;
use http::{HeaderMap, Method};

use super::find::Place;
use super::told::pass_by;
use crate::cache::rules::Forward;
use crate::cache::{KeyParts, Rule};
use crate::proxy::ctx::RequestCtx;
use crate::route::Request;

/// How long a key usually is, at most.
const KEY: usize = 192;

/// The words of `Connection` that say nothing about what is asked for.
const USUAL: [&[u8]; 6] = [
    b"keep-alive",
    b"close",
    b"te",
    b"upgrade",
    b"http2-settings",
    b"",
];

/// Takes note of what a request asks the cache for, or why it does not ask it.
pub fn want(rule: &Rule, request: &Request<'_>, parts: &KeyParts<'_>, ctx: &mut RequestCtx) {
    if !matches!(*request.method, Method::GET | Method::HEAD) {
        return pass_by(ctx, Forward::Method);
    }
    // Fields that the client's connection nominates reach no endpoint, and the key might go by them.
    if rule.is_bypassed(request) || nominates(request.headers) {
        return pass_by(ctx, Forward::Bypass);
    }
    let mut key = Vec::with_capacity(KEY);
    rule.key.write(&rule.space, parts, &mut key);
    ctx.wanted_object = Some(Box::new(Place::new(key)));
}

/// Whether `Connection` names fields that belong to the connection, beside the usual words.
fn nominates(fields: &HeaderMap) -> bool {
    fields.get_all(CONNECTION).iter().any(|line| {
        let mut words = line.as_bytes().split(|byte| *byte == b',');
        !words.all(|word| {
            let word = word.trim_ascii();
            USUAL.iter().any(|usual| word.eq_ignore_ascii_case(usual))
        })
    })
}
