//! May a response be stored, and on which terms?

use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, SET_COOKIE};
use http::{HeaderMap, Method, StatusCode};

use super::age::initial_age;
use super::said::Said;
use super::status::{is_storable, is_understood};
use super::{Origin, Refusal, Settings, Terms, Validators, Vary, Wishes, freshness};

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
            identified && !said.is_for_everyone(),
            Refusal::Authorization,
        ),
        (
            !is_storable(status) || said.must_understand && !understood,
            Refusal::Status,
        ),
        // Who understands the status need not heed it: it is for who does not (§5.2.2.3).
        (said.no_store && !understood, Refusal::NoStore),
        (said.private, Refusal::Private),
        (Vary::of(fields) == Vary::Any, Refusal::VaryAny),
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
    let lifetime = explicit.or_else(|| match settings.default_ttl.of(answered.status) {
        // The operator counts from when it came, not from when the endpoint made it.
        Some(ttl) => (!ttl.is_zero()).then(|| ttl.saturating_add(initial_age)),
        None if settings.origin == Origin::Override => None,
        None => freshness::heuristic(said, answered.status, fields, received),
    });
    let longest = match said.no_cache {
        true => Duration::ZERO,
        false => settings
            .max_ttl
            .unwrap_or(Duration::MAX)
            .saturating_add(initial_age),
    };
    let terms = Terms {
        received,
        initial_age,
        lifetime: lifetime.unwrap_or_default().min(longest),
        while_revalidate: said.while_revalidate.unwrap_or(settings.while_revalidate),
        if_error: said.if_error.unwrap_or(settings.if_error),
        strict: said.is_strict(),
        validate: said.no_cache,
        immutable: said.immutable,
    };
    let can_be_asked = Validators::of(fields).are_there();
    if said.no_cache {
        return can_be_asked.then_some(terms).ok_or(Refusal::NoCache);
    }
    if lifetime.is_none() {
        return Err(Refusal::NoFreshness);
    }
    let is_of_use = can_be_asked || may_be_used_unasked(&terms);
    is_of_use.then_some(terms).ok_or(Refusal::Stale)
}

/// Whether a response that has just come may ever be used without asking about it.
fn may_be_used_unasked(terms: &Terms) -> bool {
    terms.stale_for(None, terms.received).is_none_or(|stale| {
        let window = terms.while_revalidate.max(terms.if_error);
        !terms.strict && stale < window
    })
}
