//! Is a token that its issuer has signed good for this request?

use std::time::Duration;

use serde_json::Value;

use super::algorithm::Algorithm;
use super::fault::Fault;
use super::members::Members;
use crate::route::claim;

/// What must be true of a token, beside its signature.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What it may be signed with.
    pub algorithms: Box<[Algorithm]>,
    /// Who may have issued it; empty for anyone who has the key.
    pub issuers: Box<[Box<str>]>,
    /// For whom it may be; empty for anyone.
    pub audiences: Box<[Box<str>]>,
    /// How far the issuer's clock may be off.
    pub leeway: Duration,
    /// Claims that it must have.
    pub required: Box<[Box<str>]>,
    /// Claims that must have one of these values; of a list, one item.
    pub values: Box<[OneOf]>,
    /// Scopes that it must have, all of them.
    pub scopes: Box<[Box<str>]>,
}

/// A claim, and the values that it may have.
pub type OneOf = (Box<str>, Box<[Box<str>]>);

impl Rules {
    /// Whether these claims are good at `now`, in seconds since 1970; and if so, until when.
    ///
    /// # Errors
    ///
    /// The [`Fault`] if they are not.
    pub fn check(&self, claims: &Members, now: f64) -> Result<f64, Fault> {
        let leeway = self.leeway.as_secs_f64();
        // RFC 7519 §4.1.4: on or after that time it must not be accepted.
        let until = time(claims, "exp")?.ok_or(Fault::Expired)? + leeway;
        if now >= until {
            return Err(Fault::Expired);
        }
        for name in ["nbf", "iat"] {
            if time(claims, name)?.is_some_and(|time| now + leeway < time) {
                return Err(Fault::NotYet);
            }
        }
        if !self.issuers.is_empty() {
            let issuer = claims.get("iss").and_then(Value::as_str);
            if !issuer.is_some_and(|issuer| self.issuers.iter().any(|one| **one == *issuer)) {
                return Err(Fault::Issuer);
            }
        }
        if !self.audiences.is_empty() {
            let audience = claims.get("aud").ok_or(Fault::Audience)?;
            if !is_one_of(audience, &self.audiences) {
                return Err(Fault::Audience);
            }
        }
        let is_there = |name: &str| claim(claims, name).is_some_and(|value| !value.is_null());
        if !self.required.iter().all(|name| is_there(name)) {
            return Err(Fault::Claim);
        }
        for (name, wanted) in &self.values {
            if !claim(claims, name).is_some_and(|value| is_one_of(value, wanted)) {
                return Err(Fault::Value);
            }
        }
        if !self.scopes.iter().all(|scope| has_scope(claims, scope)) {
            return Err(Fault::Scope);
        }
        Ok(until)
    }
}

/// A time in a token: seconds since 1970, which may have a fraction (RFC 7519 §2).
fn time(claims: &Members, name: &str) -> Result<Option<f64>, Fault> {
    match claims.get(name) {
        None => Ok(None),
        Some(time) => time.as_f64().map(Some).ok_or(Fault::Malformed),
    }
}

/// Whether a value, or one item of a list, is one of these.
fn is_one_of(value: &Value, wanted: &[Box<str>]) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| is_one(item, wanted)),
        value => is_one(value, wanted),
    }
}

fn is_one(value: &Value, wanted: &[Box<str>]) -> bool {
    match value {
        Value::String(text) => wanted.iter().any(|one| **one == **text),
        Value::Bool(_) | Value::Number(_) => {
            let text = value.to_string();
            wanted.iter().any(|one| **one == *text)
        }
        _ => false,
    }
}

