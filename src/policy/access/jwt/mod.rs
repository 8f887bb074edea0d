//! Does the request bring a token of somebody who may come in (RFC 7519, RFC 6750)?
//!
//! Which algorithm verifies a token is the word of the key and of the configuration; a token's own word is compared with
//! it, and never believed. So a public key can't be taken for a secret, and `none` is nothing.

pub mod algorithm;
pub mod bearer;
pub mod fault;
pub mod keys;
pub mod members;
pub mod rules;
pub mod source;
#[cfg(test)]
mod tests;
pub mod token;
pub mod verified;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::{Access, Asked, Edit, Granted, Place, Refusal, SecretParameter, Verdict};
use crate::error::Reason;
use crate::route::claim;
use crate::telemetry::metrics::TokenMetrics;
use fault::{Challenges, Fault};
use keys::KeySet;
use rules::Rules;
use source::KeySource;
use token::Token;
use verified::{Verified, VerifiedTokens};

/// When to come again where there are no keys yet.
const NO_KEYS_WAIT: Duration = Duration::from_secs(2);

/// Lets requests in that bring a token.
pub struct Jwt {
    /// Where in the request it is.
    pub place: Place,
    /// Who may have signed it.
    pub keys: Keys,
    /// What must be true of it.
    pub rules: Rules,
    /// The fields that tell the endpoint of its claims. A client's own fields of these names never get there.
    pub headers: Box<[(HeaderName, Box<str>)]>,
    /// Whether the endpoint gets the token itself.
    pub forward: bool,
    /// Whether a request may go on that has nothing where the token would be.
    pub optional: bool,
    /// What those are told that may not.
    pub challenges: Challenges,
    /// Tokens that were found good by these rules.
    pub verified: Arc<VerifiedTokens>,
    /// Its metrics.
    pub metrics: TokenMetrics,
}

/// The keys that tokens may be signed with.
pub enum Keys {
    /// They stand in the configuration, or in a file that it names.
    Given(Arc<KeySet>),
    /// They are fetched.
    Fetched(Arc<KeySource>),
}

/// Why a request may not go on.
enum Refused {
    /// Its token is not good.
    Fault(Fault),
    /// Nobody knows whether it is: there are no keys.
    NoKeys,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Access for Jwt {
    fn decide(&self, asked: &Asked<'_>, granted: &mut Granted) -> Verdict {
        match self.examine(asked) {
            Ok(verified) => {
                // What a client says itself about claims is not believed; also where the token has no such claim.
                let told = self.headers.iter().map(|(name, _)| name.clone());
                granted.to_endpoint.extend(told.map(Edit::Disown));
                if let Some(verified) = verified {
                    if !self.forward {
                        self.place.remove(&mut granted.to_endpoint);
                    }
                    granted.to_endpoint.extend_from_slice(&verified.edits);
                    if verified.user.is_some() {
                        granted.user.clone_from(&verified.user);
                    }
                    granted.claims = Some(Arc::clone(&verified.claims));
                }
                Verdict::pass()
            }
            Err(Refused::Fault(fault)) => {
                if fault == Fault::Missing {
                    self.metrics.missing.inc();
                } else {
                    self.metrics.refused.inc();
                }
                let (name, value) = self.challenges.field(fault);
                granted.to_client.push(Edit::Set(name, value));
                let reason = if fault.is_forbidden() {
                    Reason::Forbidden
                } else {
                    Reason::Unauthenticated
                };
                Verdict::refuse(Refusal::new(reason))
            }
            Err(Refused::NoKeys) => {
                self.metrics.no_keys.inc();
                Verdict::refuse(Refusal {
                    reason: Reason::AuthUnavailable,
                    retry_after: Some(NO_KEYS_WAIT),
                })
            }
        }
    }

    fn secret_parameter(&self) -> Option<SecretParameter> {
        self.place.secret(self.forward)
    }
}

impl Jwt {
    /// What the request's token says; `None` if it has none and need not.
    fn examine(&self, asked: &Asked<'_>) -> Result<Option<Arc<Verified>>, Refused> {
        let Some(text) = bearer::token(&self.place, asked.request)? else {
            return if self.optional {
                Ok(None)
            } else {
                Err(Fault::Missing.into())
            };
        };
        let keys = match &self.keys {
            Keys::Given(keys) => Arc::clone(keys),
            Keys::Fetched(source) => source.keys().ok_or(Refused::NoKeys)?,
        };
        let now = seconds(asked.time);
        // Before it is hashed: what a client may send is longer.
        if text.len() > token::LONGEST {
            return Err(Fault::TooLong.into());
        }
        let id = verified::id(&text);
        if let Some(known) = self.verified.find(&id, keys.version(), now) {
            self.metrics.cached.inc();
            return Ok(Some(known));
        }
        let verified = Arc::new(self.verify(&text, &keys, now)?);
        self.verified.remember(id, &verified);
        self.metrics.verified.inc();
        Ok(Some(verified))
    }

    fn verify(&self, text: &str, keys: &KeySet, now: f64) -> Result<Verified, Fault> {
        let token = Token::read(text)?;
        keys.verify(&token, &self.rules.algorithms)
            .inspect_err(|fault| {
                // One that names no key may be signed with a new one as well.
                let may_be_new = *fault == Fault::UnknownKey
                    || *fault == Fault::Signature && token.key.is_none();
                if let (true, Keys::Fetched(source)) = (may_be_new, &self.keys) {
                    source.want();
                }
            })?;
        let claims = token.claims()?;
        let until = self.rules.check(&claims, now)?;
        let told = self.headers.iter().filter_map(|(name, source)| {
            let value = claim(&claims, source).and_then(field_value)?;
            Some(Edit::Set(name.clone(), value))
        });
        Ok(Verified {
            user: claims.get("sub").and_then(Value::as_str).map(Arc::from),
            edits: told.collect(),
            until,
            keys: *keys.version(),
            claims: Arc::new(claims),
        })
    }
}

/// A claim as a field: text, numbers and truth values as they are, lists of them with commas in between. An item with a comma
/// of its own is left out, or it would be read as two. Objects, and what can't stand in a field, are left out too.
fn field_value(claim: &Value) -> Option<HeaderValue> {
    let text = match claim {
        Value::Array(items) => {
            let items = items.iter().filter_map(plain);
            let items: Vec<String> = items.filter(|item| !item.contains(',')).collect();
            items.join(",")
        }
        claim => plain(claim)?,
    };
    HeaderValue::from_bytes(text.as_bytes()).ok()
}

fn plain(claim: &Value) -> Option<String> {
    match claim {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(claim.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64()
}
