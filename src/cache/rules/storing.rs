//! May a response be stored, and on which terms?

use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, ETAG, LAST_MODIFIED, SET_COOKIE, VARY};
use http::{HeaderMap, Method, StatusCode};

use super::age::initial_age;
use super::said::Said;
use super::status::{is_storable, is_understood};
use super::{Origin, Refusal, Settings, Terms, Wishes, date, freshness};

/// What was asked, as far as that decides about storing the answer.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'r> {
    /// The method.
    pub method: &'r Method,
    /// The fields, as the client sent them.
    pub fields: &'r HeaderMap,
    /// Whether our own access policies tie it to a user.
    pub identified: bool,
}

/// What was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'r> {
    /// The status.
    pub status: StatusCode,
    /// The fields, as the endpoint sent them.
    pub fields: &'r HeaderMap,
    /// When it was asked for.
    pub requested: SystemTime,
    /// When its head had come.
    pub received: SystemTime,
}

/// Whether an answer may be stored (RFC 9111 §3), and on which terms it may then be used. What may be stored and is of
/// no use is refused too: nothing that is stale when it comes, unless it can be validated or used stale.
pub fn keep(asked: &Asked, answered: &Answered, settings: &Settings) -> Result<Terms, Refusal> {
    decide(asked, answered, answered.fields, settings)
}

/// The terms of a stored response of this `status` after the endpoint `answered` with 304 that it is still good.
/// `fields` are its own, freshened by those of that answer.
pub fn freshened(
    asked: &Asked,
    status: StatusCode,
    fields: &HeaderMap,
    answered: &Answered,
    settings: &Settings,
) -> Result<Terms, Refusal> {
    let answered = Answered {
        status,
        ..*answered
    };
    decide(asked, &answered, fields, settings)
}

/// `fields` tell how it may be stored; how old it is tell those of the answer.
fn decide(
    asked: &Asked,
    answered: &Answered,
    fields: &HeaderMap,
    settings: &Settings,
) -> Result<Terms, Refusal> {
    let said = match settings.origin {
        Origin::Respect => Said::read(fields),
        Origin::Override => Said::default(),
    };
    let refusal = refusal(asked, answered.status, fields, &said);
    let terms = refusal.map_or_else(|| terms(answered, fields, &said, settings), Err);
    terms.map_err(|refusal| match answered.status.is_server_error() {
        true => Refusal::Failure,
        false => refusal,
    })
}

/// Why it must not be stored, whatever it says about how long it is fresh.
fn refusal(asked: &Asked, status: StatusCode, fields: &HeaderMap, said: &Said) -> Option<Refusal> {
    let understood = said.must_understand && is_understood(status);
    let identified = asked.identified || asked.fields.contains_key(AUTHORIZATION);
    [
        (
            !matches!(*asked.method, Method::GET | Method::HEAD),
            Refusal::Method,
        ),
        (Wishes::read(asked.fields).no_store, Refusal::RequestNoStore),
        (
            !is_storable(status) || said.must_understand && !understood,
            Refusal::Status,
        ),
        // Who understands the status need not heed it: it is for who does not (§5.2.2.3).
        (said.no_store && !understood, Refusal::NoStore),
        (said.private, Refusal::Private),
        (
            identified && !said.is_for_everyone(),
            Refusal::Authorization,
        ),
        (varies_on_all(fields), Refusal::VaryAny),
    ]
    .into_iter()
    .find_map(|(is_so, refusal)| is_so.then_some(refusal))
}

fn terms(
    answered: &Answered,
    fields: &HeaderMap,
    said: &Said,
    settings: &Settings,
) -> Result<Terms, Refusal> {
    let received = answered.received;
    let initial_age = initial_age(answered.fields, answered.requested, received);
    let explicit = match settings.origin {
        Origin::Respect => freshness::explicit(said, fields, received),
        Origin::Override => None,
    };
    if fields.contains_key(SET_COOKIE) && (settings.refuse_cookies || explicit.is_none()) {
        return Err(Refusal::SetCookie);
    }
    let longest = settings.max_ttl.unwrap_or(Duration::MAX);
    let by_operator = || {
        let ttl = settings.default_ttl.of(answered.status)?;
        // The operator counts from now, not from when the endpoint made it.
        Some(ttl.min(longest).saturating_add(initial_age))
    };
    let lifetime = match explicit {
        Some(lifetime) => Some(lifetime.min(longest)),
        None => by_operator().or_else(|| {
            let guess = freshness::heuristic(said, answered.status, fields, received)?;
            Some(guess.min(longest))
        }),
    };
    let window = |said: Option<Duration>, else_: Duration| said.unwrap_or(else_);
    let strict = said.is_strict();
    let terms = Terms {
        received,
        initial_age,
        lifetime: lifetime.unwrap_or_default(),
        while_revalidate: window(said.while_revalidate, settings.while_revalidate),
        if_error: window(said.if_error, settings.if_error),
        strict,
        validate: said.no_cache,
        immutable: said.immutable,
    };
    let can_be_asked = has_validator(fields);
    if said.no_cache {
        return can_be_asked.then_some(terms).ok_or(Refusal::NoCache);
    }
    let over = initial_age.checked_sub(terms.lifetime);
    let is_of_use = match over {
        None => true,
        Some(over) => {
            let stale = terms.while_revalidate.max(terms.if_error);
            lifetime.is_some() && (can_be_asked || !strict && over < stale)
        }
    };
    match (is_of_use, lifetime) {
        (true, _) => Ok(terms),
        (false, Some(_)) => Err(Refusal::Stale),
        (false, None) => Err(Refusal::NoFreshness),
    }
}

fn varies_on_all(fields: &HeaderMap) -> bool {
    let lines = fields.get_all(VARY).iter();
    let mut names = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    names.any(|name| name.trim_ascii() == b"*")
}

fn has_validator(fields: &HeaderMap) -> bool {
    let modified = fields.get(LAST_MODIFIED).map(|line| line.as_bytes());
    fields.contains_key(ETAG) || modified.and_then(date::read).is_some()
}
