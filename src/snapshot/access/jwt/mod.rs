//! How does what is written about tokens become what requests are judged by?

mod fetched;
mod keys;

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use http::HeaderName;

use super::place::Credential;
use crate::config::access::Jwt as Written;
use crate::config::access::jwt::Texts;
use crate::config::{Spanned, Timespan};
use crate::policy::access::Access;
use crate::policy::access::jwt::fault::Challenges;
use crate::policy::access::jwt::rules::Rules;
use crate::policy::access::jwt::verified::{FoundBy, VerifiedTokens};
use crate::policy::access::jwt::{Jwt, Keys};
use crate::policy::headers::field_name;
use crate::snapshot::files::Sources;
use crate::snapshot::reporter::Reporter;

/// The largest leeway: with more, a token would hardly expire.
const MOST_LEEWAY: Timespan = Timespan::hours(1);
/// The shortest time between two fetches of a key set.
const LEAST_REFRESH: Timespan = Timespan::secs(1);
/// The most tokens that may be known at once.
const MOST_CACHED: u32 = 1_000_000;

/// What is looked for.
pub(super) const CREDENTIAL: Credential = Credential {
    key: "jwt.from",
    name: "a token",
    cookie: true,
    bearer: true,
    hint: "write `bearer`, `header.NAME`, `cookie.NAME` or `query.NAME`",
    in_query: (
        "a token in a query ends up in logs and histories, and who reads them can use it",
        "where clients can, use `bearer`",
    ),
};

/// Compiles it; what is wrong is reported.
pub(super) fn compile(
    written: &Spanned<Written>,
    route: &str,
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Arc<dyn Access>> {
    let jwt = &written.value;
    let algorithms = keys::algorithms(written, reporter);
    let keys = keys::keys(written, &algorithms, sources, reporter);
    let place = CREDENTIAL.place(&jwt.from, reporter);
    check_numbers(jwt, reporter);
    let scopes = texts("scopes", &jwt.scopes, written, reporter);
    let values = jwt.claim_values.iter().map(|(name, values)| {
        let key = format!("claim_values.{name}");
        if values.is_empty() {
            let message = "no value is good enough, so nobody could come in";
            reporter.error(&format!("jwt.{key}"), written, message, None);
        }
        (
            Box::from(name.as_str()),
            texts(&key, values, written, reporter),
        )
    });
    let values = values.collect();
    let rules = Rules {
        algorithms: algorithms?,
        issuers: texts("issuer", &jwt.issuer, written, reporter),
        audiences: texts("audience", &jwt.audience, written, reporter),
        leeway: jwt.leeway.as_duration(),
        required: jwt
            .required_claims
            .iter()
            .map(|name| Box::from(name.as_str()))
            .collect(),
        values,
        scopes,
    };
    let headers = headers(jwt, reporter);
    let challenges = Challenges::new(&jwt.realm, &rules.scopes);
    if challenges.is_none() {
        let message = format!(
            "`{}` can't stand in a header field",
            jwt.realm.escape_debug()
        );
        reporter.error("jwt.realm", &jwt.realm, message, None);
    }
    let (keys, place, challenges) = (keys?, place?, challenges?);
    if reporter.failed() {
        return None;
    }
    let found_by = found_by(jwt, &keys)?;
    let cache = jwt.cache.value as usize;
    let verified = &sources.state.verified_tokens;
    Some(Arc::new(Jwt {
        place,
        rules,
        headers,
        forward: jwt.forward,
        optional: jwt.optional,
        challenges,
        verified: verified.get_or_create(found_by, || VerifiedTokens::new(cache)),
        metrics: sources.state.metrics.tokens(route),
        keys,
    }))
}

/// What tells these rules and given keys from others: tokens that were found good by others are none that were by these.
fn found_by(jwt: &Written, keys: &Keys) -> Option<FoundBy> {
    let mut context = Context::new(&SHA256);
    context.update(&serde_json::to_vec(jwt).ok()?);
    if let Keys::Given(keys) = keys {
        context.update(keys.version());
    }
    context.finish().as_ref().try_into().ok().map(FoundBy)
}

fn headers(jwt: &Written, reporter: &mut Reporter<'_>) -> Box<[(HeaderName, Box<str>)]> {
    let mut headers = Vec::new();
    for (name, claim) in &jwt.claims_to_headers {
        let key = format!("jwt.claims_to_headers.{name}");
        match field_name(name) {
            Ok(name) => headers.push((name, Box::from(claim.as_str()))),
            Err(message) => reporter.error(&key, claim, message, None),
        }
        if claim.is_empty() {
            reporter.error(&key, claim, "a claim has a name", None);
        }
    }
    headers.into()
}

fn texts<T>(
    key: &str,
    written: &Texts,
    whole: &Spanned<T>,
    reporter: &mut Reporter<'_>,
) -> Box<[Box<str>]> {
    for text in &written.0 {
        // RFC 6749 §3.3.
        let in_scope = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        let (message, hint) = if text.is_empty() {
            ("an empty text is in no token".to_owned(), None)
        } else if key == "scopes" && !text.bytes().all(in_scope) {
            let message = format!("`{}` is not one scope", text.escape_debug());
            (message, Some("write several as a list: `[read, write]`"))
        } else {
            continue;
        };
        let at = text.position.clone().or_else(|| whole.position.clone());
        reporter.error_at(&format!("jwt.{key}"), at, message, hint);
    }
    written
        .0
        .iter()
        .map(|text| Box::from(text.as_str()))
        .collect()
}

fn check_numbers(jwt: &Written, reporter: &mut Reporter<'_>) {
    if jwt.leeway.value > MOST_LEEWAY {
        let message = format!("`{}` is more than {MOST_LEEWAY}", jwt.leeway);
        let hint = "clocks that are set are off by seconds";
        reporter.error("jwt.leeway", &jwt.leeway, message, Some(hint));
    }
    if let Some(refresh) = &jwt.refresh
        && refresh.value < LEAST_REFRESH
    {
        let message = format!("`{refresh}` is less than {LEAST_REFRESH}");
        reporter.error("jwt.refresh", refresh, message, Some("10m is usual"));
    }
    if jwt.cache.value > MOST_CACHED {
        let message = format!("`{}` is more than {MOST_CACHED}", jwt.cache);
        reporter.error("jwt.cache", &jwt.cache, message, None);
    }
}
