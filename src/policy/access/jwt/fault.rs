//! Why is a token refused, and what is the client told?

use http::{HeaderName, HeaderValue, header::WWW_AUTHENTICATE};

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is none; or something at its place that is no token at all, such as a password.
    Missing,
    /// There are two, and endpoints differ in which one they take.
    Several,
    /// It is longer than [`LONGEST`](super::token::LONGEST).
    TooLong,
    /// It is not three parts of base64url with JSON in two of them, or one of its members is there twice.
    Malformed,
    /// What it is signed with is not allowed here, or not what its key is for.
    Algorithm,
    /// Its header demands something that is not known (`crit`, RFC 7515 §4.1.11).
    Critical,
    /// It names a key that is not known.
    UnknownKey,
    /// Its signature is not of the key it should be of.
    Signature,
    /// It has no time at which it expires, or that is over.
    Expired,
    /// It is not valid yet, or issued in the future.
    NotYet,
    /// It is of another issuer.
    Issuer,
    /// It is for someone else.
    Audience,
    /// A claim that it must have is missing.
    Claim,
    /// A claim has a value that is not enough for what is asked.
    Value,
    /// A scope is missing.
    Scope,
}

impl Fault {
    const ALL: [Self; 15] = [
        Self::Missing,
        Self::Several,
        Self::TooLong,
        Self::Malformed,
        Self::Algorithm,
        Self::Critical,
        Self::UnknownKey,
        Self::Signature,
        Self::Expired,
        Self::NotYet,
        Self::Issuer,
        Self::Audience,
        Self::Claim,
        Self::Value,
        Self::Scope,
    ];

    /// Whether the token is good, but not for this: 403 instead of 401 (RFC 6750 §3.1).
    pub const fn is_forbidden(self) -> bool {
        matches!(self, Self::Value | Self::Scope)
    }

    /// In words for the client. Nothing of the token or of the key is in them.
    const fn description(self) -> &'static str {
        match self {
            Self::Missing => "there is no token",
            Self::Several => "there is more than one token",
            Self::TooLong => "the token is too long",
            Self::Malformed => "the token is malformed",
            Self::Algorithm => "the token is signed with an algorithm that is not accepted",
            Self::Critical => "the token demands an extension that is not supported",
            Self::UnknownKey => "the token is signed with an unknown key",
            Self::Signature => "the signature is not valid",
            Self::Expired => "the token has expired",
            Self::NotYet => "the token is not valid yet",
            Self::Issuer => "the issuer is not accepted",
            Self::Audience => "the token is for another audience",
            Self::Claim => "a required claim is missing",
            Self::Value => "a claim does not have the value that is required",
            Self::Scope => "the scope is not sufficient",
        }
    }
}

/// What clients are told of each fault: the field `WWW-Authenticate` (RFC 6750 §3), made once.
#[derive(Debug)]
pub struct Challenges([HeaderValue; Fault::ALL.len()]);

impl Challenges {
    /// For this realm and these scopes; `None` if the realm can't stand in a header field.
    pub fn new(realm: &str, scopes: &[Box<str>]) -> Option<Self> {
        let realm = realm.replace('\\', "\\\\").replace('"', "\\\"");
        let mut values = Vec::with_capacity(Fault::ALL.len());
        for fault in Fault::ALL {
            let mut value = format!("Bearer realm=\"{realm}\"");
            // One who sent no token is told no error (RFC 6750 §3.1).
            if fault != Fault::Missing {
                let code = if fault.is_forbidden() {
                    "insufficient_scope"
                } else {
                    "invalid_token"
                };
                let description = fault.description();
                value.push_str(&format!(
                    ", error=\"{code}\", error_description=\"{description}\""
                ));
            }
            if fault == Fault::Scope {
                value.push_str(&format!(", scope=\"{}\"", scopes.join(" ")));
            }
            values.push(HeaderValue::try_from(value).ok()?);
        }
        values.try_into().ok().map(Self)
    }

    /// The field that tells of this fault.
    pub fn field(&self, fault: Fault) -> (HeaderName, HeaderValue) {
        (WWW_AUTHENTICATE, self.0[fault as usize].clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_without_a_token_is_told_where_it_is_and_one_with_a_bad_one_what_is_wrong() {
        let challenges = Challenges::new("the \"api\"", &[]).expect("a realm");
        let told = |fault| {
            let (name, value) = challenges.field(fault);
            assert_eq!(name, WWW_AUTHENTICATE);
            value.to_str().expect("text").to_owned()
        };
        assert_eq!(told(Fault::Missing), r#"Bearer realm="the \"api\"""#);
        assert_eq!(
            told(Fault::Expired),
            r#"Bearer realm="the \"api\"", error="invalid_token", error_description="the token has expired""#
        );
        for (index, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, index, "{fault:?}");
        }
        assert!(Challenges::new("two\nlines", &[]).is_none());
    }

    #[test]
    fn one_whose_token_is_good_but_not_for_this_is_told_what_it_takes() {
        let scopes = ["read".into(), "write".into()];
        let challenges = Challenges::new("api", &scopes).expect("a realm");
        let (_, value) = challenges.field(Fault::Scope);
        let value = value.to_str().expect("text");
        assert!(value.contains(r#"error="insufficient_scope""#), "{value}");
        assert!(value.ends_with(r#", scope="read write""#), "{value}");
    }
}