/// Scopes are words in `scope` (RFC 8693 §4.2, RFC 9068 §2.2.3); some issuers write them as `scp`, and as a list.
fn has_scope(claims: &Members, scope: &str) -> bool {
    let in_value = |value: &Value| match value {
        Value::String(words) => words.split(' ').any(|word| word == scope),
        Value::Array(items) => items.iter().any(|item| item.as_str() == Some(scope)),
        _ => false,
    };
    ["scope", "scp"]
        .into_iter()
        .any(|name| claims.get(name).is_some_and(in_value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_000_000.0;

    fn check(rules: &Rules, claims: &Value) -> Result<f64, Fault> {
        let mut claims = claims.as_object().expect("an object").clone();
        claims.entry("exp").or_insert_with(|| (NOW + 100.0).into());
        rules.check(&claims, NOW)
    }

    fn texts(texts: &[&str]) -> Box<[Box<str>]> {
        texts.iter().map(|text| Box::from(*text)).collect()
    }

    #[test]
    fn a_token_is_good_from_its_first_second_to_before_its_last_and_the_leeway_on_both_sides() {
        let strict = Rules::default();
        let lax = Rules {
            leeway: Duration::from_secs(60),
            ..Rules::default()
        };
        let exp = |at: f64| serde_json::json!({ "exp": NOW + at });
        assert_eq!(check(&strict, &exp(0.0)), Err(Fault::Expired));
        assert_eq!(check(&strict, &exp(0.5)), Ok(NOW + 0.5));
        assert_eq!(check(&strict, &exp(1.0)), Ok(NOW + 1.0));
        assert_eq!(check(&lax, &exp(-60.0)), Err(Fault::Expired));
        assert_eq!(check(&lax, &exp(-59.0)), Ok(NOW + 1.0));
        for name in ["nbf", "iat"] {
            let from = |at: f64| serde_json::json!({ name: NOW + at });
            assert!(check(&strict, &from(0.0)).is_ok());
            assert_eq!(check(&strict, &from(1.0)), Err(Fault::NotYet));
            assert!(check(&lax, &from(60.0)).is_ok());
            assert_eq!(check(&lax, &from(61.0)), Err(Fault::NotYet));
        }
    }

    #[test]
    fn a_time_is_a_number_and_the_end_must_be_there() {
        let rules = Rules::default();
        assert_eq!(rules.check(&Members::new(), NOW), Err(Fault::Expired));
        for bad in ["\"2000000\"", "null", "true", "[2000000]"] {
            let bad: Value = serde_json::from_str(bad).expect("JSON");
            for name in ["exp", "nbf", "iat"] {
                let claims = serde_json::json!({ name: bad });
                assert_eq!(check(&rules, &claims), Err(Fault::Malformed), "{claims}");
            }
        }
        let forever = serde_json::json!({ "exp": 1e300 });
        assert!(check(&rules, &forever).is_ok());
        let never = serde_json::json!({ "exp": -5 });
        assert_eq!(check(&rules, &never), Err(Fault::Expired));
    }

    #[test]
    fn the_issuer_is_one_of_those_named_and_the_audience_has_one_of_those_named() {
        let rules = Rules {
            issuers: texts(&["https://a/", "https://b/"]),
            audiences: texts(&["api", "web"]),
            ..Rules::default()
        };
        let check =
            |iss: Value, aud: Value| check(&rules, &serde_json::json!({ "iss": iss, "aud": aud }));
        assert!(check("https://a/".into(), "api".into()).is_ok());
        assert!(check("https://b/".into(), vec!["x", "web"].into()).is_ok());
        for issuer in [
            Value::Null,
            "".into(),
            "https://a".into(),
            "https://a/x".into(),
            vec!["https://a/"].into(),
        ] {
            assert_eq!(check(issuer, "api".into()), Err(Fault::Issuer));
        }
        for audience in [
            Value::Null,
            "apis".into(),
            vec!["x"].into(),
            Value::Array(vec![]),
            "api web".into(),
        ] {
            assert_eq!(check("https://a/".into(), audience), Err(Fault::Audience));
        }
    }

    #[test]
    fn required_claims_are_there_and_those_with_values_have_one_of_them() {
        let rules = Rules {
            required: texts(&["sub", "realm.roles"]),
            values: Box::new([
                ("tenant".into(), texts(&["acme", "beta"])),
                ("level".into(), texts(&["2", "true"])),
            ]),
            ..Rules::default()
        };
        let good = serde_json::json!({ "sub": "me", "realm": { "roles": [] }, "tenant": "acme", "level": 2 });
        assert!(check(&rules, &good).is_ok());
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            check(&rules, &claims)
        };
        assert_eq!(with("sub", Value::Null), Err(Fault::Claim));
        assert_eq!(with("realm", Value::Null), Err(Fault::Claim));
        assert!(with("tenant", vec!["x", "beta"].into()).is_ok());
        assert!(with("level", true.into()).is_ok());
        assert_eq!(with("tenant", "gamma".into()), Err(Fault::Value));
        assert_eq!(with("tenant", Value::Null), Err(Fault::Value));
        assert_eq!(with("level", 22.into()), Err(Fault::Value));
    }

    #[test]
    fn every_scope_is_wanted_wherever_the_issuer_writes_them() {
        let rules = Rules {
            scopes: texts(&["read", "write"]),
            ..Rules::default()
        };
        for good in [
            serde_json::json!({ "scope": "write other read" }),
            serde_json::json!({ "scp": ["read", "write"] }),
            serde_json::json!({ "scp": "read write" }),
        ] {
            assert!(check(&rules, &good).is_ok(), "{good}");
        }
        for bad in [
            serde_json::json!({}),
            serde_json::json!({ "scope": "read" }),
            serde_json::json!({ "scope": "read writer" }),
            serde_json::json!({ "scope": ["read write"] }),
        ] {
            assert_eq!(check(&rules, &bad), Err(Fault::Scope), "{bad}");
        }
    }
}
